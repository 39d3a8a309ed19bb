"""What a new schema takes no more, or what a result needn't have any more."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from silvaengine_cli.publishing.schema_changes import find_changes

from ...examples import examples

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}


def members(*required: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object."""
    return {"type": "object", "properties": properties, "required": list(required)}


def either(*options: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a union."""
    return {"anyOf": list(options)}


def items(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an array."""
    return {"type": "array", "items": schema}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (WHOLE, TEXT, ["/: integer -> string"]),
        ({"type": "number"}, WHOLE, ["/: number -> integer"]),
        (WHOLE, {"type": "number"}, []),
        ({}, WHOLE, ["/: anything -> integer"]),
        (WHOLE, {}, []),
        (WHOLE, {"type": "integer", "maximum": 9}, ["/: maximum none -> 9"]),
        ({"type": "integer", "maximum": 9}, {"type": "integer", "exclusiveMaximum": 10}, []),
        (
            {"type": "integer", "minimum": 1},
            {"type": "integer", "exclusiveMinimum": 1},
            ["/: exclusiveMinimum none -> 1"],
        ),
        (TEXT, {"type": "string", "minLength": 1}, ["/: minLength none -> 1"]),
        ({"type": "string", "pattern": "^a"}, TEXT, []),
        (
            {"type": "string", "pattern": "^a"},
            {"type": "string", "pattern": "^b"},
            ['/: pattern "^a" -> "^b"'],
        ),
        ({"type": "integer", "multipleOf": 4}, {"type": "integer", "multipleOf": 2}, []),
        (
            {"type": "integer", "multipleOf": 2},
            {"type": "integer", "multipleOf": 4},
            ["/: multipleOf 2 -> 4"],
        ),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, []),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, ['/: "a" or "b" -> "a"']),
        ({"enum": ["a"]}, TEXT, []),
        (TEXT, {"enum": ["a"]}, ['/: string -> "a"']),
        ({"const": True}, {"const": 1}, ["/: true -> 1"]),
        (either(WHOLE, TEXT), either(TEXT, WHOLE, {"type": "null"}), []),
        (either(WHOLE, {"type": "null"}), WHOLE, ["/: integer or null -> integer"]),
        ({"type": ["integer", "null"]}, WHOLE, ["/: integer or null -> integer"]),
        (either(TEXT, {"type": "null"}), either({**TEXT, "maxLength": 3}, {"type": "null"}),
         ["/: maxLength none -> 3"]),
        (items(WHOLE), items(TEXT), ["/*: integer -> string"]),
        (members(a=WHOLE), members(a=WHOLE, b=TEXT), []),
        (members(a=WHOLE), members("b", a=WHOLE, b=TEXT), ["/b: required"]),
        (members(a=WHOLE), members("a", a=WHOLE), ["/a: required"]),
        (members("a", a=WHOLE), members(a=WHOLE), []),
        (members(a=WHOLE, b=TEXT), members(a=WHOLE), ["/b: gone"]),
        (members(a=items(members(**{"b/c": WHOLE}))), members(a=items(members(**{"b/c": TEXT}))),
         ["/a/*/b~1c: integer -> string"]),
        (members(a=WHOLE), members() | {"additionalProperties": True}, []),
        (members() | {"additionalProperties": True}, members(a=WHOLE), ["/a: anything -> integer"]),
        (members() | {"additionalProperties": True}, members() | {"additionalProperties": False},
         ["/: other members -> none"]),
        (members(), members() | {"additionalProperties": False}, ["/: other members -> none"]),
        ({"type": "object", "additionalProperties": TEXT}, {"type": "object", "additionalProperties": WHOLE},
         ["/*: string -> integer"]),
        (TEXT, TEXT | {"title": "Name", "description": "A name", "default": "", "examples": ["Ada"]}, []),
    ],
)  # fmt: skip
def test_what_is_not_taken_any_more(old: Any, new: Any, changes: list[str]) -> None:
    """Parameters: each with its place; additions and what is only said differently are none."""
    assert list(find_changes(old, new)) == changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (WHOLE, {"type": "number"}, ["/: integer -> number"]),
        ({"type": "number"}, WHOLE, []),
        ({}, WHOLE, []),
        (WHOLE, {}, ["/: integer -> anything"]),
        (WHOLE, either(WHOLE, {"type": "null"}), ["/: integer -> integer or null"]),
        (either(WHOLE, {"type": "null"}), WHOLE, []),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, ['/: "a" -> "a" or "b"']),
        (members("a", a=WHOLE), members("a", "b", a=WHOLE, b=TEXT), []),
        (members("a", a=WHOLE), members(a=WHOLE), ["/a: may be missing"]),
        (members(a=WHOLE), members(), ["/a: gone"]),
        (items(members(a=TEXT)), items(members(a=WHOLE)), ["/*/a: string -> integer"]),
    ],
)
def test_what_is_not_returned_any_more(old: Any, new: Any, changes: list[str]) -> None:
    """Results: a narrower one passes, a wider one may be what no caller knows."""
    assert list(find_changes(old, new, is_result=True)) == changes


def test_schemas_that_contain_themselves() -> None:
    """By their definitions; the comparison ends."""
    tree = members(value=WHOLE, inner=items({"$ref": "#/$defs/Tree"}))
    old = {"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}}
    leaf = {**tree, "properties": {**tree["properties"], "value": TEXT}}
    new = members(value=WHOLE, inner=items({"$ref": "#/$defs/Node"})) | {
        "$defs": {"Node": {**leaf, "properties": {**leaf["properties"], "inner": items(old)}}}
    }
    assert list(find_changes(old, old)) == []
    assert "/inner/*/value: integer -> string" in list(find_changes(old, new | {"$defs": {
        "Node": {**leaf, "properties": {"value": TEXT, "inner": items({"$ref": "#/$defs/Node"})}}
    }}))  # fmt: skip


NUMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={
        name: st.integers(-2, 3) for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    }
    | {"multipleOf": st.integers(1, 3)},
)
TEXTS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={"minLength": st.integers(0, 2), "maxLength": st.integers(0, 3), "pattern": st.just("a")},
)
CHOICES = st.builds(
    lambda values: {"enum": values}, st.lists(st.sampled_from(["a", "b", 1, 2, None]), min_size=1)
)
PLAIN = st.one_of(NUMBERS, TEXTS, CHOICES, st.sampled_from([{}, {"type": "null"}, {"type": "boolean"}]))


def closed(properties: dict[str, Any], required: set[str]) -> dict[str, Any]:
    """Return the schema of an object without other members: an open one takes a later one of any type."""
    needed = [name for name in properties if name in required]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(closed, st.dictionaries(st.sampled_from("ab"), inner), st.sets(st.sampled_from("ab"))),
        st.builds(lambda each, most: {"type": "array", "items": each, "maxItems": most}, inner,
                  st.integers(0, 2)),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=4,
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 1, 0, -1, 2, 3, 1.5, "", "a", "b", "aa", "ab", "aaaa"]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner)),
    max_leaves=4,
)


@examples(1)
@given(SCHEMAS, SCHEMAS, st.lists(VALUES, min_size=30, max_size=60))
def test_what_was_taken_is_taken(old: Any, new: Any, values: list[Any]) -> None:
    """Unless a change is found; nor is anything found between a schema and itself."""
    assert list(find_changes(old, old)) == []
    takes, takes_now = (Draft202012Validator(schema).is_valid for schema in (old, new))
    if not list(find_changes(old, new)):
        assert [each for each in values if takes(each) and not takes_now(each)] == []
