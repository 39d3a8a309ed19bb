"""Cache management over HTTP: for those it was granted to, and within their tenant."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from silvaengine.cache.clear_log import LocalClearLogs, ProcessLogTexts
from silvaengine.cache.engine import HybridCacheEngine
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.process import process_cache
from silvaengine.context import tenant
from silvaengine.errors import NotFoundError, RequestError
from silvaengine.redis.breaker import TierError
from silvaengine_http.management import manage_cache

type Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def cache() -> Iterator[HybridCache]:
    """The process's cache, empty, with no tier beside memory."""
    process_cache().isolate()
    yield process_cache()
    process_cache().isolate()


@pytest.fixture
def ask(world: Any, rest_path: Callable[[str], dict[str, Any]]) -> Ask:
    """Ask for an operation with query parameters."""

    def send(
        operation: str = "cache_clear",
        method: str = "GET",
        body: str | None = None,
        area: str = "core",
        **query: str,
    ) -> Any:
        event = rest_path(f"/{area}/acme/{operation}") | {
            "httpMethod": method,
            "body": body,
            "queryStringParameters": query,
            "multiValueQueryStringParameters": None,
        }
        return world.call(event)

    return send


def keep(endpoint_id: str, key: str, name: str = "method") -> HybridCacheEngine:
    """Put a value into a tenant's part of a cache."""
    token = tenant.set(endpoint_id)
    engine = HybridCacheEngine(name)
    engine.set(key, endpoint_id)
    tenant.reset(token)
    return engine


def kept(endpoint_id: str, key: str, name: str = "method") -> Any:
    """Look a tenant's value up."""
    token = tenant.set(endpoint_id)
    found = HybridCacheEngine(name).get(key)
    tenant.reset(token)
    return found


@pytest.mark.parametrize("operation", ["cache_clear", "cache_stats"])
@pytest.mark.parametrize("grants", [frozenset(), frozenset({"cache:read", "jobs", "invoke"})])
def test_a_key_without_the_grant_is_refused(
    operation: str, grants: frozenset[str], world: Any, ask: Ask
) -> None:
    """Only a connection with the grant cache:admin reaches the caches."""
    world.registry.scopes = grants
    response = ask(operation)
    assert response["statusCode"] == 403
    assert json.loads(response["body"])["error"] == "This API key is not allowed to manage caches"
    assert not world.invoker.sent


def test_a_clear_stays_within_the_tenant(world: Any, ask: Ask) -> None:
    """The grant reaches the caller's own values; every other tenant's stay."""
    world.registry.scopes = frozenset({"cache:admin"})
    keep("acme", "user:1")
    keep("acme", "order:1")
    keep("globex", "user:1")
    response = ask(cache_key="user:*")
    assert json.loads(response["body"]) == {
        "success": True,
        "cache_name": "method",
        "cache_key": "user:*",
        "redis_available": False,
        "disk_available": False,
        "disk_path": None,
    }
    assert (kept("acme", "user:1"), kept("acme", "order:1"), kept("globex", "user:1")) == (
        None,
        "acme",
        "globex",
    )


def test_a_parameter_of_another_path_manages_nothing(
    world: Any, rest_path: Callable[[str], dict[str, Any]]
) -> None:
    """The predecessor's ``_cache_operation`` is a parameter like others, whatever the key was granted."""
    world.registry.grants = frozenset({"admin", "cache:admin"})
    query = {"_cache_operation": ["cache_clear"]}
    assert world.call(rest_path("/core/acme/greet") | {"multiValueQueryStringParameters": query})
    assert world.payload["params"]["_cache_operation"] == "cache_clear"


def test_a_grant_for_all_clears_all(world: Any, ask: Ask) -> None:
    """cache:admin:all reaches every tenant's values."""
    world.registry.scopes = frozenset({"cache:admin:all"})
    keep("acme", "a")
    keep("globex", "a")
    assert ask()["statusCode"] == 200
    assert (kept("acme", "a"), kept("globex", "a")) == (None, None)


def test_a_setting_opens_it(world: Any, ask: Ask) -> None:
    """Where the gateway's settings say so, every key of the endpoint may manage its caches."""
    world.registry.area_settings = {"cache_admin_open": True}
    assert ask("cache_stats")["statusCode"] == 200
    world.registry.area_settings = {"cache_admin_open": "true"}
    assert ask("cache_stats")["statusCode"] == 403


@pytest.mark.parametrize("area", ["core", "raw"])
def test_a_post_may_say_it_in_its_body(world: Any, ask: Ask, area: str) -> None:
    """A POST may say in its JSON body what a GET says in its query, in areas with full events as well."""
    world.registry.scopes = frozenset({"cache:admin"})
    keep("acme", "user:1")
    keep("acme", "order:1")
    assert ask(method="POST", body='{"cache_key": "user:*"}', area=area)["statusCode"] == 200
    assert (kept("acme", "user:1"), kept("acme", "order:1")) == (None, "acme")
    assert ask(method="POST", body='["user:*"]', area=area)["statusCode"] == 400
    response = ask(method="DELETE")
    assert (response["statusCode"], response["headers"]["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")


@pytest.mark.parametrize("name", ["../../x", "a" * 121, "a b", "a/b", ".", "a..b", "a\n"])
def test_a_cache_name_is_no_path(name: str, world: Any, ask: Ask) -> None:
    """A cache's name is of a few letters, so that it can't lead anywhere else."""
    world.registry.scopes = frozenset({"cache:admin"})
    response = ask(cache_name=name)
    assert response["statusCode"] == 400
    assert "cache_name must be" in json.loads(response["body"])["error"]


@pytest.mark.parametrize("name", ["shop_engine.models.item", "Shop", "x" * 120])
def test_a_package_s_cache_is_cleared_by_its_name(name: str, world: Any, ask: Ask) -> None:
    """The predecessor's packages name theirs by package and model."""
    world.registry.scopes = frozenset({"cache:admin"})
    keep("acme", "a", name)
    response = ask(cache_name=name, cache_key="a")
    assert (response["statusCode"], json.loads(response["body"])["cache_name"]) == (200, name)
    assert kept("acme", "a", name) is None


def test_an_unknown_cache_is_404_until_it_is_used(world: Any, ask: Ask) -> None:
    """A name that no function has used doesn't exist; the default one always does."""
    world.registry.scopes = frozenset({"cache:admin"})
    assert ask("cache_stats", cache_name="orders")["statusCode"] == 404
    keep("globex", "a", "orders")
    assert ask("cache_stats", cache_name="orders")["statusCode"] == 200
    assert ask("cache_stats")["statusCode"] == 200


def test_statistics_are_the_tenants_own(world: Any, ask: Ask) -> None:
    """Counters and entries of other tenants aren't told."""
    world.registry.scopes = frozenset({"cache:admin"})
    keep("acme", "a")
    keep("globex", "a")
    keep("globex", "b")
    kept("acme", "a")
    instance = json.loads(ask("cache_stats")["body"])["instance"]
    assert (instance["entries"], instance["memory_hits"]) == (1, 1)


def test_a_clear_that_reached_nobody_is_503(world: Any, ask: Ask, cache: HybridCache) -> None:
    """Success is only said when a store has acknowledged the clear."""

    class Away(LocalClearLogs):
        def clear(self, name: str, tenant: str, pattern: str) -> None:
            raise TierError("away")

    cache.fence.replace_store(Away(ProcessLogTexts()))
    world.registry.scopes = frozenset({"cache:admin"})
    response = ask()
    assert (response["statusCode"], response["headers"]["Retry-After"]) == (503, "1")


def test_an_operator_invokes_the_gateway_itself(world: Any) -> None:
    """The command's event names an endpoint or none; its response and its errors are plain."""
    keep("acme", "a")
    keep("globex", "a")
    one = {"operation": "cache_clear", "endpoint_id": "acme"}
    assert world.handler({"silvaengine": one}, None)["success"] is True
    assert (kept("acme", "a"), kept("globex", "a")) == (None, "globex")
    assert world.handler({"silvaengine": {"operation": "cache_clear"}}, None)["success"] is True
    assert kept("globex", "a") is None
    for wrong in ("cache_clear", {"operation": "drop"}, {"operation": "cache_keys"}):
        with pytest.raises(RequestError):
            world.handler({"silvaengine": wrong}, None)


def test_the_operation_is_a_plain_function() -> None:
    """The specification's Resources calls it with parameters of its own; they are checked there too."""
    assert manage_cache("cache_stats", {})["cache_name"] == "method"
    with pytest.raises(NotFoundError):
        manage_cache("cache_drop", {})
    for params in ({"cache_name": 3}, {"cache_key": ["*"]}, {"cache_key": "a\nb"}, {"cache_key": "a" * 600}):
        with pytest.raises(RequestError):
            manage_cache("cache_clear", params)
