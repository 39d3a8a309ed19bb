"""What functions say of themselves, as a text that a table's row has room for."""

import json
from collections.abc import Mapping
from typing import Any

# Keywords of JSON Schema whose members have names of their own, and those that hold plain values.
_NAMED = frozenset({"properties", "patternProperties", "$defs"})
_PLAIN = frozenset({"default", "const", "enum"})

type Descriptions = Mapping[str, Any]
"""What the worker says of each function, by ``module:Class.function``."""


def fit(descriptions: Descriptions, limit: int) -> Descriptions | None:
    """Return descriptions whose ``text_of`` has at most ``limit`` bytes, None if they can't be had.

    Examples in schemas are left out where there is no room, those of the function with the most first.
    """
    said = dict(descriptions)
    shorter = {name: _without_examples(each) for name, each in said.items()}
    saved = {name: len(text_of(said[name])) - len(text_of(shorter[name])) for name in said}
    for name in sorted(said, key=lambda it: -saved[it]):
        if len(text_of(said)) <= limit:
            return said
        said[name] = shorter[name]
    return said if len(text_of(said)) <= limit else None


def text_of(description: object) -> str:
    """Return what a row has of a description: JSON in ASCII, as many bytes as characters."""
    return json.dumps(description, separators=(",", ":"))


def _without_examples(value: Any, *, is_named: bool = False) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(value, list):
        return [_without_examples(member) for member in value]
    if not isinstance(value, dict):
        return value
    return {
        name: member
        if name in _PLAIN and not is_named
        else _without_examples(member, is_named=name in _NAMED and not is_named)
        for name, member in value.items()
        if is_named or name != "examples"
    }
