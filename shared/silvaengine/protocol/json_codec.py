"""JSON where a gateway meets it on every request: msgspec's, and the standard library's for the rest.

msgspec takes a tenth of the instructions. What it refuses, such as lone surrogates or integers beyond 64
bits, the standard library does, and everything where there is no msgspec.
docs/decisions/2026-11-24-msgspec.md says where it is used, and where it isn't.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None


def encode(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value's JSON text, for a program.

    Raises:
        TypeError: a part of it has no JSON form.
        ValueError: it holds itself.

    """
    try:
        return _codec()[0](value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return json.dumps(value)


def encode_readable(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value's text with spaces, as ``json`` writes it.

    Raises:
        ValueError: it holds a number that JSON doesn't have.

    """
    encode_bytes, _, add_spaces = _codec()
    try:
        text = add_spaces(encode_bytes(value)).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _encode_strictly(value)
    # msgspec writes null for such a number, too.
    return _encode_strictly(value) if "null" in text else text


def decode(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text in UTF-8.

    Raises:
        ValueError: it is none.

    """
    try:
        return _codec()[1](text)
    except (ValueError, RecursionError):
        return json.loads(text)


def standard_decoder(**options: Any) -> Callable[[str], Any]:  # noqa: ANN401 - json.JSONDecoder's
    """Return what decodes as a ``json.JSONDecoder`` with these options does.

    Where no space surrounds the text it takes half as long: the standard library looks for it by regular
    expressions.
    """
    decoder = json.JSONDecoder(**options)
    scan = decoder.scan_once  # type: ignore[attr-defined] # typeshed leaves it out

    def decode_standard(text: str) -> Any:  # noqa: ANN401 - any JSON value
        try:
            value, end = scan(text, 0)
        except StopIteration:
            return decoder.decode(text)
        return value if end == len(text) else decoder.decode(text)

    return decode_standard


_encode_strictly = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@cache
def _codec() -> tuple[Callable[[Any], bytes], Callable[[bytes], Any], Callable[[bytes], bytes]]:
    """Return what encodes, what decodes, and what puts spaces into encoded text."""
    try:
        from msgspec.json import Decoder, Encoder, format  # noqa: A004 - msgspec's name; see above
    except ImportError:
        return lambda value: json.dumps(value).encode(), json.loads, lambda text: text
    return Encoder().encode, Decoder().decode, lambda text: format(text, indent=0)
