"""A function gets what the client sent, in the contract's types, and nothing that it doesn't take."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker.loader import Loader
from silvaengine_worker.worker import Worker

type Build = Callable[..., WorkerCall]

TENANT = {"endpoint_id": "demo", "area": "core"}


@pytest.fixture
def run(call: Build) -> Callable[..., Any]:
    """Call a function and return its bare result."""
    worker = Worker(Loader(["sample_functions"]))
    return lambda *args, **members: worker.run(call(*args, **members)).value


def test_an_objects_names_reach_a_function_that_takes_them(run: Callable[..., Any]) -> None:
    """A call for an object of a bucket has all three; one of them alone is a parameter like others."""
    stored = {"bucket": "b", "key": "acme/strict/a:1/x.csv", "id": "x", "a": "1"}
    assert run("plain:strict", params=stored) == "1b"
    assert run("plain:echo", params=stored).keys() == stored.keys()
    with pytest.raises(RequestError, match="has no parameter 'id'"):
        run("plain:strict", params={"a": "1", "id": "x"})


@pytest.mark.parametrize(
    ("function", "name"), [("classes:Service.tell", "self"), ("classes:Service.family", "cls")]
)
def test_the_receiver_of_a_method_is_no_parameter(run: Callable[..., Any], function: str, name: str) -> None:
    """A client's ``self`` is refused, although ``**params`` takes any other name."""
    with pytest.raises(RequestError, match=f"has no parameter '{name}'"):
        run(function, params=TENANT | {name: "x"})


def test_numbers_keep_their_kind(run: Callable[..., Any]) -> None:
    """Whole numbers are int, fractions Decimal, text and dates stay text, in parameters and body."""
    result = run(
        "plain:echo",
        params={"a": 1, "b": 0.1, "c": "2024-01-01"},
        body='{"d": 12345678901234567890, "e": 1.10, "f": true, "g": [0.5]}',
    )
    assert result == {
        "a": ["int", "1"],
        "b": ["Decimal", "0.1"],
        "c": ["str", "2024-01-01"],
        "d": ["int", "12345678901234567890"],
        "e": ["Decimal", "1.10"],
        "f": ["bool", "True"],
        "g": ["list", "[Decimal('0.5')]"],
    }


def test_a_number_that_no_decimal_holds_is_the_clients_error(run: Callable[..., Any]) -> None:
    """It is refused with a message, in the body and in the parameters."""
    with pytest.raises(RequestError, match="a number that is too large"):
        run("plain:echo", body='{"d": 1e-99999999999999999999}')
    with pytest.raises(RequestError, match="'params'"):
        WorkerCall.decode({"MODULENAME": "m", "funct": "f", "params": '{"a": 1e99999999999999999999}'})


def test_the_body_overlays_the_parameters(run: Callable[..., Any]) -> None:
    """A name in both has the body's value."""
    assert run("plain:strict", params={"a": "query", "b": "query"}, body='{"a": "body"}') == "bodyquery"


def test_the_body_overlays_no_parameter_of_the_path(run: Callable[..., Any]) -> None:
    """Whoever was admitted to /tickets/17 gets no other ticket by a body's member."""
    context = {"path_parameters": {"a": "17"}}
    result = run("plain:echo", params={"a": "17", "b": "1"}, body='{"a": "18", "b": "2"}', context=context)
    assert (result["a"], result["b"]) == (["str", "17"], ["str", "2"])


def test_null_and_empty_text_reach_a_function_that_keeps_them(run: Callable[..., Any]) -> None:
    """By params and body, for required parameters, too; what the framework adds is as ever."""
    result = run("plain:echo", params={"a": None, "b": ""}, body='{"c": null, "d": ""}', keep_empty=True)
    none, empty = ["NoneType", "None"], ["str", ""]
    assert result == {"a": none, "b": empty, "c": none, "d": empty}
    assert run("plain:strict", params=TENANT | {"a": "1", "b": ""}, keep_empty=True) == "1"


def test_null_and_empty_text_are_absent(run: Callable[..., Any]) -> None:
    """Members that are null or empty text are dropped; 0, false and empty lists are values."""
    result = run(
        "plain:echo", params={"a": None, "b": "", "c": 0}, body='{"d": null, "e": "", "f": false, "g": []}'
    )
    assert list(result) == ["c", "f", "g"]


def test_a_body_member_endpoint_id_never_replaces_the_tenant(run: Callable[..., Any]) -> None:
    """Known defect: the predecessor's body overlay let a client choose its tenant."""
    hostile = {
        "endpoint_id": "globex",
        "area": "admin",
        "context": {"a": 1},
        "aws_event": {},
        "connection_id": "c",
    }
    result = run("plain:echo", params=TENANT, body=json.dumps(hostile), context='{"channel": "demo"}')
    assert result == {
        "endpoint_id": ["str", "demo"],
        "area": ["str", "core"],
        "context": ["dict", "{'channel': 'demo'}"],
    }


def test_the_frameworks_names_reach_functions_that_take_them(run: Callable[..., Any]) -> None:
    """A function that takes tenant, area, path or context gets them; another one runs without."""
    params = {**TENANT, "path": "a/b"}
    assert run("plain:framed", params=params, body=None, context="{}") == ["demo", "core", "a/b", {}]
    assert run("plain:strict", params={**params, "a": "1"}, body=None, context="{}") == "1b"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"params": {"a": "1", "c": "2"}}, "Function 'strict' has no parameter 'c'"),
        ({"body": '{"a": "1", "colour": "2"}'}, "Function 'strict' has no parameter 'colour'"),
        ({"params": TENANT}, "Function 'strict' requires the parameter 'a'"),
        ({"body": '{"a": ""}'}, "Function 'strict' requires the parameter 'a'"),
        ({}, "Function 'strict' requires the parameter 'a'"),
        ({"body": "[1, 2]"}, "Function 'strict' has no parameter 'body': send a JSON object"),
        ({"body": '{"a": '}, "Function 'strict' has no parameter 'body': send a JSON object"),
        ({"body": '{"a": NaN}'}, "The body contains NaN, which is not valid JSON"),
        ({"body": "[" * 200_000}, "The body is nested too deeply"),
    ],
)
def test_an_unknown_or_missing_parameter_is_the_clients_error(
    run: Callable[..., Any], members: dict[str, Any], message: str
) -> None:
    """It is 400, and the message names the parameter."""
    with pytest.raises(RequestError) as refused:
        run("plain:strict", **members)
    assert refused.value.message == message
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [("[1, 2]", [1, 2]), ('"text"', "text"), ("plain text", "plain text"), ("1" * 5000, "1" * 5000)],
)
def test_a_body_that_is_no_object_is_the_parameter_body(
    run: Callable[..., Any], body: str, value: Any
) -> None:
    """Other JSON arrives decoded, other text as it is."""
    assert run("plain:wants_body", body=body) == value


def test_without_parameters_and_body_there_are_no_arguments(run: Callable[..., Any]) -> None:
    """The contract: then the function is called bare, without the context too."""
    assert run("plain:echo", context='{"channel": "demo"}') == {}


def test_a_full_event_brings_no_members_of_its_body(run: Callable[..., Any]) -> None:
    """With ``aws_event`` the function reads the body there; its members aren't parameters."""
    result = run(
        "plain:full",
        params=TENANT,
        body='{"a": 1}',
        aws_event='{"body": "{\\"a\\": 1}"}',
        aws_context='{"function_name": "gateway"}',
    )
    assert result == [{"body": '{"a": 1}'}, {"function_name": "gateway"}, "demo"]


def test_parameters_by_position_are_filled_by_name(run: Callable[..., Any]) -> None:
    """A positional-only parameter is a name to the client like any other."""
    assert run("plain:posonly", params={"a": "1", "c": "3"}) == ["1", "b", "3"]
    assert run("plain:posonly", params={"b": "2", "a": "1"}) == ["1", "2", "c"]
