"""A typed function by a route: what its signature says is described, and holds for what a gateway sends."""

import json
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Annotated, Any
from uuid import UUID

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field
from urllib3.filepost import encode_multipart_formdata

from silvaengine.errors import InvalidArgumentsError
from silvaengine.protocol.messages import Callee, WorkerCall
from silvaengine_utility.uploads import UploadedFile
from silvaengine_worker.loader import Loader
from silvaengine_worker.typed.schemas import describe_signature
from silvaengine_worker.worker import Worker


class Color(Enum):
    RED = "red"


@dataclass
class Line:
    sku: str
    color: Color = Color.RED
    parent: "Line | None" = None


def add(order_id: int, line: Line, note: str = "", times: int = 1) -> list[Line]:
    """Add a line to an order.

    Args:
        order_id: The order's number.
        line: What is added.
        note: Why.
        times: How often.

    Raises:
        FunctionError: 404, there is no such order.
    """
    return [line] * times if order_id == 17 else []


def find(order_id: int, since: UUID | None = None, tags: list[str] | None = None) -> list[Line]:
    """Find an order's lines."""
    return []


def attach(
    order_id: int,
    photo: UploadedFile,
    pages: list[UploadedFile] | None = None,
    raw: bytes = b"",
    raws: list[bytes] | None = None,
    times: int = 1,
    tags: list[str] | None = None,
    line: Line | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Attach files to an order."""
    files = [photo, *(pages or [])]
    return {
        "files": [[each.filename, each.content_type, each.content.decode()] for each in files],
        "raw": [each.decode() for each in (raw, *(raws or []))],
        "others": [order_id, times, tags, line, note],
    }


def attach_any(order_id: int, photo: Annotated[UploadedFile | None, Field(description="A photo")]) -> str:
    """Attach a file that pydantic checks."""
    return photo.content.decode() if photo else ""


def store(order_id: int, body: bytes) -> str:
    """Store bytes with an order."""
    return body.decode()


@pytest.fixture
def upload(
    world: Any, rest_path: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Send a body to a function of files; return what a worker makes of the gateway's payload."""
    module = ModuleType("typed_shop")
    monkeypatch.setitem(sys.modules, "typed_shop", module)
    worker = Worker(Loader(["typed_shop"]))

    def send(function: Callable[..., Any], body: bytes, content_type: str) -> Any:
        name = function.__name__
        monkeypatch.setattr(function, "__module__", "typed_shop")
        monkeypatch.setattr(module, name, function, raising=False)
        callee = Callee("typed_shop", "", name, "{}", typed=True)
        world.add(name, route=f"POST /orders/{{order_id}}/{name}", methods=("POST",), callee=callee)
        event = rest_path(f"/core/acme/orders/17/{name}") | {"httpMethod": "POST", "isBase64Encoded": True}
        event |= {"multiValueHeaders": {"Content-Type": [content_type]}, "headers": None}
        event |= {"queryStringParameters": None, "multiValueQueryStringParameters": None}
        world.call(event | {"body": b64encode(body).decode()})
        payload = world.invoker.sent[-1].payload
        payload["invocation"]["deadline"] = None  # the world's clock is not the worker's
        return worker.run(WorkerCall.decode(payload)).value

    return send


@pytest.fixture
def call(
    world: Any, rest_path: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Send a POST by the route of ``add``; return what a worker makes of the gateway's payload."""
    module = ModuleType("typed_shop")
    monkeypatch.setattr(add, "__module__", "typed_shop")
    monkeypatch.setattr(module, "add", add, raising=False)
    monkeypatch.setitem(sys.modules, "typed_shop", module)
    callee = Callee("typed_shop", "", "add", "{}", typed=True)
    world.add("add", route="POST /orders/{order_id}/lines", methods=("POST",), callee=callee)
    worker = Worker(Loader(["typed_shop"]))

    def send(order_id: str, body: Any, query: dict[str, list[str]]) -> Any:
        event = rest_path(f"/core/acme/orders/{order_id}/lines") | {"httpMethod": "POST"}
        several = {"queryStringParameters": None, "multiValueQueryStringParameters": query}
        world.call(event | several | {"body": json.dumps(body)})
        payload = world.invoker.sent[-1].payload
        payload["invocation"]["deadline"] = None  # the world's clock is not the worker's
        return worker.run(WorkerCall.decode(payload)).value

    return send


def test_values_come_from_path_query_and_body(call: Callable[..., Any]) -> None:
    """Text of path and query is converted; neither of the others replaces the path's."""
    lines = call("17", {"line": {"sku": "a"}, "order_id": 18}, {"times": ["2"], "order_id": ["19"]})
    assert [line["sku"] for line in lines] == ["a", "a"]


FILE = ("photo", ("a.png", b"PNG", "image/png"))


def test_a_forms_fields_and_files_are_as_their_parameters(upload: Callable[..., Any]) -> None:
    """Fields are converted as a query's values are, files are files or their bytes; one may be a list."""
    fields: list[Any] = [
        FILE, ("pages", ("1.txt", b"one", "text/plain")), ("raw", ("r", b"r", "x/y")),
        ("raws", ("s", b"s", "x/y")), ("raws", ("t", b"t", "x/y")), ("times", "3"), ("tags", "5"),
        ("line", (None, '{"sku": "a"}', "application/json")), ("note", ""),
    ]  # fmt: skip
    assert upload(attach, *encode_multipart_formdata(fields)) == {
        "files": [["a.png", "image/png", "PNG"], ["1.txt", "text/plain", "one"]],
        "raw": ["r", "s", "t"],
        "others": [17, 3, ["5"], {"sku": "a", "color": "red", "parent": None}, ""],
    }


@pytest.mark.parametrize(
    ("field", "path"),
    [
        (("photo", "no file"), "/photo"),
        (("times", "many"), "/times"),
        (("times", ("a", b"3", "text/plain")), "/times"),
        (("unknown", ("a", b"3", "text/plain")), "/unknown"),
    ],
)
def test_what_a_form_has_wrong_is_named(upload: Callable[..., Any], field: Any, path: str) -> None:
    """As in JSON, and without anything of a file."""
    fields = [field] if field[0] == "photo" else [FILE, field]
    with pytest.raises(InvalidArgumentsError) as refused:
        upload(attach, *encode_multipart_formdata(fields))
    (fault,) = refused.value.details
    assert (fault["in"], fault["path"]) == ("body", path)


def test_json_is_strict_whatever_its_type(upload: Callable[..., Any]) -> None:
    """`curl -d` calls JSON a form: one file is no list for that."""
    body = {"photo": {"content": ""}, "pages": {"content": ""}}
    with pytest.raises(InvalidArgumentsError) as refused:
        upload(attach, json.dumps(body).encode(), "application/x-www-form-urlencoded")
    assert [fault["path"] for fault in refused.value.details] == ["/pages"]


def test_a_file_may_be_in_an_annotation_of_pydantics(upload: Callable[..., Any]) -> None:
    """Its content is bytes there, too."""
    assert upload(attach_any, *encode_multipart_formdata([FILE])) == "PNG"


def test_a_file_may_be_json(upload: Callable[..., Any]) -> None:
    """With its content as base64, as over a WebSocket."""
    body = {"photo": {"content": "UE5H", "filename": "a.png"}}
    found = upload(attach, json.dumps(body).encode(), "application/json")
    assert found["files"] == [["a.png", "application/octet-stream", "PNG"]]


def test_bytes_are_the_parameter_body(upload: Callable[..., Any]) -> None:
    """A function that doesn't take them says what it expected."""
    assert upload(store, b"PNG", "image/png") == "PNG"
    with pytest.raises(InvalidArgumentsError) as refused:
        upload(attach, b"PNG", "image/png")
    assert {fault["path"]: fault["message"] for fault in refused.value.details}[""] == "Expected `object`"


def test_faults_say_where_they_are(call: Callable[..., Any]) -> None:
    """In the path, too."""
    with pytest.raises(InvalidArgumentsError) as refused:
        call("abc", {"line": {"sku": 5}}, {"times": ["x"]})
    assert {(fault["in"], fault["path"]) for fault in refused.value.details} == {
        ("path", "/order_id"), ("body", "/line/sku"), ("query", "/times")
    }  # fmt: skip


def test_what_signatures_say_is_a_valid_document(world: Any, rest_path: Callable[..., Any]) -> None:
    """Classes that two functions use are there once."""
    for function, route in ((add, "POST /orders/{order_id}/lines"), (find, "GET /orders/{order_id}/lines")):
        name, config = function.__name__, {"typed": True, "route": route, "methods": [route.split()[0]]}
        world.add(name, route=route)
        world.registry.described[name] = {"config": config, "description": describe_signature(function)}
    response = world.call(rest_path("/core/acme/openapi.json") | {"httpMethod": "GET", "body": None})
    document = json.loads(response["body"])
    OpenAPIV31SpecValidator(document).validate()
    assert {"Line", "Color"} < document["components"]["schemas"].keys()
    item = document["paths"]["/orders/{order_id}/lines"]
    assert item["post"]["summary"] == "Add a line to an order."
    assert item["post"]["responses"]["404"]["description"] == "there is no such order."
    assert [each["name"] for each in item["get"]["parameters"][:3]] == ["order_id", "since", "tags"]


def test_functions_of_files_take_forms_and_bytes(world: Any, rest_path: Callable[..., Any]) -> None:
    """Beside JSON; what has no file takes JSON alone."""
    for function in (attach, attach_any, store, add):
        name, route = function.__name__, f"POST /orders/{{order_id}}/{function.__name__}"
        config = {"typed": True, "route": route, "methods": ["POST"]}
        world.add(name, route=route)
        world.registry.described[name] = {"config": config, "description": describe_signature(function)}
    response = world.call(rest_path("/core/acme/openapi.json") | {"httpMethod": "GET", "body": None})
    document = json.loads(response["body"])
    OpenAPIV31SpecValidator(document).validate()
    contents = {
        name: document["paths"][f"/orders/{{order_id}}/{name}"]["post"]["requestBody"]["content"]
        for name in ("attach", "attach_any", "store", "add")
    }
    assert list(contents["add"]) == ["application/json"]
    assert contents["store"]["application/octet-stream"] == {"schema": {}}
    parts = contents["attach"]["multipart/form-data"]["schema"]["properties"]
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    assert parts["photo"] == parts["raw"] == file
    photo = contents["attach_any"]["multipart/form-data"]["schema"]["properties"]["photo"]
    assert photo == file | {"description": "A photo"}
    assert parts["pages"]["items"] == parts["raws"]["items"] == file
    assert parts["times"] == contents["attach"]["application/json"]["schema"]["properties"]["times"]
