"""Header values: whatever a response has, each of them can be sent, and none becomes a second header."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.protocol.messages import SYNC_LIMIT, WorkerResponse
from silvaengine_http.response import Response, ResponseFormat, error_response, function_response, render

from ...examples import examples

FORMS = [
    ResponseFormat(is_v2=False, is_head=False),
    ResponseFormat(is_v2=True, is_head=False),
    ResponseFormat(is_v2=False, is_head=False, has_lists=True),
]
ODD = "\r\n\t\0\x7f\x85\xa0 ,;é€😀\ud800\udc00\ufffd"


def _set_by_a_function(**members: Any) -> Response:
    return function_response(WorkerResponse("json", {"statusCode": 200, "body": "x", **members}))


def _sent(response: dict[str, Any]) -> list[str]:
    """Return every value of every header."""
    several = response.get("multiValueHeaders", {}).values()
    values = [*response.get("headers", {}).values(), *response.get("cookies", [])]
    return [*values, *(value for listed in several for value in listed)]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain; q=1", "plain; q=1"),
        ("1\r\nSet-Cookie: a=1", "1  Set-Cookie: a=1"),
        ("a\0b\tc\x7fd\x85e", "a b c d e"),
        (" a\n", "a"),
        ("café", "café"),
        ("attachment; filename=отчёт.pdf", "attachment; filename=%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf"),
        ("/日本/é", "/%E6%97%A5%E6%9C%AC/é"),
        ("half a \ud800 pair", "half a %3F pair"),
        ("", ""),
    ],
)
def test_a_value_is_made_fit(value: str, sent: str) -> None:
    """Control characters are spaces, what HTTP has no bytes for is percent-encoded, all else stays."""
    response = render(_set_by_a_function(headers={"X-A": value}), FORMS[0], "id")
    assert response["headers"]["X-A"] == sent


@given(st.text(st.characters() | st.sampled_from(ODD), max_size=8))
@example("a\r\nSet-Cookie: b=1")
@examples(50)
def test_any_value_can_be_sent(value: str) -> None:
    """No text fails a response or splits it: none that a function sets, and none that the gateway does."""
    own = _set_by_a_function(
        headers={"Content-Type": value}, multiValueHeaders={"Vary": [value, "X"]}, cookies=[value]
    )
    refusal = error_response(RequestError("no", headers={"Allow": value, "Location": value}), value)
    for form in FORMS:
        for response in (own, refusal):
            cors = {"Access-Control-Allow-Origin": (value,), "Vary": ("Origin", value)}
            for text in _sent(render(response, form, value, cors)):
                text.encode("latin-1")  # RFC 9110, section 5.5
                assert not [sign for sign in text if sign < " " or "\x7f" <= sign < "\xa0"]


def test_a_long_value_is_measured_as_it_is_sent() -> None:
    """Lambda would refuse it without a message."""
    with pytest.raises(SilvaEngineError, match="larger than"):
        _set_by_a_function(headers={"X-A": "日" * (SYNC_LIMIT // 8)})
