"""An API key's scopes and allowed addresses."""

from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.registry.model import KeyAccess

type EventOf = Callable[..., dict[str, Any]]
type RestPath = Callable[[str], dict[str, Any]]

ADDRESS = "203.0.113.7"


@pytest.mark.parametrize(
    ("allowlist", "address", "status"),
    [
        ((), ADDRESS, 200),
        ((ADDRESS,), ADDRESS, 200),
        (("203.0.113.0/24",), ADDRESS, 200),
        (("203.0.113.9/24",), ADDRESS, 200),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", 200),
        (("203.0.113.0/24",), "::ffff:203.0.113.7", 200),
        (("10.0.0.0/8",), ADDRESS, 403),
        (("2001:db8::/32",), ADDRESS, 403),
        (("anywhere",), ADDRESS, 403),
        (("anywhere", "203.0.113.0/24"), ADDRESS, 200),
        (("0.0.0.0/0",), None, 403),
        (("0.0.0.0/0",), "", 403),
        (("0.0.0.0/0",), "unknown", 403),
    ],
)
@pytest.mark.parametrize("payload", ["1.0", "2.0"])
def test_a_key_works_only_from_its_allowlist(
    payload: str, allowlist: tuple[str, ...], address: str | None, status: int, world: Any, event_of: EventOf
) -> None:
    """By address or CIDR, as API Gateway says; an unknown address is on no list."""
    world.registry.allowlist = allowlist
    event = event_of("rest_v1" if payload == "1.0" else "api_v2")
    place = "identity" if payload == "1.0" else "http"
    event["requestContext"] = {
        **event["requestContext"],
        place: {**event["requestContext"][place], "sourceIp": address},
    }
    event["headers"] = {**event["headers"], "x-forwarded-for": ADDRESS}
    assert world.call(event)["statusCode"] == status


@pytest.mark.parametrize("path", ["/core/acme/cache_stats", "/core/acme/job_status", "/core/acme/nothing"])
def test_the_allowlist_is_checked_first(path: str, world: Any, rest_path: RestPath) -> None:
    """A caller from elsewhere learns nothing about functions, caches and jobs."""
    world.registry.allowlist = ("10.0.0.0/8",)
    world.registry.scopes = frozenset({"admin"})
    response = world.call(rest_path(path))
    assert (response["statusCode"], "from this IP address" in response["body"]) == (403, True)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ({"invoke"}, {"greet"}),
        ({"jobs"}, {"job_status"}),
        ({"cache:admin"}, {"cache_stats"}),
        ({"invoke", "jobs"}, {"greet", "job_status"}),
        ({"admin"}, {"greet", "job_status", "cache_stats"}),
        (set(), set()),
        ({"Invoke", "*"}, set()),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    scopes: set[str], allowed: set[str], world: Any, rest_path: RestPath
) -> None:
    """And nothing else; a key that is its own secret always has invoke and jobs."""
    world.registry.scopes = frozenset(scopes)
    world.registry.key_hashes = ()
    asked = {"greet", "job_status", "cache_stats"}
    assert {name for name in asked if _answers(world, rest_path, name)} == allowed
    world.registry.key_hashes = None
    assert {name for name in asked if _answers(world, rest_path, name)} == allowed | {"greet", "job_status"}


def _answers(world: Any, rest_path: RestPath, name: str) -> bool:
    event = rest_path(f"/core/acme/{name}") | {"body": None, "httpMethod": "GET"}
    event["multiValueQueryStringParameters"] = {"job_id": ["1"]} if name == "job_status" else {}
    return bool(world.call(event)["statusCode"] != 403)


def test_admin_doesnt_include_another_tenants_caches() -> None:
    """It has all scopes at its own endpoints."""
    connection = KeyAccess("acme", "acme", "sek_1", {}, {}, frozenset({"admin"}), (), "sek_1", ())
    assert connection.may("cache:admin")
    assert "cache:admin:all" not in connection.scopes
