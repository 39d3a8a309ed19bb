"""One function as OpenAPI's operations: what its description says, and what the platform adds.

A typed function's description is kept by ``apply`` and ``publish``: ``summary``, ``description``;
``parameters`` and ``headers``, schemas of objects; ``result``, a schema; ``errors``, texts by status;
``codes``, lists by status. A function without one takes and returns anything.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from silvaengine.named_tuple import NamedTuple
from silvaengine_http.openapi_schemas import Components, Schema
from silvaengine_http.openapi_texts import as_segment, as_text
from silvaengine_http.request import KEYED_METHODS

type Members = dict[str, Any]

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_JSON = "application/json"
_ERROR: Schema = {"$ref": "#/components/schemas/Error"}
_TEXT: Schema = {"type": "string"}
_FILE = {"content", "filename", "content_type"}  # what ``silvaengine_utility.uploads.UploadedFile`` has


class UnsendableError(Exception):
    """A function requires what no request with the operation's method can have."""


class Described(NamedTuple):
    """A function as the registry has it; ``description`` is empty if there is none.

    ``is_raw`` is whether it gets whole events and reads the body itself.
    """

    name: str
    config: Mapping[str, Any]
    description: Mapping[str, Any]
    is_raw: bool = False

    @property
    def is_typed(self) -> bool:
        """Whether it says what it takes."""
        is_described = isinstance(self.description.get("parameters"), Mapping)
        return is_described and self.config.get("typed") is True and not self.is_raw

    @property
    def is_job(self) -> bool:
        """Whether each call becomes a job."""
        return str(self.config.get("funct_type", "")).lower() == "event"

    @property
    def methods(self) -> list[str]:
        """The methods by which clients call it by name; OPTIONS reaches no function, HEAD is like GET."""
        methods = [method.upper() for method in self.config.get("methods") or ("POST", "GET")]
        hidden = {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
        return [method for method in dict.fromkeys(methods) if method not in hidden]


class Rules(NamedTuple):
    """What is the same for all functions of a document.

    ``area`` is theirs; ``security`` is what functions with an authorizer require, empty for what all require;
    ``has_limits`` is whether calls are limited, ``is_silent`` whether nothing is said of a function's job.
    """

    area: str
    security: list[Members]
    has_limits: bool
    is_silent: bool


class OperationWriter:
    """Writes operations; the schemas of functions become components."""

    def __init__(self, rules: Rules, components: Components) -> None:
        self._rules = rules
        self._components = components

    def operation(self, function: Described, method: str, path_names: tuple[str, ...], name: str) -> Members:
        """Return a function's operation; ``name`` is its id, ``path_names`` are its route's parameters.

        Raises:
            UnsendableError: a parameter that would be in path, query or header must be an object.
        """
        text = function.description
        operation: Members = {
            "operationId": name,
            "tags": [self._rules.area],
            "summary": text.get("summary") or function.name,
        }
        if text.get("description"):
            operation["description"] = text["description"]
        if function.config.get("auth_required") and self._rules.security:
            operation["security"] = self._rules.security
        taken = self._components.take(text["parameters"], function.name) if function.is_typed else {}
        schemas: dict[str, Schema] = dict(taken.get("properties", {}))
        required = frozenset(taken.get("required", ()))
        others = taken.get("additionalProperties", _TEXT)
        segments = {each: schemas.pop(each, _TEXT) for each in path_names}
        parameters = [*self._texts("path", segments, frozenset(path_names))]
        body = schemas.pop("body", None)
        if body is not None:
            operation["requestBody"] = self._whole_body(body, is_required="body" in required)
        elif method in _BODY_METHODS and not function.is_typed:
            operation["requestBody"] = {"content": {"*/*" if function.is_raw else _JSON: {"schema": {}}}}
        elif method in _BODY_METHODS and (schemas or others):
            operation["requestBody"] = self._members_body(schemas, required, others)
            schemas, others = {}, False
        parameters += self._texts("query", schemas, required)
        if others and (other := as_text(others, self._components.schemas)):
            parameters.append(_other_parameters(other))
        parameters += self._headers(function)
        parameters += _platform_headers(function, method)
        operation["parameters"] = parameters
        operation["responses"] = dict(self._responses(function, method))
        return operation

    def _whole_body(self, schema: Schema, *, is_required: bool) -> Members:
        body = _json_body(schema, is_required=is_required)
        if self._is_file(schema):
            body["content"] |= {"application/octet-stream": {"schema": {}}}
        return body

    def _members_body(
        self, properties: Mapping[str, Schema], required: frozenset[str], others: object
    ) -> Members:
        """Return a body of members: JSON and, where files are among them, a form, too."""
        needed = [name for name in properties if name in required]
        schema = {
            "type": "object", "properties": properties, "required": needed, "additionalProperties": others
        }  # fmt: skip
        body = _json_body(schema, is_required=bool(needed))
        files = {name: part for name, each in properties.items() if (part := self._part(each)) != each}
        known = self._components.schemas
        parts = {
            name: sent
            for name, each in properties.items()
            if (sent := files.get(name) or as_text(each, known))
        }
        if files and parts.keys() >= {*needed}:
            body["content"]["multipart/form-data"] = {"schema": {**schema, "properties": parts}}
        return body

    def _part(self, schema: Schema) -> Schema:
        """Return a property as a form's part, of a file its bytes: spec.openapis.org/oas/v3.1.1."""
        for option in schema.get("anyOf", ()):
            if (part := self._part(option)) != option:
                return {**part, **_described(schema)}
        if self._is_file(schema):
            return {**_described(schema), "type": "string", "contentMediaType": "application/octet-stream"}
        if isinstance(items := schema.get("items"), Mapping) and self._is_file(items):
            return {**schema, "items": self._part(items)}
        return schema

    def _is_file(self, schema: Schema) -> bool:
        """Return whether a schema is that of bytes or of an ``UploadedFile``."""
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        found: Schema = self._components.schemas.get(name, schema)
        return found.get("contentEncoding") == "base64" or found.get("properties", {}).keys() == _FILE

    def _headers(self, function: Described) -> Iterator[Members]:
        if function.is_typed and (headers := function.description.get("headers")):
            schema = self._components.take(headers, function.name)
            yield from self._texts("header", schema.get("properties", {}), schema.get("required", ()))

    def _texts(
        self, place: str, schemas: Mapping[str, Schema], required: Collection[str]
    ) -> Iterator[Members]:
        for name, schema in schemas.items():
            if text := as_text(schema, self._components.schemas):
                is_path = place == "path"
                yield _parameter(name, place, as_segment(text) if is_path else text, name in required)
            elif name in required:
                raise UnsendableError

    def _responses(self, function: Described, method: str) -> Iterator[tuple[str, Members]]:
        is_silent = function.is_job and self._rules.is_silent
        if is_silent:
            yield "200", {"description": "Accepted; nothing is said of the job"}
        elif not function.is_job:
            yield "200", self._result(function)
        if not is_silent:
            yield "202", _component("responses", "Accepted")
        if self._rules.has_limits:
            yield "429", _component("responses", "TooManyRequests")
        if function.is_typed:
            yield from _errors(function, method)
        else:
            yield "default", _component("responses", "Any")

    def _result(self, function: Described) -> Members:
        if not function.is_typed or may_send_text(function):
            return _component("responses", "Any")
        taken = self._components.take(function.description["result"], function.name)
        content = {_JSON: {"schema": taken if "$ref" in taken else {"title": "Result", **taken}}}
        return {"description": "The function's result", "content": content}


def _errors(function: Described, method: str) -> Iterator[tuple[str, Members]]:
    own: Mapping[str, str] = function.description.get("errors") or {}
    statuses = {"400", "403", "404", "413", "422", "500", "502", "503", "504", *own}
    if method in KEYED_METHODS:
        statuses.add("409")
    if method in _BODY_METHODS:
        statuses.add("415")
    if function.config.get("auth_required"):
        statuses.add("401")
    for status in sorted(statuses):
        if status in own:
            schema = _own_error((function.description.get("codes") or {}).get(status))
            if status == "422":  # the function's, or the platform's of its parameters
                schema = {"anyOf": [schema, _ERROR]}
            yield status, {"description": own[status], "content": {_JSON: {"schema": schema}}}
        elif status == "400" and may_send_text(function):  # which may be neither JSON nor YAML
            yield status, _component("responses", "Any")
        else:
            yield status, _component("responses", "Unavailable" if status == "503" else "Error")


def _own_error(codes: list[str] | None) -> Schema:
    schema: Schema = {"$ref": "#/components/schemas/FunctionError"}
    return {**schema, "properties": {"code": {"enum": codes}}} if codes else schema


def _platform_headers(function: Described, method: str) -> Iterator[Members]:
    if method in KEYED_METHODS:
        is_required = function.config.get("idempotency") == "required"
        yield _component("parameters", "RequiredIdempotencyKey" if is_required else "IdempotencyKey")
    if not function.is_job:
        yield _component("parameters", "Prefer")


def _other_parameters(schema: Schema) -> Members:
    others = {"type": "object", "additionalProperties": schema}
    return {"name": "parameters", "in": "query", "description": "Any parameters", "schema": others}


def may_send_text(function: Described) -> bool:
    """Return whether a result may be text or bytes, which go out as they are."""
    schema = function.description.get("result")
    return not schema or _may_be_text(schema)


def _may_be_text(schema: Schema) -> bool:
    if options := schema.get("anyOf"):
        return any(_may_be_text(each) for each in options if "pattern" not in each)
    is_text = schema.get("type") == "string" or any(isinstance(each, str) for each in schema.get("enum", ()))
    return is_text and "format" not in schema  # a date is sent as JSON


def _parameter(name: str, place: str, schema: Schema, is_required: bool) -> Members:
    return {"name": name, "in": place, "required": is_required, **_described(schema), "schema": schema}


def _described(schema: Schema) -> Members:
    return {"description": schema["description"]} if "description" in schema else {}


def _json_body(schema: Schema, *, is_required: bool) -> Members:
    return {"required": is_required, "content": {_JSON: {"schema": schema}}}


def _component(kind: str, name: str) -> Members:
    return {"$ref": f"#/components/{kind}/{name}"}
