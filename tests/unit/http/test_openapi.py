"""``openapi.json``: exactly what a key may call in an area, in a form that tools take."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from silvaengine.access.rate_limits import RateLimit

type Read = Callable[..., Any]

TICKET = {
    "title": "Ticket",
    "type": "object",
    "properties": {"title": {"type": "string"}, "parent": {"$ref": "#/$defs/Ticket"}},
    "required": ["title"],
}
DESCRIBED = {
    "summary": "Comment on a ticket.",
    "description": "As long as it is open.",
    "parameters": {
        "type": "object",
        "properties": {
            "ticket_id": {"type": "integer", "description": "The ticket's number"},
            "text": {"type": "string", "maxLength": 500},
            "about": {"anyOf": [{"$ref": "#/$defs/Ticket"}, {"type": "null"}], "default": None},
        },
        "required": ["ticket_id", "text"],
        "additionalProperties": False,
        "$defs": {"Ticket": TICKET},
    },
    "headers": {
        "type": "object", "properties": {"x-trace": {"type": "string"}}, "required": ["x-trace"]
    },
    "result": {"$ref": "#/$defs/Ticket", "$defs": {"Ticket": TICKET}},
    "errors": {"404": "There is no such ticket.", "410": "It is closed."},
    "codes": {"410": ["closed", "merged"]},
}  # fmt: skip
TYPED = {"config": {"typed": True, "methods": ["POST"]}, "description": DESCRIBED}


@pytest.fixture
def read(world: Any, rest_path: Callable[[str], dict[str, Any]]) -> Read:
    """Return the response to a request for the document."""

    def send(area: str = "core", method: str = "GET", key: str = "acme-key", **headers: str) -> Any:
        event = rest_path(f"/{area}/acme/openapi.json")
        event["requestContext"]["identity"]["apiKey"] = None if key == "#####" else key
        several = {name.replace("_", "-"): [value] for name, value in headers.items()}
        return world.call(event | {"httpMethod": method, "body": None, "multiValueHeaders": several})

    return send


@pytest.fixture
def document(read: Read) -> Read:
    """Return the document, after a validator has found nothing wrong with it."""

    def get(*arguments: Any, **options: Any) -> Any:
        response = read(*arguments, **options)
        assert (response["statusCode"], response["headers"]["Content-Type"]) == (200, "application/json")
        found = json.loads(response["body"])
        OpenAPIV31SpecValidator(found).validate()
        return found

    return get


def describe(world: Any, name: str, route: str = "", **row: Any) -> None:
    """Add a function, with what its row says."""
    config = {**row.pop("config", {}), "route": route}
    world.add(name, route=route, **row.pop("changes", {}))
    world.registry.described[name] = {**row, "config": config}


def operations(found: Any) -> dict[str, str]:
    """Return the operations' ids by method and path."""
    return {
        f"{method.upper()} {path}": operation["operationId"]
        for path, item in found["paths"].items()
        for method, operation in item.items()
    }


def test_functions_by_route_or_name(world: Any, document: Read) -> None:
    """Each has its methods; the ids of those by name are no other function's."""
    describe(world, "one", "GET /things/{thing}")
    describe(world, "change", "PATCH /things/{thing}")
    describe(world, "tree", "GET /things/{thing}/{path+}")
    describe(world, "read_only", config={"methods": ["get", "HEAD", "OPTIONS"]})
    assert operations(document()) == {
        "GET /things/{thing}": "one",
        "PATCH /things/{thing}": "change",
        "GET /things/{thing}/{path}": "tree",
        "GET /read_only": "read_only",
        "POST /greet": "greet",
        "GET /greet": "greet.get",
        "GET /job_status": "job_status",
    }


def test_routes_that_openapi_cannot_tell_apart(world: Any, document: Read) -> None:
    """A function whose route would be another one's is there by its name."""
    describe(world, "a", "GET /things/{thing}")
    describe(world, "b", "GET /things/{path+}", config={"methods": ["GET"]})
    describe(world, "c", "GET /things/{other}", config={"methods": ["GET"]})
    assert {"GET /things/{thing}", "GET /b", "GET /c"} < operations(document()).keys()


def test_what_a_key_may_not_call_is_not_there(world: Any, document: Read) -> None:
    """Neither internal functions nor those of other areas."""
    describe(world, "hidden", config={"internal": True})
    describe(world, "other", changes={"area": "admin"})
    assert set(operations(document()).values()) == {"greet", "greet.get", "job_status"}
    assert set(operations(document("admin")).values()) == {"other", "other.get", "job_status"}


def test_a_described_function(world: Any, document: Read) -> None:
    """Its parameters are where they come from, its errors those of the description and of the platform."""
    describe(world, "comment", "POST /tickets/{ticket_id}/comments", **TYPED)
    found = document()
    operation = found["paths"]["/tickets/{ticket_id}/comments"]["post"]
    assert (operation["summary"], operation["description"]) == (
        "Comment on a ticket.", "As long as it is open."
    )  # fmt: skip
    path, header, key, prefer = operation["parameters"]
    assert path == {
        "name": "ticket_id",
        "in": "path",
        "required": True,
        "description": "The ticket's number",
        "schema": {"type": "integer", "description": "The ticket's number"},
    }
    assert (header["name"], header["in"], header["required"]) == ("x-trace", "header", True)
    assert key == {"$ref": "#/components/parameters/IdempotencyKey"}
    assert prefer == {"$ref": "#/components/parameters/Prefer"}
    body = operation["requestBody"]
    assert body["required"] is True
    schema = body["content"]["application/json"]["schema"]
    assert list(schema["properties"]) == ["text", "about"]
    assert (schema["required"], schema["additionalProperties"]) == (["text"], False)
    result = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert result == {"$ref": "#/components/schemas/Ticket"}
    parent = found["components"]["schemas"]["Ticket"]["properties"]["parent"]
    assert parent == {"$ref": "#/components/schemas/Ticket"}
    responses = operation["responses"]
    assert responses["404"]["description"] == "There is no such ticket."
    error = responses["404"]["content"]["application/json"]["schema"]
    assert responses["410"]["content"]["application/json"]["schema"] == {
        **error, "properties": {"code": {"enum": ["closed", "merged"]}}
    }  # fmt: skip
    assert {"202", "400", "409", "410", "415", "422", "500", "503"} < responses.keys()
    assert not {"401", "429", "default"} & responses.keys()


def test_what_a_get_takes_is_in_the_query(world: Any, document: Read) -> None:
    """A request without a body has its parameters there, but for objects, which no text is."""
    describe(world, "find", "GET /tickets/{ticket_id}", **TYPED)
    operation = document()["paths"]["/tickets/{ticket_id}"]["get"]
    places = [(each["name"], each["in"], each["required"]) for each in operation["parameters"][:-1]]
    assert places == [
        ("ticket_id", "path", True),
        ("text", "query", True),
        ("x-trace", "header", True),
    ]
    assert "requestBody" not in operation


INTEGERS = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
SEGMENT = {
    "type": "string",
    "minLength": 1,
    "pattern": r"^(?!\.{1,2}$)[^/\\\u0000-\u001f\u007f-\u009f\ufffd]+$",
}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "default": 3}, {"type": "integer", "default": 3}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, {"type": "integer"}),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}], "title": "t"},
            {"anyOf": [{"type": "integer"}, {"type": "string"}], "title": "t"},
        ),
        ({"enum": ["a", None]}, {"enum": ["a"]}),
        ({"type": "null"}, None),
        ({"description": "Anything."}, {"type": "string", "description": "Anything."}),
        ({"$ref": "#/$defs/Size"}, {"$ref": "#/components/schemas/Size"}),
        ({"$ref": "#/$defs/Ticket"}, None),
        (INTEGERS, {**INTEGERS, "minItems": 1}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}),
        ({"type": "array", "items": INTEGERS}, None),
        ({"type": "array", "items": {"$ref": "#/$defs/Ticket"}}, None),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "object"}]}, None),
    ],
)
def test_what_a_text_can_be(schema: Any, text: Any, world: Any, document: Read) -> None:
    """Of a parameter of query and headers; what must be something else can't be called in that way."""
    definitions = {"Ticket": TICKET, "Size": {"enum": ["small"]}}
    for name, required in {"may": [], "must": ["x"]}.items():
        taken: dict[str, Any] = {
            "type": "object",
            "properties": {"x": schema},
            "required": required,
            "$defs": definitions,
        }
        taken["additionalProperties"] = False
        config = {"typed": True, "methods": ["POST", "GET"]}
        describe(world, name, config=config, description={"parameters": taken})
    found = document()["paths"]
    shown = [each["schema"] for each in found["/may"]["get"]["parameters"] if each.get("in") == "query"]
    assert shown == ([] if text is None else [text])
    assert found["/must"].keys() == ({"post"} if text is None else {"post", "get"})


def test_a_text_in_the_path(world: Any, document: Read) -> None:
    """It is what one segment can be; a route whose parameter no text can be isn't there."""
    for name, schema in {"a": {"type": "string"}, "b": {"enum": ["x"]}, "c": {"type": "object"}}.items():
        taken = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
        describe(
            world, name, f"GET /{name}s/{{x}}", config={"typed": True}, description={"parameters": taken}
        )
    found = document()["paths"]
    assert found["/as/{x}"]["get"]["parameters"][0]["schema"] == SEGMENT
    assert found["/bs/{x}"]["get"]["parameters"][0]["schema"] == {"enum": ["x"]}
    assert not {"/cs/{x}", "/c"} & found.keys()


@pytest.mark.parametrize("others", [{"type": "integer"}, {"$ref": "#/$defs/Ticket"}])
def test_other_parameters(others: Any, world: Any, document: Read) -> None:
    """What ``**`` takes is in a body, else in the query if it can be text."""
    taken = {"type": "object", "properties": {}, "additionalProperties": others, "$defs": {"Ticket": TICKET}}
    config = {"typed": True, "methods": ["POST", "GET"]}
    describe(world, "sum", config=config, description={"parameters": taken})
    item = document()["paths"]["/sum"]
    body = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    query = [each["schema"] for each in item["get"]["parameters"] if each.get("in") == "query"]
    if "type" in others:
        assert query == [{"type": "object", "additionalProperties": others}]
    else:
        assert query == []
        others = {"$ref": "#/components/schemas/Ticket"}
    assert body["additionalProperties"] == others


@pytest.mark.parametrize(
    ("result", "is_json"),
    [
        ({"type": "string"}, False),
        ({"type": "string", "contentEncoding": "base64"}, False),
        ({"enum": ["a"]}, False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, False),
        ({}, False),
        ({"type": "string", "format": "date"}, True),
        ({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9]+$"}]}, True),
        ({"type": "array", "items": {"type": "string"}}, True),
    ],
)
def test_a_result_that_is_text(result: Any, is_json: bool, world: Any, document: Read) -> None:
    """Text and bytes go out as they are, under another content type than JSON's, or as a 400."""
    description = {"parameters": {"type": "object"}, "result": result}
    describe(world, "tell", config={"typed": True}, description=description)
    responses = document()["paths"]["/tell"]["post"]["responses"]
    anything = {"$ref": "#/components/responses/Any"}
    assert (responses["200"] != anything, responses["400"] != anything) == (is_json, is_json)


def test_a_function_that_takes_a_whole_body(world: Any, document: Read) -> None:
    """What else it takes is in path and query."""
    taken = {"type": "object", "properties": {"body": {"type": "array"}, "mode": {"enum": ["a"]}}}
    describe(world, "load", config={"typed": True, "methods": ["PUT"]}, description={"parameters": taken})
    operation = document()["paths"]["/load"]["put"]
    assert operation["requestBody"] == {
        "required": False, "content": {"application/json": {"schema": {"type": "array"}}}
    }  # fmt: skip
    assert [(each["name"], each["in"]) for each in operation["parameters"][:1]] == [("mode", "query")]


def test_definitions_of_one_name(world: Any, document: Read) -> None:
    """The same of several functions is there once, another one under its function's name."""
    other = {"title": "Ticket", "type": "object", "properties": {"id": {"$ref": "#/$defs/Id"}}}
    theirs = {**DESCRIBED, "result": {"$ref": "#/$defs/Ticket", "$defs": {"Ticket": other, "Id": {}}}}
    for name, description in {"a": DESCRIBED, "b": DESCRIBED, "c": theirs}.items():
        describe(world, name, config={"typed": True, "methods": ["POST"]}, description=description)
    schemas = document()["components"]["schemas"]
    assert {"Ticket", "c.Ticket", "c.Id"} < schemas.keys()
    assert not {"a.Ticket", "b.Ticket", "Id"} & schemas.keys()
    assert schemas["c.Ticket"]["properties"]["id"] == {"$ref": "#/components/schemas/c.Id"}
    assert (schemas["Ticket"]["title"], schemas["c.Ticket"]["title"]) == ("Ticket", "c.Ticket")


def test_a_pair_has_no_schema_that_is_false(world: Any, document: Read) -> None:
    """Generators of clients know none; ``maxItems`` says the same."""
    texts = [{"type": "string"}] * 2
    pair = {"type": "array", "prefixItems": texts, "items": False, "minItems": 2, "maxItems": 2}
    description = {"parameters": {"type": "object", "properties": {"pair": pair}}}
    describe(world, "find", config={"typed": True, "methods": ["GET"]}, description=description)
    schema = document()["paths"]["/find"]["get"]["parameters"][0]["schema"]
    assert schema == {name: value for name, value in pair.items() if name != "items"}


def test_names_for_generated_classes(world: Any, document: Read) -> None:
    """An operation is of its area, and a class by a member's title, where only null stands beside it."""
    option = {"type": "object", "additionalProperties": {"type": "number"}}
    hours = {"anyOf": [option, {"type": "null"}]}
    either = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    shift = {"type": "object", "properties": {"hours": hours}}
    taken = {
        "type": "object",
        "properties": {"hours": hours, "either": either, "shift": {"$ref": "#/$defs/Shift"}},
    }
    description = {"parameters": taken | {"$defs": {"Shift": shift}}, "result": option}
    for name, method in {"plan": "POST", "find": "GET"}.items():
        describe(world, name, config={"typed": True, "methods": [method]}, description=description)
    found = document()
    titled = {"anyOf": [{"title": "hours", **option}, {"type": "null"}]}
    assert found["components"]["schemas"]["Shift"]["properties"]["hours"] == titled
    body = found["paths"]["/plan"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert (body["properties"]["hours"], body["properties"]["either"]) == (titled, either)
    result = found["paths"]["/find"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert result == {"title": "Result", **option}
    tags = [each["tags"] for item in found["paths"].values() for each in item.values()]
    assert tags == [["core"]] * len(tags)


@pytest.mark.parametrize("config", [{}, {"typed": True}, {"typed": False}])
def test_a_function_without_a_description(config: dict[str, Any], world: Any, document: Read) -> None:
    """It may take and return anything, as may one that says what it takes and doesn't check it."""
    description = DESCRIBED if config.get("typed") is False else {}
    describe(world, "any", "POST /any/{thing}", config=config, description=description)
    operation = document()["paths"]["/any/{thing}"]["post"]
    assert operation["requestBody"] == {"content": {"application/json": {"schema": {}}}}
    assert [each.get("in") for each in operation["parameters"]] == ["path", "query", None, None]
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Any"}


def test_jobs(world: Any, document: Read) -> None:
    """A function that is always one responds 202, or what the endpoint's settings keep of the predecessor."""
    describe(world, "report", config={"funct_type": "Event", "methods": ["POST"]})
    found = document()
    assert found["paths"]["/report"]["post"]["responses"].keys() == {"202", "default"}
    accepted = found["components"]["responses"]["Accepted"]
    assert {"Location", "Retry-After"} == accepted["headers"].keys()
    assert accepted["links"]["status"]["operationId"] == "job_status"
    world.registry.area_settings = {"event_answer": "empty"}
    world.registry.generation_number += 1
    assert document()["paths"]["/report"]["post"]["responses"].keys() == {"200", "default"}


def test_a_required_idempotency_key(world: Any, document: Read) -> None:
    """It is required where the function requires it, and no parameter of a GET."""
    describe(world, "pay", config={"idempotency": "required", "methods": ["POST", "GET"]})
    item = document()["paths"]["/pay"]
    assert {"$ref": "#/components/parameters/RequiredIdempotencyKey"} in item["post"]["parameters"]
    assert "Idempotency" not in json.dumps(item["get"])


def test_limits(world: Any, document: Read) -> None:
    """A limited caller gets 429s that say when to ask again."""
    world.registry.limits = (RateLimit("tenant", "acme", 100.0, 100),)
    found = document()
    assert "429" in found["paths"]["/greet"]["post"]["responses"]
    assert "Retry-After" in found["components"]["responses"]["TooManyRequests"]["headers"]


def test_keys_and_tokens(world: Any, document: Read) -> None:
    """The key is required unless none was sent, a token where an authorizer of tokens admits the caller."""
    describe(world, "member", config={"auth_required": True})
    world.registry.area_settings = {"authorizer": {"type": "jwt", "issuer": "https://issuer"}}
    found = document()
    assert found["security"] == [{"key": []}]
    assert found["paths"]["/member"]["post"]["security"] == [{"key": [], "bearer": []}]
    assert "security" not in found["paths"]["/greet"]["post"]
    without = document(key="#####")
    assert without["security"] == []
    assert without["paths"]["/member"]["post"]["security"] == [{"bearer": []}]


def test_the_server_is_found_from_the_document(document: Read) -> None:
    """Its address is relative: no gateway knows all domains by which it is reached."""
    assert document()["servers"] == [{"url": "../acme"}]


def test_a_client_that_has_it_gets_304(world: Any, read: Read) -> None:
    """Until what the key may call has changed; no shared cache may keep it."""
    first = read()
    etag = first["headers"]["ETag"]
    assert first["headers"]["Cache-Control"] == "private, no-cache"
    for tag in (etag, f'"other", W/{etag}'):
        again = read(if_none_match=tag)
        assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", etag)
    describe(world, "new")
    world.registry.generation_number += 1
    changed = read(if_none_match=etag)
    assert changed["statusCode"] == 200
    assert changed["headers"]["ETag"] != etag


def test_it_is_kept_for_each_key_and_generation(world: Any, read: Read) -> None:
    """Rows are read once for each, until the registry has changed."""

    def reads() -> int:
        return int(world.registry.asked.count(("function_rows",)))

    bodies = [read(key=key)["body"] for key in ("acme-key", "acme-key", "#####", "#####")]
    assert reads() == 2
    assert bodies[0] == bodies[1] != bodies[2] == bodies[3]
    world.registry.generation_number += 1
    read()
    assert reads() == 3


@pytest.mark.parametrize(
    ("area", "method", "settings", "status"),
    [
        ("core", "HEAD", {}, 200),
        ("core", "POST", {}, 405),
        ("core", "GET", {"openapi": False}, 404),
        ("nowhere", "GET", {}, 403),
    ],
)
def test_who_gets_none(
    area: str, method: str, settings: dict[str, Any], status: int, world: Any, read: Read
) -> None:
    """A setting of the endpoint switches it off; an area without functions has none."""
    world.registry.area_settings = settings
    assert read(area, method)["statusCode"] == status


def test_a_hashed_keys_scopes(world: Any, read: Read, document: Read) -> None:
    """What it may not call isn't described, either: no function without `invoke`, no jobs without `jobs`."""
    world.registry.key_hashes = ()
    world.registry.scopes = frozenset({"jobs"})
    assert read()["statusCode"] == 403
    world.registry.scopes = frozenset({"invoke"})
    found = document()
    assert "/job_status" not in found["paths"]
    assert "links" not in found["components"]["responses"]["Accepted"]


def test_the_log_line_and_limits_are_those_of_any_request(world: Any, read: Read, log_line: Any) -> None:
    """It is a request like others."""
    read()
    assert log_line()["function"] == "openapi.json"


def test_a_form_has_what_can_be_sent_as_its_parts(world: Any, document: Read) -> None:
    """A file as its bytes, and texts: neither null nor an object."""
    nullable = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None}
    properties = {
        "content": {"type": "string", "contentEncoding": "base64"},
        "day": nullable,
        "none": {"type": "null"},
        "more": {"type": "object"},
    }
    parameters = {"type": "object", "properties": properties, "additionalProperties": False}
    config = {"typed": True, "methods": ["POST"]}
    describe(world, "keep", config=config, description={"parameters": parameters})
    content = document()["paths"]["/keep"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"]["properties"] == properties
    assert content["multipart/form-data"]["schema"]["properties"] == {
        "content": {"type": "string", "contentMediaType": "application/octet-stream"},
        "day": {"type": "string", "format": "date"},
    }
