"""The texts that stand for a date, a UUID and the like: one form each, in the schema and at the check.

msgspec takes more than its own schema says: a UUID without hyphens, a date and time without an offset, NaN as
a Decimal, durations with a sign. A form says exactly what is taken, so that schema and function agree.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from silvaengine.named_tuple import NamedTuple

_HOURS = "([01][0-9]|2[0-3]):[0-5][0-9]"
_DATE = "(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = rf"{_HOURS}:[0-5][0-9](\.[0-9]{{1,6}})?"
_OFFSET = f"(Z|[+-]{_HOURS})"
_BASE64 = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
# without a way back, which takes 200 MB for a text of 5 MB; schemas have ECMA-262's patterns, without "*+"
_BASE64_AT_ONCE = _BASE64.replace(")*(", ")*+(")
_DURATION = r"P(?=[0-9T])([0-9]{1,6}D)?(T(?=[0-9])([0-9]{1,6}H)?([0-9]{1,6}M)?([0-9]{1,6}(\.[0-9]{1,6})?S)?)?"


class TextForm(NamedTuple):
    """The form of a type's text: in words, as a pattern, and as JSON Schema."""

    name: str
    pattern: re.Pattern[str]
    schema: Mapping[str, Any]


def _form(name: str, pattern: str, **schema: str) -> TextForm:
    return TextForm(name, re.compile(pattern), {"type": "string", **schema, "pattern": f"^{pattern}$"})


_NUMBER = _form("a decimal number", r"-?[0-9]+(\.[0-9]+)?")

FORMS: Mapping[type, TextForm] = {
    Decimal: _NUMBER._replace(schema={"anyOf": [{"type": "number"}, _NUMBER.schema]}),
    UUID: _form("a UUID with hyphens", "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", format="uuid"),
    datetime: _form(
        "a date and time with its offset, as in RFC 3339", f"{_DATE}T{_TIME}{_OFFSET}", format="date-time"
    ),
    date: _form("a date, YYYY-MM-DD", _DATE, format="date"),
    time: _form("a time, HH:MM:SS", f"{_TIME}{_OFFSET}?"),
    timedelta: _form("an ISO 8601 duration of days, hours, minutes and seconds", _DURATION),
    bytes: _form("base64", _BASE64, contentEncoding="base64")._replace(pattern=re.compile(_BASE64_AT_ONCE)),
}
