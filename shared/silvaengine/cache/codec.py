"""Values as bytes and back, with the same type and content; code that the bytes name is never run.

msgpack by msgspec, with an extension for each type that msgpack lacks. A dataclass is written as its class's
name, a digest of its fields, and their values: bytes with other fields, or of a class that this process has
not imported, can't be decoded.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import MsgspecError
from msgspec.msgpack import Decoder, Encoder, Ext

from silvaengine.cache.keys import UnknownStateError, field_values, find_by_name

type Value = Any
"""What a cached function returned: of any type, which is looked at by ``type(value)`` alone."""

_encode: Callable[[Value], bytes] = Encoder().encode

_ALWAYS_PLAIN = frozenset({type(None), bool, float, bytes})
_IMMUTABLE = _ALWAYS_PLAIN | {str, int, Decimal, UUID, date, datetime, time, timedelta}
_SCALARS = _ALWAYS_PLAIN | {str, int}
_NESTED = frozenset({dict, list})
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class NotEncodableError(TypeError):
    """A value that can't be encoded so that its type survives."""


class NotDecodableError(ValueError):
    """Bytes that hold no value, or one of a class that this process doesn't have."""


def encode(value: Value) -> bytes:
    """Encode a value; raises NotEncodableError."""
    try:
        if _is_plain(value):
            with suppress(OverflowError, UnicodeEncodeError):  # a number or a text that msgpack can't write
                return _encode(value)
        return _encode(_extend(value))
    except UnknownStateError as error:
        raise NotEncodableError(str(error)) from None
    except RecursionError:
        raise NotEncodableError("the value contains itself or is nested too deeply") from None


def decode(data: bytes) -> Value:
    """Decode what ``encode`` returned into a new object; raises NotDecodableError."""
    try:
        return _decode(data)
    except (
        MsgspecError,
        ValueError,
        TypeError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise NotDecodableError(str(error)) from error


def is_immutable(value: Value) -> bool:
    """Return whether several callers can share a value without a copy."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return all(map(is_immutable, value))
    return kind in _IMMUTABLE


def _is_plain(value: Value) -> bool:
    """Return whether msgpack restores a value's types; a loop takes half of what a recursion does."""
    kind = type(value)
    if kind is dict:
        for name in value:
            if type(name) is not str:
                return False
        value = value.values()
    elif kind is not list:
        return kind in _SCALARS
    for member in value:
        kind = type(member)
        if kind not in _SCALARS and not (kind in _NESTED and _is_plain(member)):
            return False
    return True


def _extend(value: Value) -> Value:
    """Replace what msgpack has no type for with extensions."""
    kind = type(value)
    if kind in _ALWAYS_PLAIN:
        return value
    if kind is str:
        return value if value.isascii() or _is_text(value) else Ext(9, value.encode(errors="surrogatepass"))
    if kind is int:
        return value if _SMALLEST <= value <= _LARGEST else Ext(8, hex(value).encode())
    if kind is list:
        return [_extend(member) for member in value]
    if kind is dict:
        return _extend_dict(value)
    if kind in _EXTENSIONS:
        code, write, _ = _EXTENSIONS[kind]
        return Ext(code, write(value))
    if is_dataclass(kind):
        return Ext(7, _encode([*_class_id(kind), _extend(list(field_values(value).values()))]))
    raise NotEncodableError(f"{kind.__module__}.{kind.__qualname__}")


def _extend_dict(value: dict[Any, Any]) -> Value:
    if all(type(name) is str and (name.isascii() or _is_text(name)) for name in value):
        return {name: _extend(member) for name, member in value.items()}
    return Ext(6, _encode([_extend([name, member]) for name, member in value.items()]))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_moment(value: datetime | time) -> bytes:
    if value.fold or not (value.tzinfo is None or _is_plain_offset(value.tzinfo)):
        raise NotEncodableError(f"a {type(value).__name__} of a named time zone")
    return value.isoformat().encode()


def _is_plain_offset(zone: tzinfo) -> bool:
    return type(zone) is timezone and zone.tzname(None) == timezone(zone.utcoffset(None)).tzname(None)


@lru_cache(maxsize=256)
def _class_id(kind: type) -> tuple[str, str, str]:
    """Return a dataclass's module, name, and a digest of its fields, which another deployment may change."""
    if find_by_name(kind.__module__, kind.__qualname__) is not kind:
        raise NotEncodableError(f"{kind.__module__}.{kind.__qualname__}, which can't be found by its name")
    shape = repr([(field.name, str(field.type)) for field in fields(kind)])
    return kind.__module__, kind.__qualname__, sha256(shape.encode()).hexdigest()[:16]


def _decode_dataclass(data: bytes) -> object:
    """Return a new object of a dataclass that this process has already imported; its code isn't run."""
    module, name, digest, values = _decode(data)
    kind = find_by_name(module, name)
    if not (isinstance(kind, type) and is_dataclass(kind)) or _class_id(kind) != (module, name, digest):
        raise ValueError("the class has changed")
    value = object.__new__(kind)
    for field, member in zip(fields(kind), values, strict=True):
        object.__setattr__(value, field.name, member)
    return value


def _encode_members(value: Iterable[Value]) -> bytes:
    return _encode([_extend(member) for member in value])


type _Extension = tuple[int, Callable[[Any], bytes], Callable[[bytes], Value]]
"""The number of msgpack's extension, and what writes and reads it."""

_EXTENSIONS: Mapping[type, _Extension] = {
    tuple: (1, _encode_members, lambda data: tuple(_decode(data))),
    set: (2, _encode_members, lambda data: set(_decode(data))),
    frozenset: (3, _encode_members, lambda data: frozenset(_decode(data))),
    Decimal: (4, lambda value: str(value).encode(), lambda data: Decimal(data.decode())),
    UUID: (5, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    datetime: (10, _write_moment, lambda data: datetime.fromisoformat(data.decode())),
    date: (11, lambda value: value.isoformat().encode(), lambda data: date.fromisoformat(data.decode())),
    time: (12, _write_moment, lambda data: time.fromisoformat(data.decode())),
    timedelta: (
        13,
        lambda value: _encode([value.days, value.seconds, value.microseconds]),
        lambda data: timedelta(*_decode(data)),
    ),
}
_READERS: Mapping[int, Callable[[bytes], Value]] = {
    **{code: read for code, _, read in _EXTENSIONS.values()},
    6: lambda data: dict(_decode(data)),
    7: _decode_dataclass,
    8: lambda data: int(data, 16),
    9: lambda data: data.decode(errors="surrogatepass"),
}


def _read_extension(code: int, data: memoryview) -> Value:
    return _READERS[code](bytes(data))


_decode: Callable[[bytes], Value] = Decoder(ext_hook=_read_extension).decode
