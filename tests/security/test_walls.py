"""Nothing of one tenant reaches another: T3, T4, T5, over a whole platform with three of them."""

import json
import random
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.cache.keys import call_text
from silvaengine.cache.process import process_cache

from ..examples import examples
from .platform import Platform, json_of, rest_event

TENANTS = ("acme", "globex", "initech")
PAIRS = list(permutations(TENANTS, 2))
LOOK = {"module_name": "sample_functions.tenants", "class_name": "Shop", "methods": ["GET", "POST"]}


def key_of(tenant: str) -> str:
    """Return a tenant's key."""
    return f"{tenant}-key"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with an empty cache in a folder of the test's own."""
    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    process_cache.cache_clear()
    yield
    process_cache.cache_clear()


@pytest.fixture
def platform() -> Platform:
    """Three tenants of one worker process, warm."""
    whole = Platform({"look": LOOK, "look_all": {**LOOK, "area": "raw"}})
    for tenant in TENANTS:
        whole.add_tenant(tenant, key_of(tenant), {"secret_of": f"only {tenant}'s"})
    return whole


def by_context(key: str) -> dict[str, Any]:
    """Return a key as API Gateway hands it over that has checked it."""
    return {"identity": {"apiKey": key, "sourceIp": "192.0.2.1"}}


# Where a key may stand: the first three are the contract's, the others mean nothing.
KEYS: dict[str, Any] = {
    "identity": by_context,
    "header": lambda key: {"headers": {"X-API-Key": key}},
    "query": lambda key: {"query": {"x-api-key": key}},
    "body": lambda key: {"body": json.dumps({"x-api-key": key, "api_key": key}), "method": "POST"},
    "cookie": lambda key: {"headers": {"cookie": f"x-api-key={key}"}},
    "authorization": lambda key: {"headers": {"authorization": f"Bearer {key}"}},
    "no key": lambda _: {},
}
OPENING = ("identity", "header", "query")
ROUTES = {
    "function": ("look", {}),
    "job": ("look", {"prefer": "respond-async"}),
    "keyed": ("look", {"idempotency-key": "one"}),
    "cache_clear": ("cache_clear", {}),
    "cache_stats": ("cache_stats", {}),
    "job_status": ("job_status", {}),
    "unknown": ("nothing", {}),
}


def ask(platform: Platform, tenant: str, route: str, place: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ask a tenant's endpoint over a route, with what stands in a place of the request."""
    name, headers = ROUTES[route]
    parts: dict[str, Any] = {"method": "POST" if "idempotency-key" in headers else "GET", **place, **more}
    method = parts.pop("method")
    query = {"job_id": "unknown", "cache_name": "walls"} if route in {"job_status", "cache_stats"} else {}
    parts["query"] = {**query, **parts.get("query", {})}
    parts["headers"] = {**headers, **parts.get("headers", {})}
    return platform.call(rest_event(method, f"/core/{tenant}/{name}", **parts))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("place", KEYS)
def test_t3_a_foreign_key_opens_no_route(route: str, place: str, platform: Platform) -> None:
    """Six pairs of tenants: wherever the other's key stands, nothing runs and nothing is told."""
    for tenant, other in PAIRS:
        answer = ask(platform, tenant, route, KEYS[place](key_of(other)))
        assert answer["statusCode"] in {403, 404}, (tenant, other)
        assert "secret" not in answer["body"]
    assert platform.lambdas.invoked == 0


@pytest.mark.parametrize("hidden", [place for place in KEYS if place not in OPENING and place != "no key"])
def test_t3_an_own_key_stays_ones_own_beside_a_foreign_one(hidden: str, platform: Platform) -> None:
    """Another's key in a place where none is looked for changes nothing."""
    for tenant, other in PAIRS:
        place = KEYS[hidden](key_of(other))
        place["headers"] = {**place.get("headers", {}), "x-api-key": key_of(tenant)}
        answer = ask(platform, tenant, "function", place)
        assert json_of(answer)["tenant"] == tenant
        assert other not in answer["body"].replace("api_key", "")


def foreign_ids(other: str) -> list[dict[str, Any]]:
    """List the places where another tenant's id may hide."""
    members = {
        "endpoint_id": other,
        "context": {"channel": other},
        "channel": other,
        "invocation": {"endpoint_id": other},
        "setting": f"own-{other}",
    }
    return [
        {"query": {"endpoint_id": other, "channel": other, "setting": f"own-{other}"}},
        {"body": json.dumps(members), "method": "POST"},
        {"body": json.dumps(members).replace("endpoint_id", "\\u0065ndpoint_id"), "method": "POST"},
        {"body": f"endpoint_id={other}&context={other}", "method": "POST",
         "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"headers": {"endpoint_id": other, "x-endpoint-id": other, "x-forwarded-host": other}},
        {"channel": other, "area": other, "authorizer": {"endpoint_id": other}},
    ]  # fmt: skip


def test_t3_no_hidden_id_makes_a_call_anothers(platform: Platform) -> None:
    """An id in query, body, form, headers or API Gateway's own context: tenant and settings stay."""
    for tenant, other in PAIRS:
        for place in foreign_ids(other):
            place["headers"] = {**place.get("headers", {}), "x-api-key": key_of(tenant)}
            told = json_of(ask(platform, tenant, "function", place))
            assert (told["endpoint_id"], told["channel"], told["tenant"]) == (tenant, tenant, tenant)
            assert told["setting"] == told["settings"] == {"secret_of": f"only {tenant}'s"}


def test_t3_a_job_and_an_idempotency_key_are_their_tenants(platform: Platform) -> None:
    """Another tenant finds no job by its id, and its own request runs under the same idempotency key."""
    jobs = {}
    for tenant in TENANTS:
        place = {"headers": {"x-api-key": key_of(tenant)}}
        jobs[tenant] = json_of(ask(platform, tenant, "job", place))["job_id"]
        assert json_of(ask(platform, tenant, "keyed", place, body="{}"))["tenant"] == tenant
    for tenant, other in PAIRS:
        place = {"headers": {"x-api-key": key_of(tenant)}, "query": {"job_id": jobs[other]}}
        assert ask(platform, tenant, "job_status", place)["statusCode"] == 404
        own = {**place, "query": {"job_id": jobs[tenant]}}
        assert json_of(ask(platform, tenant, "job_status", own))["result"]["tenant"] == tenant


@given(st.lists(st.sampled_from(TENANTS), min_size=20, max_size=60))
@examples(0.125)
def test_t4_no_setting_of_one_tenant_is_seen_by_the_next(order: list[str]) -> None:
    """A thousand interleaved calls on one warm process: each sees its own settings and cached value."""
    whole = Platform({"look": LOOK})
    for tenant in TENANTS:
        whole.add_tenant(tenant, key_of(tenant), {"secret_of": f"only {tenant}'s"})
    for tenant in order:
        event = rest_event("GET", f"/core/{tenant}/look", headers={"x-api-key": key_of(tenant)})
        told = json_of(whole.call(event))
        own = f"only {tenant}'s"
        assert (told["setting"], told["settings"]) == ({"secret_of": own}, {"secret_of": own})
        assert told["kept"] == f"same for all: {own}"


def test_t4_what_the_registry_gives_can_not_be_changed(platform: Platform) -> None:
    """Settings of a function and a connection are frozen for whoever gets them."""
    connection = platform.registry.key_access("acme", "acme-key", "core")
    function = platform.registry.function(connection, "look")
    for frozen in (connection.settings, connection.functions, function.settings, function.configuration):
        with pytest.raises(TypeError):
            frozen["x"] = 1  # type: ignore[index]


def test_t7_a_clear_ends_its_own_tenants_entries(platform: Platform) -> None:
    """Another tenant's value stays, whatever pattern is cleared."""
    before = {}
    for tenant in TENANTS:
        answer = ask(platform, tenant, "function", {"headers": {"x-api-key": key_of(tenant)}})
        before[tenant] = json_of(answer)["kept"]
    cache = process_cache()
    for pattern in ("*", "kept:*", "*globex*"):
        place = {"headers": {"x-api-key": "acme-key"}, "query": {"cache_name": "walls", "cache_key": pattern}}
        assert ask(platform, "acme", "cache_clear", place)["statusCode"] == 200
    for tenant in TENANTS:
        count = sum(entry.view.tenant == tenant for entry in cache.memory.entries.values())
        assert count == (tenant != "acme")


_LEAVES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    0.0,
    "1",
    "True",
    "None",
    "é",
    "e\u0301",
    "",
    "a:b",
    "~1",
    "a,b",
    "*",
)


def argument(chance: random.Random, depth: int = 2) -> Any:
    """Return an argument of a few kinds, so that many are nearly the same."""
    kind = chance.randrange(6 if depth else 3)
    several = range(chance.randrange(3))
    if kind < 3:
        return chance.choice(_LEAVES)
    if kind == 3:
        return [argument(chance, depth - 1) for _ in several]
    if kind == 4:
        return tuple(argument(chance, depth - 1) for _ in several)
    return {str(chance.choice(_LEAVES)): argument(chance, depth - 1) for _ in several}


def canonical(value: Any) -> Any:
    """Return what makes two arguments the same: type and content."""
    if isinstance(value, dict):
        return "dict", frozenset((name, canonical(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(canonical, value))
    return type(value).__name__, repr(value)


def test_t5_no_two_calls_share_a_key() -> None:
    """Ten thousand calls, fifty million pairs: two keys are the same only where type and content are."""
    chance = random.Random(5)  # noqa: S311 - a test's
    texts: dict[str, Any] = {}
    for _ in range(10_000):
        call = [argument(chance) for _ in range(chance.randrange(3))]
        same = canonical(call)
        assert texts.setdefault(call_text(call), same) == same
    assert len(texts) > 2_000
