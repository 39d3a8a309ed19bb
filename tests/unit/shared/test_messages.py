import json
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import (
    Callee,
    Invocation,
    WorkerCall,
    WorkerResponse,
    encode_call,
    error_of,
)

INVOCATION = Invocation(request_id="r" * 32, endpoint_id="acme", area="core", function="hello", deadline=1.5)


def call(**members: Any) -> WorkerCall:
    """Return a call with these members and plain others."""
    defaults = {"callee": Callee("shop", "Shop", "hello", '{"a": 1}'), "params": {"name": "Ada"}}
    return WorkerCall(**(defaults | members))


def test_the_payload_has_the_contract_members() -> None:
    """Existing workers read these names, and JSON texts inside JSON."""
    payload = json.loads(call(body='{"x": 1}', context={"channel": "acme"}, invocation=INVOCATION).encode())
    assert payload == {
        "MODULENAME": "shop",
        "CLASSNAME": "Shop",
        "funct": "hello",
        "setting": '{"a": 1}',
        "params": '{"name":"Ada"}',
        "body": '{"x": 1}',
        "context": '{"channel":"acme"}',
        "invocation": {
            "request_id": "r" * 32,
            "endpoint_id": "acme",
            "area": "core",
            "function": "hello",
            "deadline": 1.5,
            "attempt": 1,
            "hops": 0,
        },
    }


def test_a_full_event_stands_in_the_place_of_body_and_context() -> None:
    """Areas with full events get the event and Lambda's context."""
    payload = json.loads(call(aws_event={"e": 1}, aws_context={"c": 2}, context={}, body="x").encode())
    assert (payload["aws_event"], payload["aws_context"]) == ('{"e":1}', '{"c":2}')
    assert {"body", "context"}.isdisjoint(payload)


def test_an_event_source_sends_five_members_only() -> None:
    """Without body, context and invocation nothing is added."""
    assert list(json.loads(call().encode())) == ["MODULENAME", "CLASSNAME", "funct", "setting", "params"]


def test_a_call_of_a_published_function_names_its_release() -> None:
    """The worker compares it with its own; no other call has the member."""
    published = call(callee=Callee("shop", "Shop", "hello", '{"a": 1}', release="d" * 64))
    payload = json.loads(published.encode())
    assert payload == {**json.loads(call().encode()), "release": "d" * 64}
    assert WorkerCall.decode(payload).callee == published.callee


def test_a_call_of_a_typed_function_says_so() -> None:
    """The worker has no registry; no other call has the member."""
    typed = call(callee=Callee("shop", "Shop", "hello", '{"a": 1}', typed=True))
    payload = json.loads(typed.encode())
    assert payload == {**json.loads(call().encode()), "typed": True}
    assert WorkerCall.decode(payload).callee == typed.callee


def test_a_call_of_a_function_that_keeps_empty_values_says_so() -> None:
    """No other call has the member."""
    keeping = call(callee=Callee("shop", "Shop", "hello", '{"a": 1}', keep_empty=True))
    payload = json.loads(keeping.encode())
    assert payload == {**json.loads(call().encode()), "keep_empty": True}
    assert WorkerCall.decode(payload).callee == keeping.callee


def test_an_errors_details_are_part_of_an_answer() -> None:
    """Only of one that has any: a gateway of the last version takes the others as before."""
    details = ({"in": "body", "path": "/a", "message": "Required", "value_type": "absent"},)
    refused = WorkerResponse("error", "no", 422, "InvalidArgumentsError", details)
    assert WorkerResponse.decode(refused.encode()) == refused
    assert "details" not in refused._replace(details=()).encode()


def test_a_functions_error_keeps_its_status_beside_details() -> None:
    """What a gateway tells of it is what the function said."""
    refused = WorkerResponse("error", "no", 409, "FunctionError", {"left": 1}, "out_of_stock")
    assert WorkerResponse.decode(refused.encode()) == refused
    error = error_of(refused)
    assert (error.message, error.status, error.code, error.details) == (
        "no",
        409,
        "out_of_stock",
        {"left": 1},
    )


def test_the_content_that_the_ledger_holds_is_sent_as_it_stands() -> None:
    """It was encoded when the call was accepted; nobody reads and writes it again."""
    content = '{"params":"{\\"n\\":1.10}","body":"\\u00e9","context":"{}"}'
    payload = call(params={"other": 1}, invocation=INVOCATION).encode(content)
    assert content[1:-1] in payload
    sent = json.loads(payload)
    assert sent.pop("invocation")["request_id"] == "r" * 32
    assert sent == {
        "MODULENAME": "shop",
        "CLASSNAME": "Shop",
        "funct": "hello",
        "setting": '{"a": 1}',
    } | json.loads(content)


def test_a_content_may_be_empty() -> None:
    """Then nothing stands between the callee and the call's ids."""
    payload = json.loads(call(params={"other": 1}, invocation=INVOCATION).encode("{}"))
    assert list(payload) == ["MODULENAME", "CLASSNAME", "funct", "setting", "invocation"]


@given(
    params=st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.booleans()),
    body=st.none() | st.text(),
    attempt=st.integers(1, 9),
)
def test_what_is_encoded_is_decoded_again(params: dict[str, Any], body: str | None, attempt: int) -> None:
    """A call survives the way to the worker."""
    invocation = Invocation(
        request_id="r", endpoint_id="é", area="a", function="f", deadline=None, attempt=attempt
    )
    sent = call(params=params, body=body, context={"k": "v"}, invocation=invocation)
    decoded = WorkerCall.decode(json.loads(sent.encode()))
    assert decoded._replace(context=decoded.read_context()) == sent


def test_fractions_are_decimals_and_whole_numbers_ints() -> None:
    """Functions store numbers in DynamoDB, which takes no floats."""
    decoded = WorkerCall.decode(json.loads(call(params={"n": 1, "f": 0.1}).encode()))
    assert decoded.params == {"n": 1, "f": Decimal("0.1")}
    assert isinstance(decoded.params["n"], int)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("MODULENAME", None),
        ("funct", 1),
        ("setting", {}),
        ("params", "[1]"),
        ("params", "{"),
        ("context", 7),
        ("invocation", {"request_id": "r"}),
        ("invocation", 3),
    ],
)
def test_a_malformed_member_is_named(member: str, value: object) -> None:
    """The error says which member of the payload is wrong."""
    payload = json.loads(call().encode()) | {member: value}
    with pytest.raises(RequestError, match=member):
        WorkerCall.decode(payload).read_context()


def test_members_may_be_left_out() -> None:
    """Event sources of the predecessor send less."""
    decoded = WorkerCall.decode({"MODULENAME": "m", "funct": "f", "params": {"a": 1}, "body": {"b": 2}})
    assert (decoded.callee, decoded.params) == (Callee("m", "", "f", "{}"), {"a": 1})
    assert decoded.body == '{"b": 2}'


@pytest.mark.parametrize(
    "response",
    [
        WorkerResponse("text", "plain"),
        WorkerResponse("json", {"a": [1, None]}),
        WorkerResponse("base64", "AAE="),
        WorkerResponse("error", "no such order", 404, "FunctionError"),
    ],
)
def test_an_answer_survives_the_way_back(response: WorkerResponse) -> None:
    """What the worker encodes the gateway decodes."""
    assert WorkerResponse.decode(json.loads(json.dumps(response.encode()))) == response


@pytest.mark.parametrize(
    ("payload", "kind"), [("text", "text"), ({"a": 1}, "json"), (None, "json"), ([], "json")]
)
def test_a_foreign_worker_answers_bare(payload: object, kind: str) -> None:
    """Rows may still name the predecessor's worker."""
    assert WorkerResponse.decode(payload) == WorkerResponse(kind, payload)  # type: ignore[arg-type] # a Literal


def test_text_of_any_language_keeps_its_size() -> None:
    """Lambda's limit is in bytes of UTF-8; escapes would let a third of it through."""
    body = json.dumps({"text": "漢" * 1000}, ensure_ascii=False)
    assert len(call(body=body, context={}).encode().encode()) < len(body.encode()) + 300


def test_members_that_a_newer_service_adds_are_left_out() -> None:
    """A deployment updates one Lambda after the other."""
    payload = json.loads(call(invocation=INVOCATION).encode())
    payload["invocation"]["job"] = "j1"
    assert WorkerCall.decode(payload).invocation == INVOCATION
    response = WorkerResponse("text", "x")
    assert WorkerResponse.decode(response.encode() | {"milliseconds": 3}) == response


@pytest.mark.parametrize(
    "encode",
    [
        lambda callee: call(callee=callee).encode(),
        lambda callee: encode_call(callee, {}, None, "{}", INVOCATION.members(), is_brief=True),
    ],
)
def test_long_settings_are_not_kept(encode: Callable[[Callee], str]) -> None:
    """A row of them may have 400 KB, and a gateway's memory is bounded in bytes elsewhere."""
    tracemalloc.start()
    try:
        for number in range(20):
            encode(Callee("shop", "Shop", f"hello_{number}", json.dumps({"a": "x" * 400_000})))
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
