"""What is the API's own in a path: neither its stage nor a custom domain's mapping is an area."""

from typing import Any

import pytest

from silvaengine.errors import NotFoundError, RequestError
from silvaengine_http.path import Route, read_path

API, CUSTOM = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com", "api.example.com"
URL = "abcdefghij.lambda-url.us-east-1.on.aws"
GREET = Route("core", "acme", "greet", path="", depth=0)


def _rest(path: str, resource: str, parameters: dict[str, str] | None, domain: str = API) -> dict[str, Any]:
    context = {"stage": "beta", "domainName": domain, "resourcePath": resource}
    return {"path": path, "resource": resource, "pathParameters": parameters, "requestContext": context}


def _http_1(path: str, resource: str, parameters: Any = None, stage: str = "beta") -> dict[str, Any]:
    event = _rest(path, resource, parameters)
    return {"version": "1.0", **event, "requestContext": {**event["requestContext"], "stage": stage}}


def _http_2(
    path: str, route: str = "$default", parameters: Any = None, stage: str = "beta", domain: str = API
) -> dict[str, Any]:
    http = {"method": "GET", "path": path}
    context = {"stage": stage, "domainName": domain, "http": http, "routeKey": route}
    event = {"version": "2.0", "rawPath": path, "routeKey": route, "requestContext": context}
    return event | ({"pathParameters": parameters} if parameters else {})


def _whole(proxy: str) -> dict[str, str]:
    return {"proxy": proxy}


@pytest.mark.parametrize(
    "event",
    [
        _rest("/core/acme/greet", "/{proxy+}", _whole("core/acme/greet")),
        _rest("/v1/core/acme/greet", "/{proxy+}", _whole("core/acme/greet"), CUSTOM),
        _rest("/v1/x/core/acme/greet", "/{proxy+}", _whole("core/acme/greet"), CUSTOM),
        _rest("/beta/core/acme/greet", "/{proxy+}", _whole("core/acme/greet"), CUSTOM),
        _rest("/v1/core/acme/greet", "/core/{proxy+}", _whole("acme/greet"), CUSTOM),
        _rest("/v1/core/acme/greet", "/core/{tenant}/{name}", {"tenant": "acme", "name": "greet"}, CUSTOM),
        _rest("/v1/core/acme/greet", "/core/acme/greet", None, CUSTOM),
        _rest("/core/acme/greet", "/{area}/{endpoint_id}/{proxy+}", None),
        _http_1("/beta/core/acme/greet", "$default"),
        _http_1("/core/acme/greet", "$default", stage="$default"),
        _http_1("/beta/core/acme/greet", "/{proxy+}", _whole("core/acme/greet")),
        _http_1("/v1/core/acme/greet", "/{proxy+}", _whole("core/acme/greet")),
        _http_2("/beta/core/acme/greet"),
        _http_2("/core/acme/greet", stage="$default"),
        _http_2("/core/acme/greet", stage="$default", domain=URL),
        _http_2("/beta/core/acme/greet", domain=CUSTOM),
        _http_2("/beta/core/acme/greet", "ANY /{proxy+}", _whole("core/acme/greet")),
        _http_2("/beta/core/acme/greet", "GET /core/{proxy+}", _whole("acme/greet")),
        _http_2("/beta/core/acme/greet", "GET /core/acme/greet"),
        _http_2("/beta/core/acme/greet", "ANY /{proxy+}"),
    ],
)
def test_neither_stage_nor_mapping_is_an_area(event: dict[str, Any]) -> None:
    """Whatever stands before it at an API or at a domain, the same function is named."""
    assert read_path(event) == GREET


@pytest.mark.parametrize(
    ("event", "area"),
    [
        (_http_2("/beta/beta/acme/greet"), "beta"),
        (_http_2("/beta/betamax/acme/greet"), "betamax"),
        (_http_2("/beta/betamax/acme/greet", "ANY /{proxy+}", _whole("betamax/acme/greet")), "betamax"),
        (_http_2("/betamax/acme/greet", stage="$default"), "betamax"),
        (_http_2("/None/acme/greet", stage="$default"), "None"),
        (_http_2("/beta/beta/acme/greet", "ANY /{proxy+}", _whole("beta/acme/greet")), "beta"),
        (_http_1("/beta/beta/acme/greet", "$default"), "beta"),
        (_rest("/beta/acme/greet", "/{proxy+}", _whole("beta/acme/greet")), "beta"),
        (_rest("/beta/acme/greet", "/{area}/{endpoint_id}/{proxy+}", None), "beta"),
    ],
)
def test_an_area_may_have_the_stages_name(event: dict[str, Any], area: str) -> None:
    """A stage is taken off once, as a whole segment, and only where the event's kind has it in its path."""
    assert read_path(event) == Route(area, "acme", "greet", path="", depth=0)


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (_rest("/v1/core/acme/greet/a%2Bb%20c", "/{proxy+}", _whole("core/acme/greet/a%2Bb%20c")), "a+b c"),
        (_http_2("/beta/core/acme/greet/a+b c"), "a+b c"),
        (_http_2("/beta/core/acme/greet/100%"), "100%"),
        (_http_2("/beta/core/acme/greet/100%25"), "100%"),
        (_http_2("/core/acme/greet/%252e", stage="$default"), "%2e"),
        (_http_2("/core/acme/greet/a%2Bb%20c", stage="$default", domain=URL), "a+b c"),
        (_http_2("/core/acme/greet/100%25", stage="$default", domain=URL), "100%"),
        (_http_2("/beta/core/acme/greet/é", "ANY /{proxy+}", _whole("core/acme/greet/é")), "é"),
        (_http_1("/beta/core/acme/greet/100%", "/{proxy+}", _whole("core/acme/greet/100%")), "100%"),
    ],
)
def test_what_an_api_has_decoded_is_not_decoded_again(event: dict[str, Any], path: str) -> None:
    """HTTP APIs decode paths, REST APIs and function URLs don't."""
    assert read_path(event).path == path


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (_http_2("/beta//core/acme/greet"), "empty segment"),
        (_http_2("/beta/core/acme//greet", "ANY /{proxy+}", _whole("core/acme//greet")), "empty segment"),
        (_rest("/v1//core/acme/greet", "/{proxy+}", _whole("/core/acme/greet")), "empty segment"),
        (_http_2("/beta/core/acme/../greet"), "segment 3 is a dot segment"),
        (
            _http_2("/beta/co/re/x/y", "ANY /{area}/{id}/{f}", {"area": "co/re", "id": "x", "f": "y"}),
            "'area'",
        ),
        (_http_2("/beta/co/re/x/y", "ANY /{area}/{id}/{f}", {"area": "co", "id": "re", "f": "x/y"}), "'f'"),
    ],
)
def test_what_stands_before_it_is_no_way_around(event: dict[str, Any], words: str) -> None:
    """The rules for segments hold behind a stage and a mapping, too, and count from the area."""
    with pytest.raises(RequestError, match=words):
        read_path(event)


@pytest.mark.parametrize(
    "event",
    [
        _http_2("/beta"),
        _http_2("/beta/"),
        _http_2("/beta/acme/greet"),
        _rest("/v1/acme/greet", "/{proxy+}", _whole("acme/greet")),
        _rest("/", "/", None),
    ],
)
def test_a_stage_or_mapping_makes_no_path_complete(event: dict[str, Any]) -> None:
    """Without them the path is too short, and the 404 says what it must be."""
    with pytest.raises(NotFoundError):
        read_path(event)
