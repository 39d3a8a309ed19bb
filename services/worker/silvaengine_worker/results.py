"""A function's result in a form that JSON can carry, or an error that says which part of it can't be."""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Set, ValuesView
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from silvaengine.errors import SilvaEngineError
from silvaengine.protocol.messages import SYNC_LIMIT, WorkerAnswer

type Place = tuple[Place, str | int] | None
"""Where a value stands: the place of what holds it, and its key or index there; None is the whole result."""

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_BYTES = (bytes, bytearray, memoryview)
_SCALARS = (str, int, float, Decimal, date, time, UUID)  # a datetime is a date
_LISTS = (list, tuple, deque, range, Set, ValuesView)
_encode = json.JSONEncoder(ensure_ascii=False).encode
_LARGEST_FLOAT = 308  # decimal exponent; IEEE 754


class ResultError(SilvaEngineError):
    """A function answered what can't be sent; the message says why."""


def envelope(result: Any) -> dict[str, Any]:  # noqa: ANN401 - a function answers anything
    """Answer a result: text as it is, bytes as base64, everything else as a JSON value.

    Raises:
        ResultError: a part of it has no JSON form.

    """
    value = plain(result)
    if isinstance(result, _BYTES):
        return WorkerAnswer("base64", value).encode()
    return WorkerAnswer("text" if isinstance(result, str) else "json", value).encode()


def plain(value: Any) -> Any:  # noqa: ANN401 - any value in, any JSON value out
    """Return the JSON form of a result.

    Bytes become base64 text; dates, times and UUIDs their standard text; a Decimal a number (a fraction has
    the 17 digits of a float); sets lists in no order; enumeration members their values; dataclasses,
    pydantic models and PynamoDB models objects.

    Raises:
        ResultError: the value has no JSON form.
    """
    try:
        return _plain(value, None)
    except RecursionError:
        raise ResultError("The function's result is nested too deeply or holds itself") from None


def check_size(payload: Any) -> None:  # noqa: ANN401 - any JSON value
    """Refuse what Lambda would refuse: more than 6 MB as the runtime writes it, or text that isn't Unicode.

    Raises:
        ResultError: with the size, in bytes.
    """
    try:
        size = len(_encode(payload).encode())
    except UnicodeEncodeError:
        raise ResultError("The function's result holds text that isn't valid Unicode") from None
    except ValueError:
        raise ResultError("The function's result holds a number with too many digits") from None
    if size > SYNC_LIMIT:
        raise ResultError(f"The function's result has {size} bytes, more than the limit of {SYNC_LIMIT}")


def _plain(value: Any, place: Place) -> Any:  # noqa: ANN401 - one line for each kind of value
    kind = type(value)
    if kind in _AS_THEY_ARE or (kind is float and isfinite(value)):
        return value
    if kind is dict or isinstance(value, Mapping):
        return {_key(key, place): _plain(member, (place, str(key))) for key, member in value.items()}
    if kind is list or isinstance(value, _LISTS):
        return [_plain(member, (place, index)) for index, member in enumerate(value)]
    if isinstance(value, Enum):
        return _plain(value.value, place)
    if isinstance(value, _BYTES):
        return b64encode(value).decode("ascii")
    if isinstance(value, _SCALARS):
        return _scalar(value, place)
    return _plain(_members(value, place), place)


def _scalar(value: Any, place: Place) -> str | int | float:  # noqa: ANN401 - one of _SCALARS
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float() | Decimal():
            return _number(value, place)
        case UUID():
            return str(value)
        case _:
            return str(value.isoformat())


def _number(value: float | Decimal, place: Place) -> int | float:
    """Keep whole decimals exact; JSON has one kind of fraction, a float."""
    if not isfinite(value) or (isinstance(value, Decimal) and value.adjusted() > _LARGEST_FLOAT):
        raise _no_json(value, place)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return float(value)


def _key(key: Any, place: Place) -> str:  # noqa: ANN401 - checked here
    """Keys are text in JSON; numbers and true, false, null as ``json`` writes them."""
    if type(key) is str:
        return key
    form = _plain(key, (place, str(key)))
    if isinstance(form, list | dict):
        raise _no_json(key, (place, str(key)))
    return form if isinstance(form, str) else json.dumps(form)


def _members(value: Any, place: Place) -> Any:  # noqa: ANN401 - an object of a user's class
    """Take an object apart: a dataclass, pydantic's ``model_dump``, PynamoDB's ``attribute_values``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, type):
        if callable(dump := getattr(value, "model_dump", None)):
            return dump()
        if isinstance(values := getattr(value, "attribute_values", None), Mapping):
            return values
    raise _no_json(value, place)


def _no_json(value: object, place: Place) -> ResultError:
    what = str(value) if isinstance(value, float | Decimal) else type(value).__qualname__
    return ResultError(f"The function's result can't be sent as JSON: {what} at {_path(place)}")


def _path(place: Place) -> str:
    """Write a place as ``result.items[3].owner``."""
    if place is None:
        return "result"
    holder, step = place
    return _path(holder) + (f"[{step}]" if isinstance(step, int) else f".{step}")
