"""Nothing of one tenant reaches another: T3, T4, over a whole platform with three of them."""

import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.cache.process import process_cache
from silvaengine.tables import CONFIG_DATA, CONNECTIONS

from ..examples import examples
from .platform import WORKER, Platform, json_of, rest_event

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


# Where a key means nothing.
HIDDEN: dict[str, Any] = {
    "body": lambda key: {"body": json.dumps({"x-api-key": key, "api_key": key}), "method": "POST"},
    "cookie": lambda key: {"headers": {"cookie": f"x-api-key={key}"}},
    "authorization": lambda key: {"headers": {"authorization": f"Bearer {key}"}},
}
ROUTES = {
    "function": ("look", {}),
    "job": ("look", {"prefer": "respond-async"}),
    "keyed": ("look", {"idempotency-key": "one"}),
    "job_status": ("job_status", {}),
}


def ask(platform: Platform, tenant: str, route: str, place: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ask a tenant's endpoint over a route, with what stands in a place of the request."""
    name, headers = ROUTES[route]
    parts: dict[str, Any] = {"method": "POST" if "idempotency-key" in headers else "GET", **place, **more}
    method = parts.pop("method")
    query = {"job_id": "unknown"} if route == "job_status" else {}
    parts["query"] = {**query, **parts.get("query", {})}
    parts["headers"] = {**headers, **parts.get("headers", {})}
    return platform.call(rest_event(method, f"/core/{tenant}/{name}", **parts))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_t3_an_own_key_stays_ones_own_beside_a_foreign_one(hidden: str, platform: Platform) -> None:
    """Another's key in a place where none is looked for changes nothing."""
    for tenant, other in PAIRS:
        place = HIDDEN[hidden](key_of(other))
        place["headers"] = {**place.get("headers", {}), "x-api-key": key_of(tenant)}
        response = ask(platform, tenant, "function", place)
        assert json_of(response)["tenant"] == tenant
        assert other not in response["body"].replace("api_key", "")


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


@pytest.fixture
def two_readings() -> Platform:
    """`beta_core_acme_shop` names the settings of `acme_shop` in core, and of `shop` in `core_acme`."""
    platform = Platform({"look": LOOK})
    for tenant in ("shop", "acme_shop"):
        platform.add_tenant(tenant, key_of(tenant), {})
        entry = {"aws_lambda_arn": WORKER, "function": "look"}
        platform.dynamodb.put(CONNECTIONS, endpoint_id=tenant, api_key=key_of(tenant), functions=[entry])
    for variable, value in (("cache_admin_open", True), ("cors", {"origins": ["https://acme.example"]})):
        platform.dynamodb.put(CONFIG_DATA, setting_id="beta_core_acme_shop", variable=variable, value=value)
    return platform


def test_t3_no_area_reads_another_tenants_settings(two_readings: Platform) -> None:
    """Those of `acme_shop` open nothing in `core_acme` of `shop`."""

    def clear(path: str, tenant: str) -> tuple[int, str]:
        event = rest_event("GET", f"{path}/cache_clear", headers={"x-api-key": key_of(tenant)})
        response = two_readings.call(event)
        return response["statusCode"], json_of(response).get("error", "")

    refusal = "This API key has no functions in area 'core_acme'"
    assert clear("/core_acme/shop", "shop") == (403, refusal)
    assert clear("/core/shop", "shop")[0] == 403
    assert clear("/core/acme_shop", "acme_shop")[0] == 200


@pytest.mark.parametrize("path", ["/core_acme/shop/look", "/core/acme_shop/look"])
def test_t3_no_policy_is_read_where_it_may_be_another_tenants(path: str, two_readings: Platform) -> None:
    """A preflight and a refusal have the contract's headers there; a call has the policy of its tenant."""

    def readers(method: str, origin: str, api_key: str = "") -> str | None:
        headers = {"origin": origin, "x-api-key": api_key}
        answered = two_readings.call(rest_event(method, path, headers=headers))["headers"]
        assert "Access-Control-Allow-Credentials" not in answered
        named: str | None = answered.get("Access-Control-Allow-Origin")
        return named

    for origin in ("https://acme.example", "https://evil.example"):
        assert readers("OPTIONS", origin) == readers("GET", origin, "wrong") == "*"
    if "acme_shop" in path:
        assert readers("GET", "https://acme.example", "acme_shop-key") == "https://acme.example"
        assert readers("GET", "https://evil.example", "acme_shop-key") is None


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
