"""The names that function packages of the predecessor import from ``silvaengine_utility``."""

import io
import json
import logging
import re
import time
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.calls import running_call

import silvaengine_utility
from silvaengine.context import CurrentInvocation
from silvaengine.errors import InvocationError, LoopError
from silvaengine.protocol.messages import WorkerResponse
from silvaengine_utility import Authorizer, Utility
from silvaengine_utility.calls import send_to_queue

SCHEMA = {
    "queryType": {"name": "Query"},
    "mutationType": None,
    "types": [
        {
            "kind": "OBJECT",
            "name": "Query",
            "fields": [
                {
                    "name": "ping",
                    "args": [],
                    "type": {"kind": "SCALAR", "name": "String", "ofType": None},
                }
            ],
        },
        {"kind": "SCALAR", "name": "String", "fields": None},
    ],
}


class FakeLambda:
    """A boto3 client whose Lambda answers this value."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.sent: list[dict[str, Any]] = []

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.sent.append(request)
        is_event = request["InvocationType"] == "Event"
        return {"Payload": io.BytesIO(b"" if is_event else json.dumps(self.response).encode())}


class FakeQueue:
    """A boto3 Queue that remembers its messages."""

    def __init__(self, name: str = "queue.fifo") -> None:
        self.url = f"https://sqs/123456789012/{name}"
        self.sent: list[dict[str, Any]] = []

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)


def call(response: Any, **options: Any) -> Any:
    """Call a function whose Lambda answers this, as a package does."""
    client = FakeLambda(response)
    return Utility.invoke_funct_on_aws_lambda(
        None, "acme", "greet", params={"n": Decimal(1)}, setting={}, aws_lambda=client, **options
    ), client.sent


def test_every_public_name_loads() -> None:
    """Each name of the package loads, and no other is there."""
    for name in silvaengine_utility.__all__:
        assert getattr(silvaengine_utility, name).__name__ == name
    with pytest.raises(AttributeError, match="Utilities"):
        silvaengine_utility.Utilities  # noqa: B018 - the access is the test


def test_json_text_is_indented_by_two() -> None:
    """Decimals, times and PynamoDB objects (told by their attribute_values) are taken."""
    model = SimpleNamespace(attribute_values={"id": "a", "price": Decimal("1.5"), "count": Decimal(2)})
    assert Utility.json_dumps({"m": model}) == (
        '{\n  "m": {\n    "id": "a",\n    "price": 1.5,\n    "count": 2\n  }\n}'
    )
    moment = datetime(2026, 1, 2, 3, 4, 5, 6000, UTC)
    assert json.loads(Utility.json_dumps([moment, date(2026, 1, 2), {1}])) == [
        "2026-01-02T03:04:05.006000Z",
        "2026-01-02",
        [1],
    ]


def test_members_and_characters_stay_as_they_are() -> None:
    """Neither sorted nor escaped; NaN and infinity, which JSON has not, become null."""
    assert Utility.json_dumps({"é": "日本", "b": float("nan"), "a": [float("inf"), Decimal("0.1")]}) == (
        '{\n  "é": "日本",\n  "b": null,\n  "a": [\n    null,\n    0.1\n  ]\n}'
    )


def test_what_has_no_json_form_is_named() -> None:
    """A value without a JSON form is named rather than written as an invented text."""
    with pytest.raises(TypeError, match="complex"):
        Utility.json_dumps(1j)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5)),  # noqa: DTZ001 - the contract's form
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001 - likewise
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001 - likewise
        ("2026-01-02", datetime(2026, 1, 2)),  # noqa: DTZ001 - likewise
        ("2026-01-02 03:04", "2026-01-02 03:04"),
        ("2026-13-02", "2026-13-02"),
        ("20260102", "20260102"),
        ("on 2026-01-02", "on 2026-01-02"),
    ],
)
def test_dates_become_naive_utc(text: str, moment: object) -> None:
    """Text that is an ISO date, and no other, becomes a datetime in UTC without a zone."""
    assert Utility.json_loads(json.dumps({"a": [text]})) == {"a": [moment]}
    assert Utility.json_loads(json.dumps(text), parse_datetime=False) == text


def test_numbers_become_decimal() -> None:
    """Numbers become Decimal, unless the caller wants Python's own."""
    found = Utility.json_loads("[1, 0.1]")
    assert found == [Decimal(1), Decimal("0.1")]
    assert {type(number) for number in found} == {Decimal}
    assert [type(number) for number in Utility.json_loads("[1, 0.1]", parser_number=False)] == [int, float]


def test_normalize_is_loads_of_dumps() -> None:
    """A Decimal and a set come back as JSON has them."""
    assert Utility.json_normalize({"a": {Decimal(3)}}, parser_number=False) == {"a": [3]}


@pytest.mark.parametrize(
    ("text", "is_json"), [("{}", True), ("1", True), ("{", False), (None, False), ({}, False)]
)
def test_a_string_is_told_to_be_json(text: object, is_json: bool) -> None:
    """Anything may be asked about, and only JSON text is JSON."""
    assert Utility.is_json_string(text) is is_json


@pytest.mark.parametrize(
    ("address", "network", "is_in"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.0.0.1", "10.0.0.0/8", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "office", False),
        ("office", " office ", True),
    ],
)
def test_an_address_is_in_its_subnet(address: str, network: str, is_in: bool) -> None:
    """A bare address is a network of one; an entry that is none matches itself, and spoils no list."""
    assert Utility.in_subnet(address, network) is is_in


def test_a_function_is_imported_by_its_name() -> None:
    """A function of a module, or a method of an object made by keyword."""
    load = Utility.import_dynamically("json", "loads")
    encode = Utility.import_dynamically("json", "encode", "JSONEncoder", {"indent": 2})
    assert load
    assert load("1") == 1
    assert encode
    assert encode([1]) == "[\n  1\n]"
    plain = Utility.import_dynamically("json", "encode", "JSONEncoder")
    assert plain
    assert plain([1]) == "[1]"


@pytest.mark.parametrize(
    "names",
    [
        ("no_such_module", "f"),
        ("json.no_such_module", "f"),
        ("json", "no_such_function"),
        ("json", "no_such_method", "JSONEncoder"),
        (None, "f"),
        ("json", None),
    ],
)
def test_what_cannot_be_imported_is_none(names: tuple[Any, ...]) -> None:
    """Callers ask whether they got something to call, and hooks may be optional."""
    assert Utility.import_dynamically(*names) is None


def test_a_static_method_needs_no_object() -> None:
    """Without parameters no object is made, whose constructor would miss them."""
    call = Utility.import_dynamically("silvaengine_utility.utility", "is_json_string", "Utility")
    assert call is not None
    assert call("{}")


def test_another_error_is_its_message() -> None:
    """An error of another kind is told by its message, also where no GraphQL library is loaded."""
    assert Utility.format_error(ValueError("bad")) == {"message": "bad"}


def test_an_unknown_operation_is_named() -> None:
    """The caller reads which kind was searched."""
    assert Utility.generate_graphql_operation("ping", "query", SCHEMA) == "query ping { ping }"
    with pytest.raises(LookupError, match="no mutation 'ping'"):
        Utility.generate_graphql_operation("ping", "Mutation", SCHEMA)


@pytest.mark.parametrize(
    ("response", "result"),
    [
        ('{"a": 0.1}', {"a": Decimal("0.1")}),
        ('{"data": {"a": "2026-01-02"}}', {"a": datetime(2026, 1, 2)}),  # noqa: DTZ001 - the contract's form
        ('{"data": 1, "total": 2}', 1),
        ({"a": 0.1}, {"a": Decimal("0.1")}),
        ("null", None),
        (None, None),
        ("a: yaml", "a: yaml"),
        (WorkerResponse("json", {"a": 1}).encode(), {"a": 1}),
        (WorkerResponse("text", '{"data": 3}').encode(), 3),
        (WorkerResponse("base64", "AAE=").encode(), b"\x00\x01"),
    ],
)
def test_a_call_gives_what_the_functions_text_says(response: Any, result: Any) -> None:
    """Lambda's text is decoded, then the function's own, into Decimals and dates; of ``data`` that alone."""
    found, sent = call(response)
    assert found == result
    assert sent[0]["FunctionName"] == "silvaengine_agenttask"
    payload = json.loads(sent[0]["Payload"])
    assert 0 < payload.pop("deadline") - time.time() <= 28
    assert payload == {"endpoint_id": "acme", "funct": "greet", "params": {"n": 1}, "hops": 1}


def called_by(
    hops: int, deadline: float | None = None, traceparent: str | None = None
) -> AbstractContextManager[None]:
    """Stand in a function that so many calls between functions led to."""
    current = CurrentInvocation("r", "acme", "core", "f", deadline, 1, {}, logging.getLogger("f"), hops=hops)
    return running_call(current._replace(traceparent=traceparent))


def test_a_call_says_how_many_led_to_it_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks Lambda of this deployment is told, so that it ends a loop, and nobody works in vain."""
    monkeypatch.setenv("TASKS_FUNCTION", "mine-Tasks")
    with called_by(3, deadline=4e9):
        _, sent = call("{}")
        _, events = call("{}", invocation_type="Event")
        queue = FakeQueue()
        call(None, task_queue=queue, message_group_id="g")
    assert sent[0]["FunctionName"] == "mine-Tasks"
    payload = json.loads(sent[0]["Payload"])
    assert (payload["hops"], payload["deadline"]) == (4, 4e9)
    assert json.loads(events[0]["Payload"]).keys() == {"endpoint_id", "funct", "params", "hops"}
    assert queue.sent[0]["MessageAttributes"]["hops"]["StringValue"] == "4"


def test_a_call_says_in_which_span_it_is_made() -> None:
    """Whether by the tasks Lambda or by a queue."""
    traceparent, queue = f"00-{'1' * 32}-{'2' * 16}-01", FakeQueue()
    with called_by(0, traceparent=traceparent):
        _, sent = call("{}")
        call(None, task_queue=queue, message_group_id="g")
    assert json.loads(sent[0]["Payload"])["traceparent"] == traceparent
    assert queue.sent[0]["MessageAttributes"]["traceparent"]["StringValue"] == traceparent


def test_the_ninth_call_between_functions_is_refused() -> None:
    """In words that tell the author of the functions, and before anything is sent."""
    queue = FakeQueue()
    with called_by(8):
        with pytest.raises(LoopError, match="more than 8 times; this looks like a loop"):
            call("{}")
        with pytest.raises(LoopError):
            call(None, task_queue=queue, message_group_id="g")
    assert queue.sent == []


def test_a_called_functions_failure_keeps_its_words() -> None:
    """The package reads them, a client of it doesn't; a loop further on is a loop here, too."""
    words = "The function failed: no such pet"
    failed = WorkerResponse("error", words, 404, "InvocationError", {"pet": 1}, "no_pet")
    with pytest.raises(InvocationError) as caught:
        call(failed.encode())
    assert (caught.value.code, caught.value.details) == ("no_pet", {"pet": 1})
    assert str(caught.value) == "The function failed: no such pet"
    assert (caught.value.status, caught.value.message) == (502, "Function 'greet' failed")
    with pytest.raises(LoopError) as looped:
        call(WorkerResponse("error", "this looks like a loop", 508, "InvocationError").encode())
    assert (looped.value.status, looped.value.message) == (508, "this looks like a loop")


def test_errors_of_a_called_function_are_raised() -> None:
    """In its own words, for the package; what a client would see has none of them."""
    with pytest.raises(InvocationError, match="no such pet") as caught:
        call('{"errors": [{"message": "no such pet"}]}')
    assert "pet" not in caught.value.message


def test_a_failed_lambda_is_no_result() -> None:
    """Its report is for the log, never taken for what the function answered."""

    class FailedLambda(FakeLambda):
        def invoke(self, **request: Any) -> dict[str, Any]:
            return {**super().invoke(**request), "FunctionError": "Unhandled"}

    with pytest.raises(InvocationError, match="The function failed"):
        Utility.invoke_funct_on_aws_lambda(None, "acme", "greet", aws_lambda=FailedLambda({"errorType": "X"}))


def test_an_event_call_gives_nothing() -> None:
    """It is handed over only."""
    found, sent = call("ignored", invocation_type="Event")
    assert (found, sent[0]["InvocationType"]) == (None, "Event")


@pytest.mark.parametrize(
    ("name", "group", "ids"),
    [
        ("queue.fifo", "g1", {"MessageGroupId", "MessageDeduplicationId"}),
        ("queue", "g1", {"MessageGroupId"}),
        ("queue", None, set()),
    ],
)
def test_a_call_through_a_queue(name: str, group: str | None, ids: set[str]) -> None:
    """Endpoint and function are attributes; a group keeps order, in a FIFO queue, or is fair in another."""
    queue = FakeQueue(name)
    members = {"endpoint_id": "acme", "funct": "greet", "params": {"n": Decimal(1)}}
    Utility._invoke_funct_on_aws_sqs(None, queue, group, **members)
    (message,) = queue.sent
    assert message["MessageAttributes"]["funct"] == {"StringValue": "greet", "DataType": "String"}
    assert message["MessageAttributes"]["endpoint_id"]["StringValue"] == "acme"
    assert json.loads(message["MessageBody"]) == {"params": {"n": 1}}
    assert message.keys() - {"MessageAttributes", "MessageBody"} == ids


def test_a_deduplication_id_is_its_senders_own() -> None:
    """Repeated by its sender it is the same call; another tenant's, function's or group's is another one."""
    queue = FakeQueue()
    for call_of in (
        ("g", "acme", "greet"),
        ("g", "acme", "greet"),
        ("g", "globex", "greet"),
        ("g", "acme", "pay"),
        ("h", "acme", "greet"),
    ):
        send_to_queue(queue, *call_of, {}, deduplication_id="1")
    first, again, *others = [message["MessageDeduplicationId"] for message in queue.sent]
    assert first == again
    assert len({first, *others}) == 4


def test_only_a_group_leads_into_the_queue() -> None:
    """A package hands over its queue at every call; without a group the Lambda is asked, and answers."""
    queue = FakeQueue()
    assert call("3", task_queue=queue)[0] == 3
    call(None, task_queue=queue, message_group_id="g")
    assert [message["MessageGroupId"] for message in queue.sent] == ["g"]


def test_a_query_goes_through_the_tasks_lambda() -> None:
    """With its variables and the connection; a schema is asked for in the same way."""
    client = FakeLambda(json.dumps({"data": {"__schema": SCHEMA}}))
    assert Utility.fetch_graphql_schema(None, "acme", "pets", setting={}, aws_lambda=client) == SCHEMA
    Utility.execute_graphql_query(
        None, "acme", "pets", "{a}", {"b": 1}, setting={}, aws_lambda=client, connection_id="c1"
    )
    params = [json.loads(request["Payload"])["params"] for request in client.sent]
    assert re.search("__schema", params[0]["query"])
    assert params[1] == {"query": "{a}", "variables": {"b": 1}, "connection_id": "c1"}


@pytest.mark.parametrize(("is_allow", "effect"), [(True, "Allow"), (False, "Deny")])
def test_an_authorizers_policy_has_its_claims_as_context(is_allow: bool, effect: str) -> None:
    """An authorizer's response, with the claims as its context."""
    response = Authorizer("ada", "123456789012", "api", "us-east-1", "beta").authorize(
        is_allow, {"role": "r"}
    )
    (statement,) = response["policyDocument"].pop("Statement")
    assert statement == {
        "Action": "execute-api:Invoke",
        "Effect": effect,
        "Resource": ["arn:aws:execute-api:us-east-1:123456789012:api/beta/*/*"],
    }
    assert response == {
        "principalId": "ada",
        "policyDocument": {"Version": "2012-10-17"},
        "context": {"role": "r"},
    }


@pytest.mark.parametrize("options", [{}, {"operation_name": "Answer"}, {"log_threshold": 0.5}])
def test_monitored_functions_are_called_as_they_are(options: dict[str, Any]) -> None:
    """Packages of autumn 2025 decorate methods so when they are imported."""

    @Utility.performance_monitor.monitor_operation(**options)
    def answer() -> int:
        return 42

    assert (answer(), answer.__name__) == (42, "answer")
