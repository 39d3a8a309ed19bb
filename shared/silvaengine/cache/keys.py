"""The text of a key: readable, typed, and without two calls that share one. Grammar: docs/cache.md.

A string stands as it is, everything else behind a ``~``: ``1`` is text, ``~1`` a number, ``~1.0`` another,
``~True`` neither. What has a meaning in this grammar or in a pattern is percent-encoded inside a string.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from silvaengine.cache.dataclass_state import UnknownStateError, members

CACHE_NAME = re.compile("[a-z0-9_-]{1,64}")
LONGEST_TEXT = 256  # characters; a longer text ends in a digest of all of it
PATTERN_LIMIT = 512  # characters
KEPT = LONGEST_TEXT - 66

_UNWRITABLE = re.compile(r"[%\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPECIAL = re.compile(r"[%,~()\[\]{}=*?\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_has_special = _SPECIAL.search


class NoKeyError(TypeError):
    """A value that can't be part of a key."""


def checked_name(name: str) -> str:
    """Return a cache's name; ValueError unless it is 1 to 64 of ``a-z 0-9 _ -``."""
    if not CACHE_NAME.fullmatch(name):
        raise ValueError(f"cache_name: expected 1 to 64 of a-z, 0-9, _ and -, found {name!r}")
    return name


def escape(text: str) -> str:
    """Percent-encode what separates; a lone surrogate too, which no store takes."""
    return _SPECIAL.sub(_percent, text)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))


def tenant_text(tenant: str) -> str:
    """Encode a tenant, in whose place in a key a colon separates as well."""
    return escape(tenant).replace(":", "%3A")


def plain_text(text: str) -> str:
    """Return a key that somebody made as text: only what no key can hold is percent-encoded."""
    return shortened(_UNWRITABLE.sub(_percent, text))


def argument_text(value: Any) -> str:  # noqa: ANN401 - any argument
    """Return a value's text; two values that differ in type or content never share one.

    Raises:
        NoKeyError: the value is of a type whose content isn't known.
    """
    if type(value) is str:
        return escape(value) if _has_special(value) else value or "~''"  # nothing would be no argument
    writer = _WRITERS.get(type(value))
    if writer:
        return f"~{writer(value)}"
    if issubclass(type(value), Enum):  # a lazy proxy raises when it is asked for its class
        return f"~{_type_name(value)}{_member(value)}"
    if is_dataclass(type(value)):
        return f"~{_type_name(value)}({_pairs(_fields(value))})"
    raise NoKeyError(f"{type(value).__module__}.{type(value).__qualname__} can't be part of a cache key")


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _member(value: Enum) -> str:
    """Name a member; a combination of flags that has no name of its own has its number."""
    name: str | None = value.name
    return f"({_number(value.value)})" if name is None else f".{escape(name)}"


def _fields(value: object) -> Iterable[tuple[str, Any]]:
    try:
        return members(value).items()
    except UnknownStateError as error:
        raise NoKeyError(f"{error}, so that it can't be part of a cache key") from None


def _joined(values: Iterable[Any]) -> str:
    return ",".join(map(argument_text, values))


def _sorted(values: Iterable[Any]) -> str:
    return ",".join(sorted(map(argument_text, values)))


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> str:
    return ",".join(sorted(f"{argument_text(name)}={argument_text(value)}" for name, value in pairs))


def _number(value: int) -> str:
    """Write a number; one of more decimal digits than the interpreter writes, in hexadecimal."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def _moment(value: datetime | time) -> str:
    zone = f",{escape(str(value.tzinfo))}" if value.tzinfo else ""
    return f"{type(value).__name__}({value.isoformat()}{zone}{',fold' if value.fold else ''})"


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    type(None): repr,
    bool: repr,
    int: _number,
    float: repr,
    bytes: lambda value: f"bytes({value.hex()})",
    Decimal: lambda value: f"Decimal({value})",
    UUID: lambda value: f"UUID({value})",
    datetime: _moment,
    time: _moment,
    date: lambda value: f"date({value.isoformat()})",
    timedelta: lambda value: f"timedelta({value.days},{value.seconds},{value.microseconds})",
    list: lambda value: f"[{_joined(value)}]",
    tuple: lambda value: f"({_joined(value)})",
    set: lambda value: f"set({_sorted(value)})",
    frozenset: lambda value: f"frozenset({_sorted(value)})",
    dict: lambda value: f"{{{_pairs(value.items())}}}",
}


def call_text(values: Iterable[Any], named: Mapping[str, Any] | None = None) -> str:
    """Return the text of a call's arguments, those beyond the signature by name; raises NoKeyError.

    A value that holds itself has no text: NoKeyError as well.
    """
    try:
        texts = [
            value if type(value) is str and value and not _has_special(value) else argument_text(value)
            for value in values
        ]
        if named:
            texts += sorted(f"{argument_text(name)}={argument_text(value)}" for name, value in named.items())
    except RecursionError:
        raise NoKeyError("a value that holds itself can't be part of a cache key") from None
    text = ",".join(texts)
    return text if len(text) <= LONGEST_TEXT else shortened(text)


def shortened(text: str) -> str:
    """Let a long text end in a digest of all of it: readable, and still nobody else's."""
    if len(text) <= LONGEST_TEXT:
        return text
    digest = sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"{text[:KEPT]}~~{digest}"


@lru_cache(maxsize=512)
def matcher(pattern: str) -> Callable[[str], object]:
    """Return what tells whether a text is of a pattern: a case-sensitive glob over the whole text.

    ``*`` stands for anything, ``?`` for one character, ``[ab]`` and ``[!ab]`` for one of a set.
    """
    return re.compile(translate(pattern)).match


def literal(text: str) -> str:
    """Return the pattern that matches this text alone."""
    return re.sub(r"([*?\[])", r"[\1]", text)
