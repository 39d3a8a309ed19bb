"""Values whose annotation has something of pydantic's in it: the package's own pydantic (v2) checks them.

Nothing is imported for a package that doesn't use it.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from msgspec.json import Decoder, Encoder

from silvaengine_worker.typed.faults import LIMIT, Fault, InvalidValueError, json_type, step
from silvaengine_worker.typed.numbers import read_fraction
from silvaengine_worker.typed.shapes import Annotation, UnsupportedTypeError

_check_fractions = Decoder(float_hook=read_fraction).decode  # ``convert`` gets 1.0 as 1
_encode = Encoder(decimal_format="number").encode
_LISTS = (list, set, frozenset, tuple)

_SAFE = frozenset({
    "bool_type", "date_type", "datetime_type", "dict_type", "enum", "finite_number", "float_type",
    "frozen_set_type", "greater_than", "greater_than_equal", "int_type", "less_than", "less_than_equal",
    "list_type", "literal_error", "model_type", "multiple_of", "none_required", "set_type",
    "string_pattern_mismatch", "string_too_long", "string_too_short", "string_type", "time_delta_type",
    "time_type", "too_long", "too_short", "tuple_type", "uuid_type",
})  # fmt: skip
"""Kinds of errors whose messages repeat nothing of a value.

docs.pydantic.dev/latest/errors/validation_errors
"""

_WORDS = {"missing": "Required", "extra_forbidden": "Unknown"}
_WORDLESS = frozenset({int, float, bool, NoneType, Ellipsis})


class ModelType:
    """An annotation that pydantic checks, in its strict mode for JSON.

    Raises:
        UnsupportedTypeError: pydantic can't check it.
    """

    def __init__(self, annotation: Annotation) -> None:
        from pydantic import TypeAdapter, ValidationError  # lazy: the package's own, loaded already
        from pydantic.errors import PydanticUserError

        self.annotation = annotation
        self.takes_text = any(leaf not in _WORDLESS for leaf in _leaves(annotation))
        self.takes_list = any(get_origin(each) in _LISTS for each in (annotation, *get_args(annotation)))
        try:
            self.adapter = TypeAdapter(annotation)
        except PydanticUserError as error:
            raise UnsupportedTypeError(error.message) from None
        self._error = ValidationError

    def convert(self, value: object) -> object:
        """Return a decoded JSON value as one of the type.

        Raises:
            InvalidValueError: it isn't one.
        """
        try:
            return self.adapter.validate_json(_json_text(value), strict=True)
        except self._error as error:
            found = error.errors(include_url=False, include_context=False)
            raise InvalidValueError(_fault(each, value) for each in found[:LIMIT]) from None

    def convert_text(self, text: str) -> object:
        """Return what ``convert`` returns of the value of JSON text; raises ValueError if that isn't sure."""
        _check_fractions(text)
        return self.adapter.validate_json(text, strict=True)

    def check_result(self, result: object, value: object) -> None:
        """Check a result, which may be models or what makes them; raises InvalidValueError."""
        try:
            self.adapter.validate_python(result)
        except self._error as error:
            raise InvalidValueError(_fault(each, value) for each in error.errors()[:LIMIT]) from None


def _json_text(value: object) -> bytes | str:
    try:
        return _encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair, which pydantic refuses by its escape
        return json.dumps(value, default=float)


def is_of_pydantic(annotation: Annotation) -> bool:
    """Return whether there is something of pydantic's in an annotation, or in a member of its classes."""
    if "pydantic" not in sys.modules:
        return False
    found = [annotation]
    for each in found:
        if _is_its(each):
            return True
        found += [inner for inner in _inside(each) if all(inner is not known for known in found)]
    return False


def _is_its(annotation: object) -> bool:
    module = getattr(type(annotation), "__module__", "")
    return hasattr(annotation, "__get_pydantic_core_schema__") or module.startswith(
        ("pydantic", "annotated_types")
    )


def _leaves(annotation: Annotation) -> Iterator[object]:
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        arguments = arguments[:1]
    if not arguments:
        yield annotation
    for each in arguments:
        yield from _leaves(each)


def _inside(annotation: Annotation) -> Iterator[object]:
    yield from get_args(annotation)
    yield from getattr(annotation, "__metadata__", ())
    if hasattr(annotation, "__value__"):
        yield annotation.__value__
    if isinstance(annotation, type) and (
        is_dataclass(annotation) or is_typeddict(annotation) or hasattr(annotation, "_field_defaults")
    ):
        yield from get_type_hints(annotation, include_extras=True).values()


def _fault(error: Mapping[str, Any], value: object) -> Fault:
    kind = error["type"]
    if kind in _WORDS:
        message = _WORDS[kind]
    elif kind in _SAFE:
        message = error["msg"]
    else:  # a validator's own message may repeat the value
        message = f"Not valid ({kind})"
    value_type = "absent" if kind == "missing" else json_type(error["input"])
    return Fault(_path(error["loc"], value), message, value_type)


def _path(location: Sequence[str | int], value: object) -> str:
    """Return the JSON pointer of a location, which also names the members of unions, as pydantic does."""
    path = ""
    for name in location:
        if isinstance(value, list) and isinstance(name, int) and name < len(value):
            path, value = path + step(name), value[name]
        elif isinstance(value, dict) and (name in value or name == location[-1]):
            path, value = path + step(name), value.get(name)
    return path
