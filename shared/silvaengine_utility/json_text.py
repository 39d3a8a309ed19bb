"""JSON text of what functions handle (decimals, times, PynamoDB objects), and back."""

import json
import re
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def dumps(data: object) -> str:
    """Return JSON text, indented by 2, members in their order, characters as they are.

    Decimals become numbers, times ISO 8601 text (UTC as ``Z``), sets lists, PynamoDB's and other objects
    their members, NaN and infinities null.

    Raises:
        TypeError: a part of it is none of these.
    """
    try:
        return _encode(data)
    except ValueError:  # NaN or an infinity, which JSON lacks
        return _encode(json.loads(json.dumps(data, default=_plain), parse_constant=lambda _: None))


def loads(data: str | bytes, parser_number: bool = True, parse_datetime: bool = True) -> Any:  # noqa: ANN401 - any value
    """Return the value of JSON text.

    Args:
        data: the text.
        parser_number: return numbers as Decimal, whole ones too.
        parse_datetime: return text that is an ISO 8601 date, with a time to the second or without, as a
            datetime in UTC without a zone.

    Raises:
        ValueError: it isn't JSON.
    """
    numbers: dict[str, Any] = {"parse_float": Decimal, "parse_int": Decimal} if parser_number else {}
    value = json.loads(data, **numbers)
    return _with_times(value) if parse_datetime else value


def normalize(data: object, parser_number: bool = True, parse_datetime: bool = True) -> Any:  # noqa: ANN401 - any value
    """Return data as JSON would bring it back: ``loads`` of ``dumps``."""
    return loads(dumps(data), parser_number, parse_datetime)


def is_json(text: object) -> bool:
    """Return whether this is JSON text."""
    try:
        json.loads(text)  # type: ignore[arg-type] # callers pass anything
    except (TypeError, ValueError):
        return False
    return True


def _with_times(value: object) -> object:
    match value:
        case dict():
            return {name: _with_times(member) for name, member in value.items()}
        case list():
            return [_with_times(member) for member in value]
        case str() if _ISO_TIME.fullmatch(value):
            return _utc(value)
        case _:
            return value


def _utc(text: str) -> datetime | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() if value.utcoffset() == timedelta(0):
            return f"{value.replace(tzinfo=None).isoformat()}Z"
        case datetime() | date() | time():
            return value.isoformat()
        case Set():
            return list(value)
        case bytes():
            return value.decode()
        case UUID():
            return str(value)
        case Mapping():
            return dict(value)
    return _members(value)


def _members(value: object) -> dict[str, Any]:
    """Return an object's public members; every version of PynamoDB keeps its own in ``attribute_values``."""
    members = getattr(value, "attribute_values", None)
    if isinstance(members, dict):
        return members
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return {name: member for name, member in vars(value).items() if not name.startswith("_")}


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2, default=_plain).encode
