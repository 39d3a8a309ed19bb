"""What a docstring says of a typed function is part of its description."""

from dataclasses import make_dataclass
from datetime import datetime
from enum import Flag
from types import GenericAlias
from typing import Annotated, Any

import pytest
from msgspec import Meta, defstruct

from silvaengine.errors import ConfigurationError
from silvaengine_base import Header
from silvaengine_worker.typed.docstrings import Docstring, read_docstring
from silvaengine_worker.typed.schemas import describe_signature


def find(  # noqa: D417 - a docstring may leave out parameters
    limit: Annotated[int, Meta(ge=1, examples=[5])] = 10,
    source: Annotated[str, Header("X-Source")] = "",
    endpoint_id: str = "",
    *,
    word: Annotated[str, Meta(description="What to find.")],
) -> list[str] | None:
    """Find orders by a word.

    The newest
    come first.

    Of a day, all.

    Args:
        limit (int): how many,
            at the most: 100.
        word: not this.

    Returns:
        The orders: by number.

    Raises:
        FunctionError: 404, there is none.
        FunctionError: 409: another
            search runs.
        FunctionError: 409 `too_many`, there are
            too many.
        ValueError: never.
    """


def test_a_description_is_made_of_signature_and_docstring() -> None:
    """What the framework fills is no part of it; an annotation's own description stands."""
    assert describe_signature(find) == {
        "summary": "Find orders by a word.",
        "description": "The newest\ncome first.\n\nOf a day, all.",
        "parameters": {
            "type": "object",
            "properties": {
                "limit": {
                    "description": "how many, at the most: 100.",
                    "default": 10,
                    "type": "integer",
                    "minimum": 1,
                    "examples": [5],
                },
                "word": {"type": "string", "description": "What to find."},
            },
            "required": ["word"],
            "additionalProperties": False,
        },
        "headers": {
            "type": "object",
            "properties": {"x-source": {"default": "", "type": "string"}},
            "required": [],
        },
        "result": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "errors": {"404": "there is none.", "409": "another search runs. there are too many."},
        "codes": {"409": ["too_many"]},
    }


@pytest.mark.parametrize("text", [None, "", "Args:", "Raises:\n    FunctionError: soon"])
def test_a_docstring_may_say_nothing(text: str | None) -> None:
    """Every part may be absent."""
    assert read_docstring(text) == Docstring("", "", {}, {}, {})


def _class_of(annotation: Any) -> Any:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = annotation
    return function


UNHASHABLE: tuple[Any, ...] = (
    set,
    frozenset[Any],
    set[list[int]],
    set[dict[str, int]],
    frozenset[set[int]],
    set[tuple[Any, ...]],
    set[tuple[list[int], int]],
    set[int | list[int]],
    GenericAlias(set, make_dataclass("Thawed", [("a", int)])),
    GenericAlias(set, make_dataclass("Frozen", [("a", list[int])], frozen=True)),
    GenericAlias(set, defstruct("Open", [("a", int)])),
)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (complex, "complex can't be checked"),
        (dict[int, str], "aren't str"),
        (list[object], "object can't be checked"),
        ([int], "unhashable"),
        (Annotated[bytes, Meta(max_length=3)], "isn't supported: a schema counts the letters of base64"),
        (Annotated[datetime, Meta(tz=False)], "isn't supported: each datetime has an offset"),
        (Annotated[float, Meta(multiple_of=0.1)], "in binary there is no 0.1"),
        (Annotated[str, Meta(extra_json_schema={"maxLength": 1})], "nothing but its schema would change"),
        (Flag("Rights", "READ WRITE"), "leave out `_missing_`"),
        *((annotation, "a set's items must be hashable") for annotation in UNHASHABLE),
        (set[int] | list[int], "more than one array-like"),
    ],
)
def test_what_cannot_be_checked_is_named(annotation: Any, reason: str) -> None:
    """For the author, as a detail: the function, the parameter, and why."""
    with pytest.raises(ConfigurationError) as refused:
        describe_signature(_class_of(annotation))
    assert "parameter 'value': " in refused.value.detail
    assert reason in refused.value.detail
