"""JSON text of what functions handle (decimals, times, PynamoDB objects), and back."""

import json
import re
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def dumps(data: Any) -> str:  # noqa: ANN401 - any value
    """Return JSON text, indented by 2, members in their order, characters as they are.

    Decimals become numbers, times ISO 8601 text (UTC as ``Z``), sets lists, PynamoDB and other objects their
    members; what is no number becomes null.

    Raises:
        TypeError: something in it is none of these.
    """
    try:
        return _encode(data)
    except ValueError:  # NaN or an infinity, which JSON has not
        return _encode(json.loads(json.dumps(data, default=_plain), parse_constant=lambda _: None))


def loads(data: str | bytes, parser_number: bool = True, parse_datetime: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002, RUF100 - the contract's form
    """Read JSON text.

    Args:
        data: the text.
        parser_number: make numbers Decimal, whole ones too.
        parse_datetime: make text that is an ISO 8601 date, or one with a time to the second, a datetime in
            UTC without a zone.

    Raises:
        ValueError: it isn't JSON.
    """
    numbers: dict[str, Any] = {"parse_float": Decimal, "parse_int": Decimal} if parser_number else {}
    value = json.loads(data, **numbers)
    return _with_times(value) if parse_datetime else value


def normalize(data: Any, parser_number: bool = True, parse_datetime: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002, RUF100 - the contract's form
    """Return data as JSON would bring it back: ``loads`` of ``dumps``."""
    return loads(dumps(data), parser_number, parse_datetime)


def is_json(text: Any) -> bool:  # noqa: ANN401 - callers ask about anything
    """Return whether this is text that holds JSON."""
    try:
        json.loads(text)
    except (TypeError, ValueError):
        return False
    return True


def _with_times(value: Any) -> Any:  # noqa: ANN401 - any JSON value
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


def _plain(value: Any) -> Any:  # noqa: ANN401 - what json can't encode by itself
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


def _members(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any object
    """Return an object's public members; PynamoDB keeps its own in ``attribute_values``, in any version."""
    members = getattr(value, "attribute_values", None)
    if isinstance(members, dict):
        return members
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return {name: member for name, member in vars(value).items() if not name.startswith("_")}


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2, default=_plain).encode
