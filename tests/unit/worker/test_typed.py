"""A typed function gets values of its parameters' types, or its caller gets all that is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import InvalidArgumentsError
from silvaengine.observability.handler import Handler
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker.loader import Loader
from silvaengine_worker.results import ResultError
from silvaengine_worker.testing import Invoke
from silvaengine_worker.worker import Worker

from .conftest import LambdaContext, Payload

TENANT = {"endpoint_id": "demo", "area": "core"}
CANARY = "canary7f3b"
ID = "12345678-1234-5678-1234-567812345678"


class Sender:
    """Sends requests as the HTTP gateway does."""

    def __init__(self, handler: Handler, payload: Payload) -> None:
        self._handler = handler
        self._payload = payload

    def send(
        self, function: str, body: object = None, headers: dict[str, str] | None = None, **query: list[str]
    ) -> Any:
        """Return the worker's response."""
        context = {"channel": "demo", "area": "core", "headers": headers or {}, "query": query}
        event = self._payload(
            f"typed:{function}",
            params={name: values[-1] for name, values in query.items()} | TENANT,
            typed=True,
            body=body if body is None or isinstance(body, str) else json.dumps(body),
            context=json.dumps(context),
        )
        return self._handler(event, LambdaContext())


@pytest.fixture
def sender(handler: Handler, payload: Payload) -> Sender:
    """Return a sender to a warm worker."""
    return Sender(handler, payload)


@pytest.fixture
def send(sender: Sender) -> Callable[..., Any]:
    """Send a request, return the worker's response."""
    return sender.send


def faults(response: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the details of a 422."""
    assert response["status"] == 422
    return [(each["in"], each["path"], each["message"], each["value_type"]) for each in response["details"]]


def test_text_is_converted(send: Callable[..., Any]) -> None:
    """Numbers, true and false, lists and times come by query as text, and arrive as what they are."""
    query = {
        "limit": ["5"],
        "since": ["2024-01-01T00:00:00Z"],
        "tag": ["a", "1"],
        "ids": ["2", "1"],
        "price": ["1.50"],
        "exact": ["true"],
        "name": ["7"],
    }
    assert send("find", **query)["value"] == {
        "limit": ["int", "5"],
        "since": ["datetime", "2024-01-01 00:00:00+00:00"],
        "tag": ["list", "['a', '1']"],
        "ids": ["list", "[1, 2]"],
        "price": ["Decimal", "1.50"],
        "exact": ["bool", "True"],
        "name": ["str", "7"],
        "e": ["str", "demo"],
    }


def test_json_is_taken_as_it_is(send: Callable[..., Any]) -> None:
    """Members become dataclasses, enumerations, UUIDs; a whole number may be written 1.0."""
    body = {"items": [{"sku": "a", "qty": 2.0, "size": "large"}, {"sku": "b", "qty": 1}], "customer": ID}
    assert send("order", body)["value"] == {"qty": [2, 1], "size": "large", "note": ""}


def test_json_is_strict(send: Callable[..., Any]) -> None:
    """In JSON a text is no number, 1 isn't true, and nothing is dropped: null is a value."""
    assert faults(send("find", {"limit": "5", "exact": 1, "since": None, "price": None})) == [
        ("body", "/limit", "Expected `int`", "string"),
        ("body", "/exact", "Expected `bool`", "integer"),
        ("body", "/price", "Expected `float | decimal`", "null"),
    ]


def test_a_refusal_names_all_faults(send: Callable[..., Any]) -> None:
    """Each with its place, what was expected and the kind of value that came; an absent one, too."""
    items = [{"sku": "a", "qty": 0}, {"qty": "1", "size": "huge"}, 7]
    response = send(
        "order", {"items": items, "customer": ID.replace("-", ""), "more": 1}, note=["x"], page=["2"]
    )
    assert response["status"] == 422
    assert faults(response) == [
        ("query", "/page", "Unknown", "string"),
        ("body", "/items/0/qty", "Expected `int` >= 1", "integer"),
        ("body", "/items/1/sku", "Required", "absent"),
        ("body", "/items/1/qty", "Expected `int`", "string"),
        ("body", "/items/1/size", 'Expected one of "small", "large"', "string"),
        ("body", "/items/2", "Expected `object`", "integer"),
        ("body", "/customer", "Expected a UUID with hyphens", "string"),
        ("body", "/more", "Unknown", "integer"),
    ]
    assert response["value"] == "Function 'order' can't take query /page: Unknown, and 7 more"


def test_what_is_required_is_missed_where_it_belongs(send: Callable[..., Any]) -> None:
    """In the query of a request without a body, in the body, or among the headers."""
    assert faults(send("order")) == [("query", "/items", "Required", "absent")]
    assert faults(send("order", {})) == [("body", "/items", "Required", "absent")]
    assert faults(send("place")) == [("body", "", "Required", "absent")]
    assert faults(send("source")) == [("header", "/x-source", "Required", "absent")]


def test_nothing_of_a_value_is_repeated(send: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    """Neither in the response nor in the log, whatever refuses it; a class's own message isn't sent."""
    items = [
        {"sku": CANARY, "qty": CANARY, "size": CANARY},
        {"sku": "forbiddendemo", "qty": 1},
        CANARY,
        {"sku": 1, "qty": [CANARY]},
    ]
    response = send(
        "order", {"items": items, "customer": CANARY, "note": [CANARY], "more": CANARY}, page=[CANARY]
    )
    assert ("body", "/items/1", "Expected a valid Item", "object") in faults(response)
    text = json.dumps(response) + "".join(capfd.readouterr())
    assert CANARY not in text
    assert "forbidden" not in text


def test_an_object_may_refuse_other_members(send: Callable[..., Any]) -> None:
    """A Struct says so, and has names of its own in JSON; whose names the others are isn't repeated."""
    person = {"firstName": "Ada", "born": "1815-12-10"}
    assert send("exact", {"person": person})["value"] == ["Ada", "1815-12-10"]
    assert faults(send("exact", {"person": person | {CANARY: 1}})) == [
        ("body", "/person", "Expected a valid Exact", "object")
    ]
    assert faults(send("exact", {"person": {"born": "10.12.1815"}})) == [
        ("body", "/person/firstName", "Required", "absent"),
        ("body", "/person/born", "Expected a date, YYYY-MM-DD", "string"),
    ]


def test_a_body_may_be_one_parameter(send: Callable[..., Any]) -> None:
    """A parameter called body takes the whole body, an object too, and pointers begin in it."""
    assert send("place", {"sku": "a", "qty": 1}, express=["true"])["value"] == ["a", True]
    assert faults(send("place", {"sku": "a", "qty": "1"}, express=["yes"])) == [
        ("query", "/express", "Expected `bool`", "string"),
        ("body", "/qty", "Expected `int`", "string"),
    ]


def test_a_body_that_nothing_takes_is_refused(send: Callable[..., Any]) -> None:
    """A list is no members, and what ``**`` takes are members, even one of the name."""
    assert faults(send("find", [1])) == [("body", "", "Expected `object`", "array")]
    assert faults(send("totals", 0)) == [("body", "", "Expected `object`", "integer")]
    assert send("totals", 0)["value"] == "Function 'totals' can't take body: Expected `object`"
    assert send("totals", {"body": 3})["value"] == 3
    assert faults(send("totals", {"body": "3"})) == [("body", "/body", "Expected `int`", "string")]


def test_what_only_the_framework_gives_is_refused(send: Callable[..., Any]) -> None:
    """A client that sends it is told so, whether the function takes it or not; among others it isn't."""
    assert faults(send("find", {"endpoint_id": "x", "context": 1}, path=["y"])) == [
        ("query", "/path", "Unknown", "string"),
        ("body", "/endpoint_id", "Unknown", "string"),
        ("body", "/context", "Unknown", "integer"),
    ]
    assert faults(send("find", bucket=["a"], key=["b"], id=["c"])) == [
        ("query", f"/{name}", "Unknown", "string") for name in ("bucket", "key", "id")
    ]
    assert send("totals", {"endpoint_id": 1, "a": 2})["value"] == 2


def test_headers_are_parameters_by_annotation(send: Callable[..., Any]) -> None:
    """In any case, converted as text is; a client can't send them otherwise."""
    assert send("source", headers={"x-SOURCE": "app", "X-Level": "3"})["value"] == ["app", 3]
    assert send("source", {"level": 9}, headers={"x-source": "app"})["value"] == ["app", 0]
    assert faults(send("source", headers={"x-source": "app", "x-level": CANARY})) == [
        ("header", "/x-level", "Expected `int`", "string")
    ]


def test_a_header_may_be_a_list(send: Callable[..., Any]) -> None:
    """Its members are apart by commas; the faulty one is named."""
    assert send("listed", headers={"x-numbers": "3, 4,,5"})["value"] == [3, 4, 5]
    assert faults(send("listed", headers={"x-numbers": "3, x"})) == [
        ("header", "/x-numbers/1", "Expected `int`", "string")
    ]


def test_a_forms_fields_are_text(send: Callable[..., Any]) -> None:
    """They come as a body's members, and are converted as a query is."""
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert send("find", {"limit": "5", "name": "x"}, headers=form)["value"]["limit"] == ["int", "5"]
    assert faults(send("find", {"limit": "x"}, headers=form)) == [
        ("body", "/limit", "Expected `int`", "string")
    ]


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [("place", {"qty": 0}, "/qty"), ("order", {"items": [{"qty": 0}]}, "/items/0/qty")],
)
def test_json_that_calls_itself_a_form_has_its_own_faults(
    send: Callable[..., Any], name: str, body: Any, path: str
) -> None:
    """As curl -d sends it."""
    response = send(name, body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert ("body", path, "Expected `int` >= 1", "integer") in faults(response)


def test_other_parameters_have_a_type_too(send: Callable[..., Any]) -> None:
    """What ``**`` takes is converted by its annotation; what the framework offers isn't among it."""
    assert send("totals", {"a": 1, "b": 2}, c=["4"])["value"] == 7
    assert faults(send("totals", {"a": "1"})) == [("body", "/a", "Expected `int`", "string")]
    assert send("anything", {"a": 1.5, "b": None})["value"] == {
        "a": ["Decimal", "1.5"],
        "b": ["NoneType", "None"],
    }


def test_the_path_is_text_that_a_body_cannot_replace(handler: Handler, payload: Payload) -> None:
    """What follows the function's name is the parameter ``path``."""
    context = json.dumps({"headers": {}, "query": {"id": ["7"]}})
    params = {"path": "a/b", "id": "7"} | TENANT
    event = payload("typed:show", typed=True, params=params, context=context, body='{"path": "c"}')
    assert handler(event, LambdaContext())["value"] == ["a/b", 7]


def test_the_names_of_an_object_of_a_bucket_are_text(handler: Handler, payload: Payload) -> None:
    """So are the parameters that its key carries; what the function doesn't take is left out."""
    params = {"bucket": "b", "key": "acme/f/size:3/x.csv", "id": "x", "size": "3"} | TENANT
    assert handler(payload("typed:stored", typed=True, params=params), LambdaContext())["value"] == [
        "b",
        "x",
        3,
    ]


def test_an_events_parameters_are_json(handler: Handler, payload: Payload) -> None:
    """What a queue's message or another function sends is strict."""
    event = payload("typed:totals", typed=True, params={"a": 1.0, "b": "2"} | TENANT)
    assert faults(handler(event, LambdaContext())) == [("body", "/b", "Expected `int`", "string")]


def test_many_faults_are_counted_and_a_hundred_shown(send: Callable[..., Any]) -> None:
    """A refusal stays small."""
    response = send("order", {"items": [1] * 1000})
    assert len(response["details"]) == 100


def test_a_signature_that_cannot_be_checked_is_a_misconfiguration(send: Callable[..., Any]) -> None:
    """It is the author's fault, not the client's."""
    response = send("unsupported", {"value": 1})
    assert (response["status"], response["value"]) == (500, "The function is misconfigured")


def test_an_untyped_call_of_the_same_function_is_as_before(handler: Handler, payload: Payload) -> None:
    """Without ``typed`` annotations are ignored."""
    event = payload("typed:find", params={"limit": "5"} | TENANT)
    assert handler(event, LambdaContext())["value"]["limit"] == ["str", "5"]


def test_a_result_is_checked_in_tests(invoke: Invoke) -> None:
    """``invoke`` of a typed function compares the result with the annotation; a response passes."""
    name = "sample_functions.typed:wrong"
    with pytest.raises(ResultError, match=r"signature says: /qty: Required"):
        invoke(name, params={"kind": "missing"}, typed=True)
    with pytest.raises(ResultError, match="/size: Expected one of"):
        invoke(name, params={"kind": "unknown"}, typed=True)
    assert invoke(name, params={"kind": "missing"}) == {"sku": "a"}
    assert invoke(name, params={"kind": "right"}, typed=True)["qty"] == 1
    assert invoke(name, params={"kind": "response"}, typed=True) == {"statusCode": 204}
    with pytest.raises(ResultError, match="/2: Expected `int`"):
        invoke("sample_functions.typed:stream", params={"last": 2}, typed=True)


def test_a_result_is_not_checked_in_production(call: Callable[..., WorkerCall]) -> None:
    """Unless the deployment asks for it."""
    wanted = call("typed:wrong", params={"kind": "missing"}, typed=True)
    assert Worker(Loader(["sample_functions"])).run(wanted).value == {"sku": "a"}
    with pytest.raises(ResultError):
        Worker(Loader(["sample_functions"]), checks_results=True).run(wanted)


def test_a_test_may_expect_the_refusal(invoke: Invoke) -> None:
    """Texts in ``params`` are as in a query; the error has the details."""
    with pytest.raises(InvalidArgumentsError) as refused:
        invoke("sample_functions.typed:find", params={"limit": "101"}, typed=True)
    assert [each["path"] for each in refused.value.details] == ["/limit"]
