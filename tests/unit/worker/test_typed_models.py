"""Models of pydantic's are checked by the package's own pydantic, with the same refusals as other types."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from silvaengine.observability.handler import Handler
from silvaengine_worker.loader import Loader
from silvaengine_worker.results import ResultError
from silvaengine_worker.testing import Invoke
from silvaengine_worker.typed.schemas import describe_signature

from .conftest import LambdaContext, Payload

LINE = {"sku": "a", "quantity": 2.0, "due": "2024-01-01"}


@pytest.fixture
def send(handler: Handler, payload: Payload) -> Callable[..., Any]:
    """Send a body, and a query, to a function; return the worker's response."""

    def call(function: str, body: object = None, **query: list[str]) -> Any:
        context = json.dumps({"headers": {}, "query": query})
        params = {name: values[-1] for name, values in query.items()}
        event = payload(
            f"models:{function}", params=params, typed=True, body=json.dumps(body), context=context
        )
        return handler(event, LambdaContext())

    return call


def test_models_and_fields_get_their_values(send: Callable[..., Any]) -> None:
    """By alias, strict in JSON, converted in a query; a dataclass around a model is pydantic's, too."""
    response = send("order", {"order": {"lines": [LINE], "total": "1.10"}}, count=["3"], ids=["1", "2"])
    assert response["value"] == ["Order", [["a", 2, "2024-01-01"]], "1.10", 3, [1, 2]]


def test_a_refusal_names_all_faults_of_models(send: Callable[..., Any]) -> None:
    """In the words of the other types where pydantic's could repeat a value."""
    lines = [
        {"quantity": "CANARY"},
        {"sku": "forbidden"},
        {"sku": "a", "quantity": 0, "due": "CANARY", "CANARY": 1},
    ]
    response = send("order", {"order": {"lines": lines, "total": 1}}, count=["9"], ids=["1", "CANARY"])
    assert response["status"] == 422
    found = [(each["in"], each["path"], each["message"], each["value_type"]) for each in response["details"]]
    assert found == [
        ("query", "/count", "Input should be less than or equal to 5", "integer"),
        ("query", "/ids/1", "Input should be a valid integer", "string"),
        ("body", "/order/lines/0/sku", "Required", "absent"),
        ("body", "/order/lines/0/quantity", "Input should be a valid integer", "string"),
        ("body", "/order/lines/1/sku", "Not valid (value_error)", "string"),
        ("body", "/order/lines/2/CANARY", "Unknown", "integer"),
        ("body", "/order/lines/2/quantity", "Input should be greater than or equal to 1", "integer"),
        ("body", "/order/lines/2/due", "Not valid (date_parsing)", "string"),
    ]
    assert "forbidden" not in json.dumps(response)


def test_half_a_surrogate_pair_is_refused(send: Callable[..., Any]) -> None:
    """As what it is: no text."""
    response = send("order", {"order": {"lines": [{"sku": "\ud800"}], "total": 1.5}})
    assert [each["path"] for each in response["details"]] == ["/order"]


def test_a_models_schema_is_pydantics(send: Callable[..., Any]) -> None:
    """With its definitions beside those of other parameters."""
    target = Loader(["sample_functions"]).load("sample_functions.models", "", "order")
    schema = describe_signature(target.function, target.parameters)["parameters"]
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["count"] == {"default": 1, "maximum": 5, "type": "integer"}
    assert schema["$defs"]["Line"]["required"] == ["sku"]
    # By its name, by which what is generated from it has one class for it.
    assert schema["properties"]["order"] == {"$ref": "#/$defs/Order"}
    validator = Draft202012Validator(schema)
    for body in (
        {"order": {"lines": [LINE], "total": 1}},
        {"order": {"lines": [{"sku": "a", "quantity": 0}], "total": 1}},
        {"order": {"lines": [{"sku": "a", "more": 1}], "total": 1}},
    ):
        assert validator.is_valid(body) == (send("order", body)["status"] == 200)


def test_a_models_result_is_checked_in_tests(invoke: Invoke) -> None:
    """A model passes, and what makes one."""
    name = "sample_functions.models:line"
    assert invoke(name, params={"kind": "model"}, typed=True)["qty"] == 2
    assert invoke(name, params={"kind": "members"}, typed=True) == {"sku": "a"}
    with pytest.raises(ResultError, match="/sku: Required"):
        invoke(name, params={"kind": "wrong"}, typed=True)


def test_a_models_result_is_as_its_schema_says(invoke: Invoke) -> None:
    """A Decimal is a number there, as in any other result."""
    target = Loader(["sample_functions"]).load("sample_functions.models", "", "price")
    schema = describe_signature(target.function, target.parameters)["result"]
    result = invoke("sample_functions.models:price", typed=True)
    assert result == {"total": 1.5, "within": "PT3600S", "code": "eA=="}
    Draft202012Validator(schema).validate(result)
