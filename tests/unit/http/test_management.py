"""Cache management: for those it was granted to, and honest about what isn't there yet."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine_http.management import manage_cache


@pytest.fixture
def ask(world: Any, rest_path: Callable[[str], dict[str, Any]]) -> Callable[..., Any]:
    """Ask for an operation with query parameters."""

    def send(operation: str = "cache_clear", **query: str) -> Any:
        event = rest_path(f"/core/acme/{operation}") | {
            "httpMethod": "GET",
            "body": None,
            "queryStringParameters": query,
            "multiValueQueryStringParameters": None,
        }
        return world.call(event)

    return send


@pytest.mark.parametrize("operation", ["cache_clear", "cache_stats"])
@pytest.mark.parametrize("grants", [frozenset(), frozenset({"cache:read", "admin"})])
def test_a_key_without_the_grant_is_refused(
    operation: str, grants: frozenset[str], world: Any, ask: Callable[..., Any]
) -> None:
    """Only a connection with the grant cache:admin reaches the caches."""
    world.registry.grants = grants
    answer = ask(operation)
    assert answer["statusCode"] == 403
    assert json.loads(answer["body"])["error"] == "This API key may not manage caches"
    assert not world.invoker.sent


@pytest.mark.parametrize("operation", ["cache_clear", "cache_stats"])
def test_nothing_pretends_to_have_been_cleared(operation: str, world: Any, ask: Callable[..., Any]) -> None:
    """What is well asked and can't be done yet is 501, not a success."""
    world.registry.grants = frozenset({"cache:admin"})
    answer = ask(operation, cache_name="settings", cache_key="user:*")
    assert answer["statusCode"] == 501
    assert operation in json.loads(answer["body"])["error"]


@pytest.mark.parametrize("name", ["../../x", "A", "a" * 65, "a b", "a/b", ".", "a\n"])
def test_a_cache_name_is_no_path(name: str, world: Any, ask: Callable[..., Any]) -> None:
    """A cache's name is of a few letters, so that it can't lead anywhere else."""
    world.registry.grants = frozenset({"cache:admin"})
    answer = ask(cache_name=name)
    assert answer["statusCode"] == 400
    assert "cache_name must be" in json.loads(answer["body"])["error"]


def test_parameters_in_a_body_are_refused(world: Any, rest_path: Callable[[str], dict[str, Any]]) -> None:
    """A body that nobody reads might name one cache while another one is cleared."""
    world.registry.grants = frozenset({"cache:admin"})
    assert world.call(rest_path("/core/acme/cache_clear"))["statusCode"] == 400


def test_the_operation_is_a_plain_function() -> None:
    """The specification's Resources calls it with parameters of its own; they are checked there too."""
    with pytest.raises(SilvaEngineError) as refused:
        manage_cache("cache_stats", {})
    assert refused.value.status == 501
    with pytest.raises(NotFoundError):
        manage_cache("cache_drop", {})
    for params in ({"cache_name": 3}, {"cache_key": ["*"]}):
        with pytest.raises(RequestError):
            manage_cache("cache_clear", params)
