"""JSON on the path of a gateway's requests: by msgspec, and by the standard library for the rest.

msgspec takes a tenth of the instructions. The standard library does what msgspec refuses, such as lone
surrogates or integers beyond 64 bits, and everything where msgspec isn't installed.
docs/decisions/2026-11-24-msgspec.md says where it is used, and where not.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None


def encode(value: object) -> str:
    """Return a value's JSON text, without spaces.

    Raises:
        TypeError: a part of it has no JSON form.
        ValueError: it contains itself.
    """
    try:
        return _codec()[0](value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return json.dumps(value)


def encode_by_loaded(value: object) -> str:
    """Return what ``encode`` does if something has loaded msgspec, else the same value's text with spaces.

    For a worker, where untyped functions alone would have paid for the import.
    """
    return encode(value) if "msgspec" in sys.modules else _encode_standard(value)


def size_by_loaded(value: Json) -> int | None:
    """Return the bytes of a JSON value's text without spaces; None unless a loaded msgspec encodes it."""
    if "msgspec" not in sys.modules:
        return None
    try:
        return len(_codec()[0](value))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def encode_readable(value: object) -> str:
    """Return a JSON value's text with spaces, as ``json`` writes it.

    Raises:
        ValueError: it contains NaN or an infinity.
    """
    encode_bytes, _, add_spaces = _codec()
    try:
        text = add_spaces(encode_bytes(value)).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _encode_strictly(value)
    # msgspec writes null for such a number.
    return _encode_strictly(value) if "null" in text else text


def decode(text: bytes | str) -> Json:
    """Return the value of JSON text, bytes in UTF-8.

    Raises:
        ValueError: it isn't JSON.
    """
    try:
        return _codec()[1](text)
    except (ValueError, RecursionError):
        value: Json = json.loads(text)
        return value


def decode_unambiguous(text: str) -> Json:
    """Return the value of JSON text, for half the instructions of the standard library.

    msgspec takes nothing that isn't JSON, but the last of two members of one name: the other's colon is
    missing where the value is encoded again.

    Raises:
        ValueError: it isn't JSON, or may have two members of one name. RecursionError: it is nested deeply.
    """
    encode_bytes, decode_text, _ = _codec()
    if "msgspec" not in sys.modules or "\\u003" in text:  # an escape may stand for a colon
        raise ValueError
    value = decode_text(text)
    if encode_bytes(value).count(b":") != text.count(":"):
        raise ValueError
    return value


def read_json_value(text: bytes) -> tuple[str, bool] | None:
    """Return a JSON value's text in a worker's response, as it came, and the response's ``takes_context``.

    None for a response of another kind, and for what only the standard library decodes.
    """
    try:
        response = _json_response_decoder()(text)
        return str(response.value, "utf-8"), response.takes_context
    except (ValueError, RecursionError):
        return None


def standard_decoder(
    *,
    parse_float: Callable[[str], object] | None = None,
    parse_constant: Callable[[str], object] | None = None,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], object] | None = None,
) -> Callable[[str], Any]:
    """Return a function that decodes as ``json.JSONDecoder`` with these options does, in half the time.

    The standard library's ``decode`` looks for white space around the text by two regular expressions: 5,600
    instructions of a small text's 9,500, and a worker's call decodes several.
    """
    decoder = json.JSONDecoder(
        parse_float=parse_float, parse_constant=parse_constant, object_pairs_hook=object_pairs_hook
    )
    scan = decoder.scan_once  # type: ignore[attr-defined] # typeshed lacks it

    def decode_standard(text: str) -> object:
        try:
            value, end = scan(text, 0)
        except StopIteration:
            return decoder.decode(text)
        return value if end == len(text) else decoder.decode(text)

    return decode_standard


def decoder_by_loaded(
    parse_float: Callable[[str], object], parse_constant: Callable[[str], object] | None = None
) -> Callable[[str], Any]:
    """Return what ``standard_decoder`` does, which asks msgspec first if something has loaded it."""
    decode_standard = standard_decoder(parse_float=parse_float, parse_constant=parse_constant)
    decoders: list[Callable[[str], Any]] = []

    def decode_by_loaded(text: str) -> object:
        if "msgspec" not in sys.modules:
            return decode_standard(text)
        try:
            if not decoders:
                from msgspec.json import Decoder  # lazy: as ``_codec`` does

                decoders.append(Decoder(float_hook=parse_float).decode)
            return decoders[0](text)
        except (ImportError, TypeError, ValueError, ArithmeticError, RecursionError):  # or an older msgspec
            return decode_standard(text)

    return decode_by_loaded


def standard_encoder(*, ensure_ascii: bool = True) -> Callable[[object], str]:
    """Return a function that encodes as ``json.JSONEncoder`` does, but for values that contain themselves.

    The standard library makes a new encoder for each text, which is 12,000 instructions of a log line's
    33,000; where it has none in C, its own ``encode`` is returned.
    """
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii)
    make = getattr(json.encoder, "c_make_encoder", None)  # typeshed lacks it
    if make is None:
        return encoder.encode
    quote = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    chunks = make(None, encoder.default, quote, None, ": ", ", ", False, False, True)
    return lambda value: "".join(chunks(value, 0))


_encode_standard = standard_encoder()
_encode_strictly = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@cache
def _json_response_decoder() -> Callable[[bytes], Any]:
    try:
        from msgspec import Raw, defstruct
        from msgspec.json import Decoder
    except ImportError:
        return lambda _: json.loads("")  # which raises ValueError
    mark, kind = ("silvaengine", Literal[1]), ("kind", Literal["json"])
    return Decoder(defstruct("Response", [mark, kind, ("value", Raw), ("takes_context", bool, True)])).decode


@cache
def _codec() -> tuple[Callable[[object], bytes], Callable[[bytes | str], Json], Callable[[bytes], bytes]]:
    """Return the encoder, the decoder, and a function that adds spaces to encoded text."""
    try:
        from msgspec.json import Decoder, Encoder, format  # noqa: A004 - msgspec's name
    except ImportError:
        return lambda value: json.dumps(value).encode(), json.loads, lambda text: text
    return Encoder().encode, Decoder().decode, lambda text: format(text, indent=0)
