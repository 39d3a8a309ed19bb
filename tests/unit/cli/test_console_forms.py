"""Which field a parameter's schema gets, and what of it is sent."""

from typing import Any

import pytest

from silvaengine_cli.console.forms import (
    Schema,
    fields_of,
    param_options,
    read_params,
    type_text,
    whole_field,
)
from silvaengine_cli.output import HIDDEN

DEFINITIONS = {
    "Size": {"enum": ["s", "m"]},
    "Line": {"type": "object", "title": "Line", "properties": {}},
}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "kind", "sent", "value"),
    [
        ({"type": "string"}, "text", "007", "007"),
        ({"type": "string", "format": "date"}, "date", "2026-11-30", "2026-11-30"),
        ({"type": "string", "format": "date-time"}, "text", "2026-11-30T06:12:00Z", "2026-11-30T06:12:00Z"),
        ({"type": "string", "format": "password"}, "password", "s3cret", "s3cret"),
        ({"type": "integer"}, "number", "9007199254740993", 9007199254740993),
        ({"type": "boolean"}, "checkbox", "true", True),
        ({"type": "boolean"}, "checkbox", "", False),
        ({"enum": [1, "1"]}, "select", '"1"', "1"),
        ({"const": 2}, "select", "2", 2),
        ({"$ref": "#/$defs/Size"}, "select", '"m"', "m"),
        ({"anyOf": [{"type": "number"}, NULL], "default": None}, "number", "1.5", 1.5),
        ({"anyOf": [{"type": "boolean"}, NULL], "default": None}, "select", "false", False),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "json", '"1"', "1"),
        ({"$ref": "#/$defs/Line"}, "json", '{"qty": 1}', {"qty": 1}),
        ({"type": "array", "items": {"$ref": "#/$defs/Line"}}, "json", "[]", []),
    ],
)
def test_a_field_is_as_its_schema_says(schema: Schema, kind: str, sent: str, value: Any) -> None:
    """What is typed into it has the schema's type when it is sent."""
    required = [] if "default" in schema else ["it"]
    parameters = {"properties": {"it": schema}, "required": required, "$defs": DEFINITIONS}
    (field,) = fields_of(parameters, {"param.it": sent, "endpoint": "acme"})
    assert (field.kind, read_params([field])) == (kind, {"it": value})


def test_null_that_must_be_said_is_said_in_json() -> None:
    """An empty field is one that is left out."""
    parameters = {"properties": {"it": {"anyOf": [{"type": "string"}, NULL]}}, "required": ["it"]}
    (field,) = fields_of(parameters, {"param.it": "null"})
    assert read_params([field]) == {"it": None}


def test_an_empty_form_has_the_defaults() -> None:
    """And what has none, or null, is empty."""
    properties = {
        "name": {"type": "string", "default": "world"},
        "loud": {"type": "boolean", "default": True},
        "tags": {"type": "array", "default": ["a"]},
        "size": {"anyOf": [{"enum": ["s"]}, NULL], "default": None},
        "day": {"type": "string"},
    }
    fields = fields_of({"properties": properties}, {})
    assert [field.value for field in fields] == ["world", "true", '["a"]', "", ""]


def test_parameters_without_types_are_one_object() -> None:
    """With the names that must be there, where they are known."""
    field = whole_field([{"name": "a", "required": True}, {"name": "b", "required": False}], {})
    assert read_params([field]) == {"a": None}
    with pytest.raises(ValueError, match="JSON object"):
        read_params([whole_field([], {"params": "[1]"})])


def test_the_command_sends_the_same() -> None:
    """What would be read as JSON is quoted; a password is left to be filled in."""
    texts = {"name": {"type": "string"}, "zip": {"type": "string"}, "pin": {"format": "password"}}
    properties = texts | {"pin": {"type": "string", "format": "password"}}
    sent = {"param.name": "Ada", "param.zip": "123", "param.pin": "s3cret"}
    fields = fields_of({"properties": properties}, sent)
    options = param_options(read_params(fields), {"pin"})
    assert options[1::2] == ["name=Ada", 'zip="123"', f"pin={HIDDEN}"]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"anyOf": [{"$ref": "#/$defs/Line"}, NULL]}, "Line | null"),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, "array of string (date)"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({}, "any"),
    ],
)
def test_a_type_is_named_briefly(schema: Schema, text: str) -> None:
    """As one reads it in a signature."""
    assert type_text(schema) == text
