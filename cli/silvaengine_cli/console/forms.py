"""A form for the parameters of a function, by the JSON schema of its signature."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from silvaengine.protocol.json_codec import Json
from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.output import HIDDEN

type Schema = Mapping[str, Any]

WHOLE = "params"  # the field of all parameters as one JSON object
PARAM, HEADER = "param.", "header."  # before the others' names
_TEXTS = {"date": "date", "password": "password"}  # kinds of texts by their format
_NULL = {"type": "null"}


class Field(NamedTuple):
    """A parameter's field: a text, number, checkbox, select, date, password, or a box for JSON.

    ``value`` is what it shows, ``options`` are a select's, as JSON.
    """

    name: str
    label: str
    kind: str
    is_required: bool
    value: str
    note: str = ""
    options: Sequence[str] = ()


def fields_of(schema: Schema, form: Mapping[str, str], prefix: str = PARAM) -> list[Field]:
    """Return the fields for an object's schema, with what a form that was sent had in them."""
    fields = list[Field]()
    for label, each in schema.get("properties", {}).items():
        name, is_required, default = prefix + label, label in schema.get("required", ()), each.get("default")
        found, is_nullable = _resolve(each, schema.get("$defs", {}))
        kind, options = _kind(found, has_default=is_required or default is not None)
        if is_nullable and is_required:  # null can be said in JSON alone
            kind, options = "json", ()
        is_text = default is None or (isinstance(default, str) and kind not in ("select", "json"))
        shown = default or "" if is_text else json.dumps(default)
        note = each.get("description") or found.get("description", "")
        value = form.get(name, "" if form else shown)
        fields.append(Field(name, label, kind, is_required, value, note, options))
    return fields


def whole_field(parameters: Sequence[Mapping[str, Any]], form: Mapping[str, str]) -> Field:
    """Return the one field for all parameters of a function of which at most their names are known."""
    empty = {each["name"]: None for each in parameters if each["required"]}
    value = form.get(WHOLE, json.dumps(empty, indent=2))
    return Field(WHOLE, "Parameters (JSON object)", "json", is_required=True, value=value)


def read_params(fields: Sequence[Field]) -> dict[str, Json]:
    """Return the parameters that fields have; those that are empty are left out.

    Raises:
        ValueError: a field has something else; the message names it.
    """
    if [field.name for field in fields] == [WHOLE]:
        params = _read(fields[0])
        if not isinstance(params, dict):
            raise ValueError("Parameters are a JSON object: {…}.")
        return params
    return {field.label: _read(field) for field in fields if field.kind == "checkbox" or field.value}


def param_options(params: Mapping[str, Json], secret: Collection[str]) -> list[str]:
    """Return the options by which `silvaengine invoke` sends the same; secrets are left to be filled in."""
    options = []
    for name, value in params.items():
        is_plain = isinstance(value, str) and parse_json_or_text(value) == value
        text = HIDDEN if name in secret else value if is_plain else json.dumps(value, ensure_ascii=False)
        options += ["--param", f"{name}={text}"]
    return options


def type_text(schema: Schema) -> str:
    """Return what a schema's type is called: `integer`, `array of string`, `"a" | "b"`, a class's name."""
    match schema:
        case {"$ref": str() as ref}:
            return ref.rpartition("/")[2]
        case {"enum": values}:
            return " | ".join(json.dumps(each) for each in values)
        case {"anyOf": options}:
            return " | ".join(map(type_text, options))
        case {"type": "array", "items": items}:
            return f"array of {type_text(items)}"
        case {"type": str() as name, "format": form}:
            return f"{name} ({form})"
    return str(schema.get("type", "any"))


def _resolve(schema: Schema, definitions: Schema) -> tuple[Schema, bool]:
    """Return what a reference leads to, or the one option beside null; and whether null is one."""
    options = [each for each in schema.get("anyOf", ()) if each != _NULL]
    is_nullable = _NULL in schema.get("anyOf", ())
    if len(options) == 1:
        found, inner = _resolve(options[0], definitions)
        return found, is_nullable or inner
    if "$ref" in schema:
        return _resolve(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return schema, False


def _kind(schema: Schema, *, has_default: bool) -> tuple[str, Sequence[str]]:
    match schema:
        case {"enum": values}:
            return "select", [json.dumps(each, ensure_ascii=False) for each in values]
        case {"const": value}:
            return "select", [json.dumps(value, ensure_ascii=False)]
        case {"type": "boolean"}:
            return ("checkbox", ()) if has_default else ("select", ("true", "false"))
        case {"type": "integer" | "number"}:
            return "number", ()
        case {"type": "string"}:
            return _TEXTS.get(schema.get("format", ""), "text"), ()
    return "json", ()


def _read(field: Field) -> Json:
    if field.kind == "checkbox":
        return field.value == "true"
    if field.kind not in ("json", "number", "select"):
        return field.value
    try:
        value: Json = json.loads(field.value)
    except ValueError as error:
        raise ValueError(f"{field.label}: {error}.") from None
    return value
