"""Whatever Lambda hands over, the gateway answers something that API Gateway takes."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
_MEMBERS = st.sampled_from(
    [
        "body",
        "cookies",
        "headers",
        "httpMethod",
        "isBase64Encoded",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "rawPath",
        "rawQueryString",
        "requestContext",
        "version",
    ]
)
_TEXTS = st.sampled_from(
    [
        "",
        "//",
        "/core/acme/greet",
        "/core/acme/cache_clear",
        "/raw/acme/greet",
        "%",
        "{",
        "[[",
        "e30=",
        "2.0",
        "HEAD",
    ]
) | st.text(max_size=10)
_MAPS = st.dictionaries(
    st.sampled_from(
        ["area", "endpoint_id", "proxy", "x-api-key", "Content-Type", "stage", "identity", "http"]
    ),
    _TEXTS | _JSON,
    max_size=5,
)
_CHANGES = st.dictionaries(_MEMBERS, _TEXTS | _MAPS | _JSON, max_size=5)
_PUBLIC = {200, 204, 400, 403, 404, 405, 413, 415}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["rest_v1", "api_v2", "function_url"]),
    _CHANGES,
    st.lists(_MEMBERS, max_size=3),
)
def test_a_mutated_event_gets_a_well_formed_answer(
    make_world: Callable[[], Any],
    event_of: Callable[..., dict[str, Any]],
    name: str,
    changes: dict[str, Any],
    missing: list[str],
) -> None:
    """No event makes the gateway fail: it serves it or refuses it, and says which."""
    event = {member: value for member, value in event_of(name, **changes).items() if member not in missing}
    response = make_world().call(event)
    assert response["statusCode"] in _PUBLIC, response
    if response["statusCode"] >= 400 and response["body"]:
        assert json.loads(response["body"])["error"] != "Internal server error"


@given(_JSON)
def test_any_other_event_is_refused(make_world: Callable[[], Any], event: object) -> None:
    """What is no HTTP event at all is a 400."""
    assert make_world().call(event)["statusCode"] == 400
