"""An OpenAPI 3.1 document of what one API key may call in one area: spec.openapis.org/oas/v3.1.1."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.routes import Route
from silvaengine_http.openapi_operations import Described, Members, OperationWriter, Rules, UnsendableError
from silvaengine_http.openapi_schemas import Components

_JSON = "application/json"
_TEXT: Members = {"type": "string"}
_NOT_EMPTY: Members = {"type": "string", "minLength": 1}
_EPOCH: Members = {"type": "integer", "description": "Epoch seconds"}
_FAULTS: Members = {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}
_SECONDS: Members = {"description": "Seconds after which to ask again", "schema": {"type": "integer"}}

_SCHEMAS: Mapping[str, Members] = {
    "Error": {
        "type": "object",
        "properties": {"error": _TEXT, "request_id": _TEXT, "details": _FAULTS},
        "required": ["error", "request_id"],
    },
    "FunctionError": {
        "type": "object",
        "properties": {
            "error": _TEXT,
            "request_id": _TEXT,
            "code": {"type": "string", "description": "The function's name for the error"},
            "details": {"type": "object", "description": "What the function says of the error"},
        },
        "required": ["error", "request_id"],
    },
    "Fault": {
        "type": "object",
        "properties": {
            "in": {"enum": ["path", "query", "header", "body"]},
            "path": {"type": "string", "description": "A JSON pointer, RFC 6901"},
            "message": _TEXT,
            "value_type": _TEXT,
        },
        "required": ["in", "path", "message", "value_type"],
    },
    "AcceptedJob": {
        "type": "object",
        "properties": {"job_id": _TEXT, "status": {"const": "accepted"}},
        "required": ["job_id", "status"],
    },
    "Job": {
        "type": "object",
        "properties": {
            "job_id": _TEXT,
            "status": {"enum": ["accepted", "running", "succeeded", "failed", "dead"]},
            "function": _TEXT,
            "attempts": {"type": "integer"},
            "request_id": _TEXT,
            "created_at": _EPOCH,
            "changed_at": _EPOCH,
            "result": {},
            "result_url": {"type": "string", "description": "Of a large result, valid for five minutes"},
            "error": {
                "type": "object",
                "properties": {
                    "status": {"type": "integer"},
                    "message": _TEXT,
                    "cause": _TEXT,
                    "code": _TEXT,
                    "details": {"anyOf": [_FAULTS, {"type": "object"}]},
                },
            },
        },
        "required": ["job_id", "status", "function", "attempts", "request_id", "created_at", "changed_at"],
    },
}


class Scope(NamedTuple):
    """Whose document it is: a key's, ``has_key`` unless it is the public one, at an endpoint in an area.

    ``settings`` are the gateway's own. ``may_see_jobs`` is whether the key may ask for jobs, ``has_limits``
    whether its calls are limited, ``is_raw`` whether functions of the area get whole events.
    """

    endpoint_id: str
    area: str
    has_key: bool
    settings: Mapping[str, Any]
    may_see_jobs: bool
    has_limits: bool
    is_raw: bool


def build_document(scope: Scope, rows: Iterable[Mapping[str, Any]], server: str) -> Members | None:
    """Return the document, None where there is nothing to call.

    Args:
        scope: whose it is.
        rows: all functions that the key opens, as ``Registry.function_rows`` returns them.
        server: the URL of area and endpoint, which may be relative to the document's.
    """
    functions = [
        Described(row["function"], row.get("config") or {}, row.get("description") or {}, scope.is_raw)
        for row in rows
        if row.get("area") == scope.area and (row.get("config") or {}).get("internal") is not True
    ]
    if not functions:
        return None
    schemes = dict(_security_schemes(scope))
    components = Components(_SCHEMAS)
    rules = Rules(
        area=scope.area,
        security=[{name: [] for name in schemes}] if "bearer" in schemes else [],
        has_limits=scope.has_limits,
        is_silent=scope.settings.get("event_answer") == "empty",
    )
    paths = _paths(functions, OperationWriter(rules, components))
    if scope.may_see_jobs:
        paths["/job_status"] = {"get": _job_status(scope)}
    document: Members = {
        "openapi": "3.1.1",
        "info": {"title": f"{scope.area} of {scope.endpoint_id}", "version": ""},
        "servers": [{"url": server}],
        "security": [{"key": []}] if scope.has_key else [],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "parameters": _PARAMETERS,
            "responses": _responses(scope),
            "securitySchemes": schemes,
        },
    }
    document["info"]["version"] = sha256(encode(document).encode()).hexdigest()[:12]
    return document


def _paths(functions: list[Described], writer: OperationWriter) -> Members:
    """Return the operations by path: each function's route, else its name.

    A route that OpenAPI can't tell from another one, as a parameter from the rest of a path, is left out, and
    so is a method with which nobody can send what the function requires.
    """
    paths: Members = {}
    templates: dict[tuple[str, ...], str] = {}
    for function in sorted(functions, key=lambda each: each.name):
        if route := _route(function):
            template = "/" + "/".join(route.segments).replace("+}", "}")
            shape = tuple(segment.replace("+", "") for segment in route.shape)
            item = paths.get(template, {})
            if templates.setdefault(shape, template) == template and route.method.lower() not in item:
                with suppress(UnsendableError):
                    operation = writer.operation(function, route.method, route.parameters, function.name)
                    paths[template] = {**item, route.method.lower(): operation}
                continue
        for name, method in zip(_names(function), function.methods, strict=False):
            with suppress(UnsendableError):
                operation = writer.operation(function, method, (), name)
                paths.setdefault(f"/{function.name}", {})[method.lower()] = operation
    return paths


def _names(function: Described) -> Iterator[str]:
    """Return the ids of a function's operations by its name, none of which is another function's name."""
    yield function.name
    yield from (f"{function.name}.{method.lower()}" for method in function.methods[1:])


def _route(function: Described) -> Route | None:
    try:
        return Route.parse(function.config.get("route") or "")
    except ValueError:
        return None


def _security_schemes(scope: Scope) -> Iterator[tuple[str, Members]]:
    if scope.has_key:
        yield "key", {"type": "apiKey", "in": "header", "name": "x-api-key"}
    authorizer = scope.settings.get("authorizer")
    if isinstance(authorizer, Mapping) and authorizer.get("type") in {"jwt", "cognito"}:
        yield "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def _job_status(scope: Scope) -> Members:
    responses: Members = {
        "200": {
            "description": "How the job stands, and its result once it has ended",
            "headers": {"Retry-After": _SECONDS},
            "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Job"}}},
        },
        "4XX": {"$ref": "#/components/responses/Error"},
        "5XX": {"$ref": "#/components/responses/Error"},
    }
    if scope.has_limits:
        responses["429"] = {"$ref": "#/components/responses/TooManyRequests"}
    return {
        "operationId": "job_status",
        "tags": [scope.area],
        "summary": "Return how a job stands, and its result",
        "parameters": [{"name": "job_id", "in": "query", "required": True, "schema": _NOT_EMPTY}],
        "responses": responses,
    }


_KEY: Members = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request under a key runs once; a repetition gets the first response",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_PARAMETERS: Mapping[str, Members] = {
    "IdempotencyKey": _KEY,
    "RequiredIdempotencyKey": {**_KEY, "required": True},
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "respond-async: the call becomes a job; other preferences are ignored, RFC 7240",
        "schema": _TEXT,
    },
}


def _responses(scope: Scope) -> Members:
    error = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    accepted: Members = {
        "description": "Accepted as a job",
        "headers": {
            "Location": {"description": "Where its status is, relative to this URL", "schema": _TEXT},
            "Retry-After": _SECONDS,
        },
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/AcceptedJob"}}},
    }
    if scope.may_see_jobs:
        parameters = {"job_id": "$response.body#/job_id"}
        accepted["links"] = {"status": {"operationId": "job_status", "parameters": parameters}}
    responses: Members = {
        "Accepted": accepted,
        "Any": {"description": "What the function responds, or an error", "content": {"*/*": {"schema": {}}}},
        "Error": {"description": "The request was refused or failed", "content": error},
        "Unavailable": {
            "description": "Nothing was done; it may be repeated",
            "headers": {"Retry-After": _SECONDS},
            "content": error,
        },
    }
    if scope.has_limits:
        headers = {
            "Retry-After": _SECONDS,
            "RateLimit": {"schema": _TEXT},
            "RateLimit-Policy": {"schema": _TEXT},
        }
        responses["TooManyRequests"] = {
            "description": "A limit of the tenant or the key is reached",
            "headers": headers,
            "content": error,
        }
    return responses
