"""Answers: each form that a function may return, in the form that each API takes."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.errors import SilvaEngineError
from silvaengine.protocol.messages import SYNC_LIMIT, ResponseKind, WorkerResponse
from silvaengine_http.headers import SECURITY_HEADERS
from silvaengine_http.response import (
    Response,
    ResponseFormat,
    error_response,
    function_response,
    read_json_response,
    render,
)

V1 = ResponseFormat(is_v2=False, is_head=False)
V2 = ResponseFormat(is_v2=True, is_head=False)
ID = "0" * 32
CSP = "Content-Security-Policy"


def _rendered(kind: ResponseKind, value: object, form: ResponseFormat = V1) -> dict[str, Any]:
    return render(_response(kind, value), form, ID)


def _response(kind: ResponseKind, value: object) -> Response:
    """Return what becomes of a worker's response, as Lambda writes it: its errors aside, UTF-8 as it is."""
    text = json.dumps(WorkerResponse(kind, value).encode(), ensure_ascii=False)
    result = text.encode(errors="surrogatepass")
    found = read_json_response(result)
    return found[0] if found else function_response(WorkerResponse.read(result))


def _own(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if not name.startswith("Access-Control-") and name not in {"x-request-id", CSP, *SECURITY_HEADERS}
    }


@pytest.mark.parametrize("form", [V1, V2])
@pytest.mark.parametrize(
    ("kind", "value", "status", "content_type", "body"),
    [
        ("text", '{"b": 1.0,  "a": "\\u00e9"}\n', 200, "application/json", '{"b": 1.0,  "a": "\\u00e9"}\n'),
        ("text", "[1, 2]", 200, "application/json", "[1, 2]"),
        ("text", '"x"', 200, "application/json", '"x"'),
        (
            "text",
            '{"errors": [{"message": "no"}]}',
            200,
            "application/json",
            '{"errors": [{"message": "no"}]}',
        ),
        ("text", '{"statusCode": "E1", "n": 1}', 200, "application/json", '{"statusCode": "E1", "n": 1}'),
        ("text", "a: 1\nb: [x, y]\n", 200, "application/x-yaml", "a: 1\nb: [x, y]\n"),
        ("text", "plain words", 200, "application/x-yaml", "plain words"),
        ("text", "a: [1", 400, "application/json", '{"error": "Unsupported content format"}'),
        ("text", "x\ud800", 400, "application/json", '{"error": "Unsupported content format"}'),
        ("json", {"a": [1, None, "é"]}, 200, "application/json", '{"a": [1, null, "é"]}'),
        ("json", [1, 2.5], 200, "application/json", "[1, 2.5]"),
        ("json", {"far": 1e22}, 200, "application/json", '{"far": 1e+22}'),
        ("json", "\x01", 200, "application/json", '"\\u0001"'),
        ("json", 7, 200, "application/json", "7"),
        ("json", None, 200, "application/json", "null"),
        (
            "json",
            {"statusCode": 200, "name": "x"},
            200,
            "application/json",
            '{"statusCode": 200, "name": "x"}',
        ),
        ("json", {"statusCode": "403", "n": 1}, 200, "application/json", '{"statusCode": "403", "n": 1}'),
        ("text", '{"statusCode": 99, "n": 1}', 200, "application/json", '{"statusCode": 99, "n": 1}'),
    ],
)
def test_text_goes_out_as_it_is_and_a_value_as_json(
    kind: ResponseKind, value: object, status: int, content_type: str, body: str, form: ResponseFormat
) -> None:
    """Text goes out as it is, typed by what it is; values go out as JSON."""
    response = _rendered(kind, value, form)
    assert response["statusCode"] == status
    assert _own(response["headers"]) == {"Content-Type": content_type}
    assert response["body"] == body
    assert response["isBase64Encoded"] is False


def test_bytes_go_out_as_bytes() -> None:
    """Bytes are an octet stream, marked as base64 for API Gateway to decode."""
    response = _rendered("base64", base64.b64encode(b"\x00\xff").decode())
    assert (response["body"], response["isBase64Encoded"]) == ("AP8=", True)
    assert _own(response["headers"]) == {"Content-Type": "application/octet-stream"}


PROXY = {
    "statusCode": 201,
    "headers": {"Content-Type": "text/plain", "X-Count": 3, "X-Yes": True, "Content-Length": "99"},
    "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "Vary": ["Accept", "Origin"]},
    "body": "hello",
}


@pytest.mark.parametrize(("kind", "value"), [("json", PROXY), ("text", json.dumps(PROXY))])
def test_a_whole_proxy_answer_passes(kind: ResponseKind, value: object) -> None:
    """A function may decide status, headers and body itself, as an object or as its JSON text."""
    response = _rendered(kind, value)
    assert response["statusCode"] == 201
    assert response["body"] == "hello"
    assert _own(response["headers"]) == {"Content-Type": "text/plain", "X-Count": "3", "X-Yes": "true"}
    assert response["multiValueHeaders"] == {"Set-Cookie": ["a=1", "b=2"], "Vary": ["Accept", "Origin"]}


@pytest.mark.parametrize("status", ["403", 403.0, 403])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_status_may_be_text(status: object, as_text: bool) -> None:
    """A function's refusal is no success: API Gateway takes such a status for what it says."""
    value = {"statusCode": status, "headers": {"Content-Type": "text/plain"}, "body": "no"}
    response = _rendered("text", json.dumps(value)) if as_text else _rendered("json", value)
    assert (response["statusCode"], response["body"]) == (403, "no")
    assert type(response["statusCode"]) is int


def test_payload_2_has_single_headers_and_cookies() -> None:
    """HTTP APIs and Function URLs know no multi-value headers: values are joined, cookies are apart."""
    response = _rendered("json", PROXY, V2)
    assert "multiValueHeaders" not in response
    assert response["headers"]["Vary"] == "Accept, Origin"
    assert response["cookies"] == ["a=1", "b=2"]
    assert "Set-Cookie" not in response["headers"]


def test_cookies_of_payload_2_reach_a_rest_api() -> None:
    """A function written for payload 2.0 answers a REST API too."""
    response = _rendered("json", {"statusCode": 200, "cookies": ["a=1", "b=2"]})
    assert response["multiValueHeaders"] == {"Set-Cookie": ["a=1", "b=2"]}
    assert "cookies" not in response


def test_a_multi_value_header_replaces_the_single_one() -> None:
    """That is what API Gateway does when both maps name a header, whatever the case."""
    value = {"statusCode": 200, "headers": {"vary": "X"}, "multiValueHeaders": {"Vary": ["Accept"]}}
    assert _own(_rendered("json", value)["headers"]) == {"Vary": "Accept"}


@pytest.mark.parametrize("name", ["Content-Type", "X-Own", "set-cookie"])
@pytest.mark.parametrize("is_v2", [False, True])
def test_a_header_without_values_is_left_out(name: str, is_v2: bool) -> None:
    """An empty list of values is no header, whatever its name."""
    value = {"statusCode": 200, "multiValueHeaders": {name: []}, "body": "x"}
    response = render(
        function_response(WorkerResponse("json", value)), ResponseFormat(is_v2=is_v2, is_head=False), "id"
    )
    assert response["statusCode"] == 200
    assert name not in response["headers"]


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": 302, "headers": {"Location": "https://example.com/"}},
        {"statusCode": 302, "headers": {"Location": "https://example.com/"}, "note": "x", "body": None},
        json.dumps({"statusCode": 302, "headers": {"Location": "https://example.com/"}, "body": ""}),
    ],
)
@pytest.mark.parametrize("form", [V1, V2])
def test_a_redirection_goes_out_as_it_is(value: object, form: ResponseFormat) -> None:
    """An object with a 30x goes through, even with members that API Gateway doesn't know."""
    response = _rendered("text" if isinstance(value, str) else "json", value, form)
    assert (response["statusCode"], response["body"]) == (302, "")
    assert response["headers"]["Location"] == "https://example.com/"


@pytest.mark.parametrize("form", [V1, V2])
def test_a_functions_own_cors_headers_stand(form: ResponseFormat) -> None:
    """A function that limits its origins isn't overruled; the request id is ours."""
    headers = {"access-control-allow-origin": "https://a.example", "X-Request-Id": "theirs"}
    response = _rendered("json", {"statusCode": 200, "headers": headers}, form)
    assert response["headers"]["access-control-allow-origin"] == "https://a.example"
    assert "Access-Control-Allow-Origin" not in response["headers"]
    assert response["headers"]["x-request-id"] == ID
    assert "X-Request-Id" not in response["headers"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"body": {"a": 1}}, "the body is not a string"),
        ({"body": 3}, "the body is not a string"),
        ({"body": "é", "isBase64Encoded": True}, "base64"),
        ({"body": "QQ", "isBase64Encoded": True}, "base64"),
        ({"isBase64Encoded": "true"}, "isBase64Encoded is not true or false"),
        ({"isBase64Encoded": 1}, "isBase64Encoded is not true or false"),
        ({"headers": "x"}, "headers is not an object"),
        ({"multiValueHeaders": ["x"]}, "multiValueHeaders is not an object"),
        ({"headers": {"X-A": None}}, "value of X-A is not text, a number or a boolean"),
        ({"headers": {"X-A": ["a"]}}, "value of X-A is not text, a number or a boolean"),
        ({"headers": {"X-A": {}}}, "value of X-A is not text, a number or a boolean"),
        ({"multiValueHeaders": {"X-A": ["ok", None]}}, "value of X-A is not text, a number or a boolean"),
        ({"multiValueHeaders": {"X-A": "ok"}}, "values of X-A are not a list"),
        ({"cookies": "a=1"}, "values of Set-Cookie are not a list"),
        ({"cookies": [1.5, {}]}, "value of Set-Cookie is not text, a number or a boolean"),
        ({"headers": {"X A": "1"}}, "name 'X A' is not valid"),
        ({"headers": {"": "1"}}, "name '.*' is not valid"),
        ({"headers": {"X\n": "1"}}, "name '.*' is not valid"),
        ({"headers": {"X" * 10_241: "1"}}, "header names have more than 10240 bytes"),
        ({"multiValueHeaders": {f"X-{n}": [] for n in range(3000)}}, "header names have more than 10240"),
        ({"body": "\ud800"}, "surrogate"),
        ({"statusCode": 99}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": 600}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": -403}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": 403.5}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": True}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": None}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": "forbidden"}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": "99"}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": "600"}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": "²03"}, "statusCode is not a whole number from 100 to 599"),
        ({"statusCode": "403 Forbidden"}, "statusCode is not a whole number from 100 to 599"),
    ],
)
def test_a_malformed_proxy_answer_is_502(members: dict[str, Any], words: str) -> None:
    """What API Gateway would refuse or a client could be split by is refused with the reason."""
    with pytest.raises(SilvaEngineError, match=words) as refused:
        _rendered("json", {"statusCode": 200, **members})
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("json", {"a": float("nan")}, "it contains NaN or Infinity"),
        ("json", "half a pair: \ud800", "surrogate"),
        ("base64", "QQ", "not valid base64"),
        ("base64", None, "not valid base64"),
    ],
)
def test_what_cannot_be_encoded_is_502(kind: ResponseKind, value: object, words: str) -> None:
    """A value that no client could read is the function's failure."""
    with pytest.raises(SilvaEngineError, match=words) as refused:
        _rendered(kind, value)
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", '"' + "a" * (SYNC_LIMIT - 4096) + '"'),
        ("text", '["' + '","' * (SYNC_LIMIT // 4) + '"]'),
        ("json", {"statusCode": 200, "headers": {"X-A": "a" * SYNC_LIMIT}}),
    ],
    ids=["long", "escapes", "headers"],
)
def test_an_answer_over_6_mb_is_502(kind: ResponseKind, value: object) -> None:
    """Lambda would refuse it without a message; quotes count twice, since the response is JSON in JSON."""
    with pytest.raises(SilvaEngineError, match="larger than 6291456 bytes") as refused:
        _rendered(kind, value)
    assert refused.value.status == 502


def test_an_answer_just_below_6_mb_passes() -> None:
    """The limit leaves what it says."""
    text = '"' + "a" * (SYNC_LIMIT - 4200) + '"'
    response = _rendered("text", text)
    assert response["body"] == text
    assert len(json.dumps(response)) <= SYNC_LIMIT


@pytest.mark.parametrize(
    ("status", "expected"), [(409, 409), (504, 504), (200, 500), (700, 500), ("400", 500), (None, 500)]
)
def test_a_workers_error_keeps_its_status(status: Any, expected: int) -> None:
    """An error has an error's status; its kind stays in the log."""
    with pytest.raises(SilvaEngineError, match=r"^Not now$") as refused:
        function_response(WorkerResponse("error", "Not now", status, "some.module.KeyError"))
    assert refused.value.status == expected
    assert refused.value.detail == "some.module.KeyError"


def test_head_has_headers_and_no_body() -> None:
    """HEAD is GET without its body, and no length is made up."""
    response = render(
        function_response(WorkerResponse("base64", "AP8=")), ResponseFormat(is_v2=False, is_head=True), ID
    )
    assert (response["body"], response["isBase64Encoded"]) == ("", False)
    assert _own(response["headers"]) == {"Content-Type": "application/octet-stream"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.text(max_size=4) | st.sampled_from(["Connection", "TE", "Set-Cookie", "X-A: b", "a\r\nb"])
_PROXIES = st.fixed_dictionaries(
    {"statusCode": st.integers(0, 700) | _JSON},
    optional={
        "headers": st.dictionaries(_NAMES, _JSON, max_size=3) | _JSON,
        "multiValueHeaders": st.dictionaries(st.text(max_size=4), st.lists(_JSON, max_size=2)) | _JSON,
        "cookies": st.lists(st.text(max_size=4), max_size=2) | _JSON,
        "body": st.text(max_size=8) | _JSON,
        "isBase64Encoded": st.booleans() | _JSON,
    },
)
_TEXTS = st.text(max_size=20) | st.text(alphabet='{}[]",:-\n \t&*!%a1', max_size=12)


@given(
    st.one_of(st.tuples(st.just("json"), _JSON | _PROXIES), st.tuples(st.just("text"), _TEXTS)), st.booleans()
)
def test_any_answer_is_well_formed_or_502(given_answer: tuple[ResponseKind, object], is_v2: bool) -> None:
    """Whatever a function returns, the client gets a response that its API takes."""
    status = 502
    try:
        response = _rendered(*given_answer, ResponseFormat(is_v2=is_v2, is_head=False))
    except SilvaEngineError as error:
        response = render(error_response(error, ID), V1, ID)
        status = error.status
    assert status == 502
    json.dumps(response, ensure_ascii=False).encode()
    several = [value for values in response.get("multiValueHeaders", {}).values() for value in values]
    for value in [*response["headers"].values(), *several, *response.get("cookies", [])]:
        assert isinstance(value, str)
        assert not set(value) & set("\r\n\x00")
    names = [*response["headers"], *response.get("multiValueHeaders", {})]
    assert not [name for name in names if set(name) & set("\r\n\0: ")]
    assert not {"connection", "te", "transfer-encoding"} & {name.lower() for name in names}
    assert type(response["statusCode"]) is int
    assert 100 <= response["statusCode"] <= 599
    assert isinstance(response["body"], str)
    assert type(response["isBase64Encoded"]) is bool


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["- a\n", "a: b\n", "- " * 60 + "a\n"])
def test_long_yaml_costs_no_time(piece: str) -> None:
    """A text of megabytes is judged by its beginning."""
    started = time.perf_counter()
    headers = function_response(WorkerResponse("text", piece * (4_000_000 // len(piece)))).headers
    assert headers["Content-Type"] == ("application/x-yaml",)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("piece", ["[", "{", "[a,", "{a: "])
def test_deep_yaml_costs_no_time(piece: str) -> None:
    """The time of libyaml grows with the square of the depth; no YAML is deeper than JSON may be."""
    assert _rendered("text", piece * 200_000)["statusCode"] == 400
    assert _rendered("text", "{a: " * 64 + "b" + "}" * 64)["headers"]["Content-Type"] == "application/x-yaml"
