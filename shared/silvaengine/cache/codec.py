"""Values as bytes and back, of the same type and content, without ever running code that the bytes name.

msgpack by msgspec, with an extension for each type that msgpack lacks. A dataclass travels as its class's
name, a digest of its fields and their values: bytes of another shape, or of a class that this process has
not imported, are no value.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import MsgspecError
from msgspec.msgpack import Decoder, Encoder, Ext

from silvaengine.cache.dataclass_state import UnknownStateError, members

_encode: Callable[[Any], bytes] = Encoder().encode

_PLAIN = frozenset({type(None), bool, float, bytes})
_SHAREABLE = _PLAIN | {str, int, Decimal, UUID, date, datetime, time, timedelta}
_SCALARS = _PLAIN | {str, int}
_NESTED = frozenset({dict, list})
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class NotEncodableError(TypeError):
    """A value that can't be encoded so that its type survives."""


class NotDecodableError(ValueError):
    """Bytes that hold no value, or one that this process can't make."""


def encode(value: Any) -> bytes:  # noqa: ANN401 - any value
    """Encode a value; raises NotEncodableError."""
    try:
        if _is_plain(value):
            return _encode(value)
        return _encode(_packed(value))
    except (OverflowError, UnicodeEncodeError):  # a number or a text of a plain type that msgpack hasn't
        return _encode(_packed(value))
    except UnknownStateError as error:
        raise NotEncodableError(str(error)) from None
    except RecursionError:
        raise NotEncodableError("the value holds itself, or is nested too deeply") from None


def decode(data: bytes) -> Any:  # noqa: ANN401 - any value
    """Decode what ``encode`` gave into a value that nobody else holds; raises NotDecodableError."""
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


def is_immutable(value: Any) -> bool:  # noqa: ANN401 - any value
    """Return whether a value can be handed to several callers as it is."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return all(map(is_immutable, value))
    return kind in _SHAREABLE


def _is_plain(value: Any) -> bool:  # noqa: ANN401 - any value
    """Return whether a value is of types that msgpack gives back; most are, and then nothing is rebuilt."""
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


def _packed(value: Any) -> Any:  # noqa: ANN401 - any value
    """Put an extension in the place of what msgpack has no type for; what it has stays as it is."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is str:
        return value if value.isascii() or _is_text(value) else Ext(9, value.encode(errors="surrogatepass"))
    if kind is int:
        return value if _SMALLEST <= value <= _LARGEST else Ext(8, hex(value).encode())
    if kind is list:
        return [_packed(member) for member in value]
    if kind is dict:
        return _packed_dict(value)
    if kind in _CODES:
        code, give, _ = _CODES[kind]
        return Ext(code, give(value))
    if is_dataclass(kind):
        return Ext(7, _encode([*_class_mark(kind), _packed(list(members(value).values()))]))
    raise NotEncodableError(f"{kind.__module__}.{kind.__qualname__}")


def _packed_dict(value: dict[Any, Any]) -> Any:  # noqa: ANN401 - see _packed
    if all(type(name) is str and (name.isascii() or _is_text(name)) for name in value):
        return {name: _packed(member) for name, member in value.items()}
    return Ext(6, _encode([_packed([name, member]) for name, member in value.items()]))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _moment(value: datetime | time) -> bytes:
    if value.fold or not (value.tzinfo is None or _is_nameless(value.tzinfo)):
        raise NotEncodableError(f"a {type(value).__name__} of a named time zone")
    return value.isoformat().encode()


def _is_nameless(zone: tzinfo) -> bool:
    return type(zone) is timezone and zone.tzname(None) == timezone(zone.utcoffset(None)).tzname(None)


@lru_cache(maxsize=256)
def _class_mark(kind: type) -> tuple[str, str, str]:
    """Name a dataclass, and its shape: another deployment may have changed its fields."""
    try:
        object.__new__(kind)  # refuses a class that is a dict, too, or an exception
        is_known = _class_named(kind.__module__, kind.__qualname__) is kind
    except (LookupError, TypeError):
        is_known = False
    if not is_known:
        raise NotEncodableError(f"{kind.__module__}.{kind.__qualname__}, which can't be made by its name")
    shape = repr([(field.name, str(field.type)) for field in fields(kind)])
    return kind.__module__, kind.__qualname__, sha256(shape.encode()).hexdigest()[:16]


def _class_named(module: str, name: str) -> Any:  # noqa: ANN401 - whatever has the name
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = vars(found)[part]
    return found


def _made(data: bytes) -> Any:  # noqa: ANN401 - any dataclass
    """Fill a new object of a dataclass that this process has already imported; its code isn't run."""
    module, name, mark, values = _decode(data)
    kind = _class_named(module, name)
    if not (isinstance(kind, type) and is_dataclass(kind)) or _class_mark(kind) != (module, name, mark):
        raise ValueError("the class has changed")
    made = object.__new__(kind)
    for field, member in zip(fields(kind), values, strict=True):
        object.__setattr__(made, field.name, member)
    return made


def _list(value: Any) -> bytes:  # noqa: ANN401 - a tuple or a set
    return _encode([_packed(member) for member in value])


type _Code = tuple[int, Callable[[Any], bytes], Callable[[bytes], Any]]

_CODES: Mapping[type, _Code] = {
    tuple: (1, _list, lambda data: tuple(_decode(data))),
    set: (2, _list, lambda data: set(_decode(data))),
    frozenset: (3, _list, lambda data: frozenset(_decode(data))),
    Decimal: (4, lambda value: str(value).encode(), lambda data: Decimal(data.decode())),
    UUID: (5, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    datetime: (10, _moment, lambda data: datetime.fromisoformat(data.decode())),
    date: (11, lambda value: value.isoformat().encode(), lambda data: date.fromisoformat(data.decode())),
    time: (12, _moment, lambda data: time.fromisoformat(data.decode())),
    timedelta: (
        13,
        lambda value: _encode([value.days, value.seconds, value.microseconds]),
        lambda data: timedelta(*_decode(data)),
    ),
}
_DECODERS: Mapping[int, Callable[[bytes], Any]] = {
    **{code: take for code, _, take in _CODES.values()},
    6: lambda data: dict(_decode(data)),
    7: _made,
    8: lambda data: int(data, 16),
    9: lambda data: data.decode(errors="surrogatepass"),
}


def _unpacked(code: int, data: memoryview) -> Any:  # noqa: ANN401 - any value
    return _DECODERS[code](bytes(data))


_decode: Callable[[bytes], Any] = Decoder(ext_hook=_unpacked).decode

copy = _decode
"""``decode`` of what this process has encoded itself, without a wrapper around msgspec's function."""
