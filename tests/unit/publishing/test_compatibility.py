"""Promises of a release that the next one breaks, by what the registry and the descriptions say."""

from typing import Any

import pytest

from silvaengine_cli.publishing.compatibility import Promises, broken_promises

CONFIG: dict[str, Any] = {
    "module_name": "shop",
    "class_name": "Orders",
    "function_name": "get",
    "methods": ["GET", "POST"],
    "funct_type": "RequestResponse",
    "auth_required": False,
    "typed": True,
}
DESCRIPTION: dict[str, Any] = {
    "summary": "Return an order.",
    "parameters": {
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
        "additionalProperties": False,
    },
    "headers": {"type": "object", "properties": {"x-source": {"type": "string"}}, "required": []},
    "result": {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]},
    "errors": {"404": "There is no such order."},
}
UNTYPED: dict[str, Any] = {
    "parameters": [{"name": "number", "required": True}],
    "summary": "Return an order.",
}


def promises(description: dict[str, Any] | None = None, area: str = "core", **config: Any) -> Promises:
    """Return those of one function."""
    function = {"area": area, "config": CONFIG | config}
    return Promises({"order": function}, {"shop:Orders.get": description} if description else {})


def with_parameter(**schema: Any) -> dict[str, Any]:
    """Return the description with one more optional parameter, or another one of an existing name."""
    parameters = DESCRIPTION["parameters"]
    return DESCRIPTION | {"parameters": {**parameters, "properties": {**parameters["properties"], **schema}}}


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        (promises(), Promises({}, {}), ["order: gone"]),
        (promises(), promises(area="admin"), ["order: area core -> admin"]),
        (promises(methods=["GET"]), promises(), []),
        (promises(), promises(methods=["GET"]), ["order: methods GET, POST -> GET"]),
        (promises(), promises(route="GET /orders/{number}"), []),
        (promises(route="GET /orders/{number}"), promises(route="GET /sales/{number}"),
         ["order: route GET /orders/{number} -> GET /sales/{number}"]),
        (promises(route="GET /orders/{number}"), promises(),
         ["order: route GET /orders/{number} -> none"]),
        (promises(), promises(funct_type="Event"),
         ["order: status 200 -> 202, type RequestResponse -> Event"]),
        (promises(), promises(auth_required=True), ["order: auth_required false -> true"]),
        (promises(auth_required=True), promises(), []),
        (promises(), promises(internal=True), ["order: internal false -> true"]),
        (promises(), promises(idempotency="required"), ["order: idempotency optional -> required"]),
        (promises(idempotency="required"), promises(idempotency="optional"), []),
        (promises(), promises(on_lost="retry", keep_seconds=60, setting="shop"), []),
        (promises(DESCRIPTION), promises(), []),  # not described yet
        (promises(DESCRIPTION), promises(DESCRIPTION | {"summary": "Find it."}), []),
        (promises(DESCRIPTION), promises(with_parameter(full={"type": "boolean"})), []),
        (promises(with_parameter(full={"type": "boolean"})), promises(DESCRIPTION),
         ["order: parameter /full: gone"]),
        (promises(DESCRIPTION), promises(with_parameter(number={"type": "string"})),
         ["order: parameter /number: integer -> string"]),
        (promises(DESCRIPTION), promises(DESCRIPTION | {"headers": {"type": "object", "properties": {}}}),
         ["order: header /x-source: gone"]),
        (promises(DESCRIPTION), promises(DESCRIPTION | {"result": {"type": "object"}}),
         ["order: result /total: gone"]),
        (promises(DESCRIPTION | {"result": {}}), promises(DESCRIPTION), []),
        (promises(DESCRIPTION), promises(DESCRIPTION | {"errors": {"410": "It was deleted."}}),
         ["order: error 404 -> none"]),
        (promises(DESCRIPTION | {"codes": {"404": ["gone"]}}), promises(DESCRIPTION),
         ["order: error 404 gone -> none"]),
        (promises(DESCRIPTION), promises(DESCRIPTION | {"codes": {"404": ["gone"]}}), []),
        (promises(UNTYPED, typed=False), promises(UNTYPED, typed=False), []),
        (promises(UNTYPED, typed=False), promises(UNTYPED | {"parameters": []}, typed=False),
         ["order: parameter /number: gone"]),
        (promises(UNTYPED | {"parameters": []}, typed=False), promises(UNTYPED, typed=False),
         ["order: parameter /number: required"]),
        (promises(UNTYPED, typed=False), promises(DESCRIPTION), ["order: typed false -> true"]),
    ],
)  # fmt: skip
def test_each_broken_promise_has_its_place(old: Promises, new: Promises, broken: list[str]) -> None:
    """By its function; what only adds, or nobody sees, breaks nothing."""
    assert list(broken_promises(old, new)) == broken
