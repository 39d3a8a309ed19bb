"""Cache keys as text: readable, typed, and never the same for two different calls. Grammar: docs/cache.md.

A string stands for itself, everything else follows a ``~``: ``1`` is text, ``~1`` a number, ``~1.0`` another,
``~True`` neither. Characters with a meaning in this grammar or in a pattern are percent-encoded.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

NAME_RULE = "1 to 120 letters, digits, _ and -, with single dots between them"
MAX_TEXT = 256  # characters; a longer text ends in a digest of all of it
MAX_PATTERN = 512  # characters
TEXT_HEAD = MAX_TEXT - 66  # what is left of a longer text

_NAME = re.compile(r"(?=.{1,120}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_UNWRITABLE = re.compile(r"[%\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPECIAL = re.compile(r"[%,~()\[\]{}=*?\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class NoKeyError(TypeError):
    """A value that can't be part of a key."""


class UnknownStateError(TypeError):
    """An object of a dataclass whose fields aren't all of its state."""


def is_name(name: str) -> bool:
    """Return whether a text may name a cache (``NAME_RULE``): it becomes a folder and a part of keys."""
    return _NAME.fullmatch(name) is not None


def validate_name(name: str) -> str:
    """Return a cache's name; raises ValueError unless ``is_name``."""
    if not is_name(name):
        raise ValueError(f"cache_name: expected {NAME_RULE}, found {name!r}")
    return name


def escape(text: str) -> str:
    """Percent-encode separators, and lone surrogates, which no store takes."""
    return _SPECIAL.sub(_percent_encode, text)


def _percent_encode(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="surrogatepass"))


def tenant_text(tenant: str) -> str:
    """Encode a tenant, which a colon ends in a key."""
    return escape(tenant).replace(":", "%3A")


def plain_text(text: str) -> str:
    """Return the text of a key that a caller made: only what no key can hold is percent-encoded."""
    return shorten(_UNWRITABLE.sub(_percent_encode, text))


def argument_text(value: object) -> str:
    """Return a value's text; two values that differ in type or content never share one.

    Raises:
        NoKeyError: the value's content isn't known for its type.
    """
    if type(value) is str:
        return escape(value) or "~''"  # empty would be no argument
    writer = _WRITERS.get(type(value))
    if writer:
        return f"~{writer(value)}"
    if issubclass(type(value), Enum):  # isinstance would ask a lazy proxy for its class, which may raise
        return f"~{_type_name(value)}{_member_name(cast('Enum', value))}"
    if is_dataclass(type(value)):
        return f"~{_type_name(value)}({','.join(_named(_fields(value)))})"
    raise NoKeyError(f"{type(value).__module__}.{type(value).__qualname__} can't be part of a cache key")


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _member_name(value: Enum) -> str:
    """Return a member's name; a combination of flags without one has its number."""
    name: str | None = value.name
    return f"({_number(value.value)})" if name is None else f".{escape(name)}"


def _fields(value: object) -> Iterable[tuple[str, Any]]:
    try:
        return field_values(value).items()
    except UnknownStateError as error:
        raise NoKeyError(f"{error}, so it can't be part of a cache key") from None


def field_values(value: object) -> dict[str, Any]:
    """Return the values of a dataclass object's fields by name, in order; for keys and encoded values.

    Raises:
        UnknownStateError: a subclass has added attributes of its own, the object is a dict as well, or a
            field has no value.
    """
    kind: Any = type(value)
    try:
        values = {field.name: getattr(value, field.name) for field in fields(kind)}
    except AttributeError as error:
        raise UnknownStateError(f"{kind.__qualname__} lacks a field: {error}") from None
    state = object.__getstate__(value)
    in_dict, in_slots = state if type(state) is tuple else (state, None)
    if not ((in_dict or {}).keys() | (in_slots or {}).keys()) <= values.keys() or _has_builtin_base(kind):
        raise UnknownStateError(f"{kind.__qualname__} has more than its fields")
    return values


def find_by_name(module: str, qualified_name: str) -> object:
    """Return what a loaded module has under a qualified name, None for nothing; runs no code of it."""
    part: object = sys.modules.get(module)
    for name in qualified_name.split("."):
        part = getattr(part, "__dict__", {}).get(name)
    return part


@lru_cache(maxsize=256)
def _has_builtin_base(kind: type) -> bool:
    """Return whether a class derives from a built-in one, such as dict or Exception."""
    try:
        object.__new__(kind)  # raises for those
    except TypeError:
        return True
    return False


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(argument_text, values))


def _sorted(values: Iterable[object]) -> str:
    return ",".join(sorted(map(argument_text, values)))


def _named(pairs: Iterable[tuple[object, object]]) -> list[str]:
    return sorted(f"{argument_text(name)}={argument_text(value)}" for name, value in pairs)


def _number(value: int) -> str:
    """Write a number in decimal, or in hexadecimal where it has more digits than the interpreter writes."""
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
    dict: lambda value: f"{{{','.join(_named(value.items()))}}}",
}


def call_text(values: Iterable[object], keywords: Mapping[str, object] | None = None) -> str:
    """Return the text of a call's arguments; ``keywords`` are those that the signature doesn't name.

    Raises:
        NoKeyError: a value can't be part of a key, or holds itself.
    """
    try:
        texts = [*map(argument_text, values), *_named(keywords.items() if keywords else ())]
    except RecursionError:
        raise NoKeyError("a value that contains itself can't be part of a cache key") from None
    return shorten(",".join(texts))


def shorten(text: str) -> str:
    """Replace the end of a long text with a digest of all of it: still readable, and still unique."""
    if len(text) <= MAX_TEXT:
        return text
    digest = sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"{text[:TEXT_HEAD]}~~{digest}"


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Return a function that matches texts against a case-sensitive glob over the whole text.

    ``*`` stands for anything, ``?`` for one character, ``[ab]`` and ``[!ab]`` for one of a set.
    """
    return re.compile(translate(pattern)).match


def exact_pattern(text: str) -> str:
    """Return the pattern that matches this text only."""
    return re.sub(r"([*?\[])", r"[\1]", text)
