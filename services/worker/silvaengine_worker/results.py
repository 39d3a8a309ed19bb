"""A function's result as JSON values, or an error that says which part of it has no JSON form."""

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
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import SYNC_LIMIT, WorkerResponse

type Place = tuple[Place, str | int] | None
"""The place of a value: the place of its container, and its key or index there; None is the whole result."""

_UNCHANGED = frozenset({str, int, bool, type(None)})
_BYTES = (bytes, bytearray, memoryview)
_SCALARS = (str, int, float, Decimal, date, time, UUID)  # a datetime is a date
_LISTS = (list, tuple, deque, range, Set, ValuesView)
_encode = json.JSONEncoder(ensure_ascii=False).encode
_LARGEST_FLOAT = 308  # decimal exponent; IEEE 754


class ResultError(SilvaEngineError):
    """A function returned what can't be sent; the message says why."""


def encode_result(result: object) -> dict[str, Json]:
    """Return the response for a result: text unchanged, bytes as base64, everything else as a JSON value.

    Raises:
        ResultError: a part of it has no JSON form.

    """
    value = to_json_value(result)
    if isinstance(result, _BYTES):
        return WorkerResponse("base64", value).encode()
    return WorkerResponse("text" if isinstance(result, str) else "json", value).encode()


def to_json_value(value: object) -> Json:
    """Return the JSON form of a result.

    Bytes become base64 text; dates, times and UUIDs their standard text; a Decimal a number (a fraction has
    the 17 digits of a float); sets become lists in no order, enumeration members their values, dataclasses,
    pydantic models and PynamoDB models objects.

    Raises:
        ResultError: the value has no JSON form.
    """
    try:
        return _convert(value, None)
    except RecursionError:
        raise ResultError("The function's result is nested too deeply or contains itself") from None


def check_size(payload: Json) -> None:
    """Refuse what Lambda would refuse: more than 6 MB as the runtime writes it, or text that isn't Unicode.

    Raises:
        ResultError: the message has the size in bytes.
    """
    try:
        size = len(_encode(payload).encode())
    except UnicodeEncodeError:
        raise ResultError("The function's result contains text that isn't valid Unicode") from None
    except ValueError:
        raise ResultError("The function's result contains a number with too many digits") from None
    if size > SYNC_LIMIT:
        raise ResultError(f"The function's result has {size} bytes, more than the limit of {SYNC_LIMIT}")


def _convert(value: Any, place: Place) -> Json:  # noqa: ANN401 - narrowed by its class, not by isinstance
    kind = type(value)
    if kind in _UNCHANGED or (kind is float and isfinite(value)):
        return value  # type: ignore[no-any-return]
    if kind is dict or isinstance(value, Mapping):
        return {_key(key, place): _convert(member, (place, str(key))) for key, member in value.items()}
    if kind is list or isinstance(value, _LISTS):
        return [_convert(member, (place, index)) for index, member in enumerate(value)]
    if isinstance(value, Enum):
        return _convert(value.value, place)
    if isinstance(value, _BYTES):
        return b64encode(value).decode("ascii")
    if isinstance(value, _SCALARS):
        return _scalar(value, place)
    return _convert(_members(value, place), place)


def _scalar(value: str | float | Decimal | date | time | UUID, place: Place) -> str | int | float:
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
    """Return whole decimals exactly, and fractions as floats, which is what JSON readers make of them."""
    if not isfinite(value) or (isinstance(value, Decimal) and value.adjusted() > _LARGEST_FLOAT):
        raise _unsupported(value, place)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return float(value)


def _key(key: object, place: Place) -> str:
    """Return a key as text: numbers and true, false, null as ``json`` writes them."""
    if type(key) is str:
        return key
    form = _convert(key, (place, str(key)))
    if isinstance(form, list | dict):
        raise _unsupported(key, (place, str(key)))
    return form if isinstance(form, str) else json.dumps(form)


def _members(value: object, place: Place) -> object:
    """Return the members of a dataclass or of a model (``model_dump``, PynamoDB's ``attribute_values``)."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, type):
        if callable(dump := getattr(value, "model_dump", None)):
            return dump()
        if isinstance(values := getattr(value, "attribute_values", None), Mapping):
            return values
    raise _unsupported(value, place)


def _unsupported(value: object, place: Place) -> ResultError:
    what = str(value) if isinstance(value, float | Decimal) else type(value).__qualname__
    return ResultError(f"The function's result can't be sent as JSON: {what} at {_path(place)}")


def _path(place: Place) -> str:
    """Return a place as ``result.items[3].owner``."""
    if place is None:
        return "result"
    container, step = place
    return _path(container) + (f"[{step}]" if isinstance(step, int) else f".{step}")
