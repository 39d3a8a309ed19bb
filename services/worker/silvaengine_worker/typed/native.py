"""Values of Python's own types, converted by msgspec: builtins, dataclasses, dates and the like.

docs.python.org/3/library/stdtypes.html, jcristharif.com/msgspec/supported-types.html.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import ValidationError, convert, defstruct
from msgspec.json import Decoder

from silvaengine_worker.typed.faults import ABSENT, LIMIT, Fault, InvalidValueError, json_type
from silvaengine_worker.typed.form_check import compile_check, is_distinct
from silvaengine_worker.typed.numbers import read_float
from silvaengine_worker.typed.shapes import (
    Annotation,
    Shape,
    UnsupportedTypeError,
    read_shape,
    tells_fractions,
)

_SAFE = re.compile(
    r"Expected `|Invalid (RFC3339|UUID|base64|ISO8601)|(Number|Duration|Integer value) (is )?out"
)
"""msgspec's messages that repeat nothing of a value; that of a wrong choice and a class's own do."""

_decode = Decoder(float_hook=read_float).decode
_UNKNOWN = "Expected a valid {}"
_SHOWN = 20  # choices that a message lists


class NativeType:
    """An annotation without pydantic.

    ``takes_text`` is whether a text may be meant as it is, ``takes_list`` whether a list is.

    Raises:
        UnsupportedTypeError: it says what can't be checked.
    """

    def __init__(self, annotation: Annotation) -> None:
        self.annotation = annotation
        self.shape = read_shape(annotation)
        self._has_forms = compile_check(self.shape)
        self._tells_fractions = tells_fractions(self.shape)
        kinds = self.shape.kinds
        self.takes_list = kinds is not None and list in kinds and str not in kinds
        item = self.shape.option([]).items if self.takes_list else self.shape
        self.takes_text = item is None or item.kinds is None or str in item.kinds
        # msgspec keeps what it knows of a class, and reads any other annotation again each time
        self._holder: Any = defstruct("Holder", [("value", annotation)])
        try:
            convert({}, self._holder)
        except TypeError as error:
            raise UnsupportedTypeError(str(error)) from None
        except ValidationError:
            pass

    def convert(self, value: object) -> object:
        """Return a decoded JSON value, whole numbers as int, as one of the type.

        Raises:
            InvalidValueError: it isn't one.
        """
        if self._has_forms is not None and not self._has_forms(value):
            raise self._invalid(value)
        try:
            return convert({"value": value}, self._holder).value
        except ValidationError:
            raise self._invalid(value) from None

    def convert_text(self, text: str) -> object:
        """Return what ``convert`` returns of the value of JSON text; raises ValueError if that isn't sure."""
        if self._tells_fractions:
            raise InvalidValueError(())
        return self.convert(_decode(text))

    def check_result(self, _: object, value: object) -> None:
        """Check the JSON form of a result; raises InvalidValueError."""
        self.convert(value)

    def _invalid(self, value: object) -> InvalidValueError:
        faults = tuple(islice(_find(self.shape, value, ""), LIMIT))
        return InvalidValueError(faults or [Fault("", _UNKNOWN.format("value"), json_type(value))])


def _find(shape: Shape, value: object, path: str) -> Iterator[Fault]:
    """Yield the innermost faults."""
    shape = shape.option(value)
    is_faulty = False
    for here, inner, member in shape.members(value):
        for fault in _find(inner, member, path + here):
            is_faulty = True
            yield fault
    if not is_faulty and (message := _fault_of(shape, value)):
        yield Fault(path, message, json_type(value))


def _fault_of(shape: Shape, value: object) -> str:
    """Return what is wrong with a value whose members are right, empty for nothing."""
    if value is ABSENT:
        return "Required"
    if shape.form is not None and type(value) is str and not shape.form.pattern.fullmatch(value):
        return f"Expected {shape.form.name}"
    if shape.is_set and type(value) is list and not is_distinct(value):
        return "Expected `array` without repetitions"
    try:
        convert(value, shape.annotation)
    except ValidationError as error:
        return _message(error, shape)
    return ""


def _message(error: ValidationError, shape: Shape) -> str:
    text = str(error).partition(" - at ")[0]
    if shape.choices and "enum" in text:
        some = ", ".join(map(json.dumps, shape.choices[:_SHOWN]))
        return f"Expected one of {some}{', …' if len(shape.choices) > _SHOWN else ''}"
    if error.__cause__ is None and _SAFE.match(text):
        return text.partition(", got ")[0]
    return _UNKNOWN.format(getattr(shape.annotation, "__name__", "value"))
