"""Strict parsing of a client's JSON, to refuse early what no function could read.

It also refuses what two programs could read differently (RFC 8259, sections 4 and 8.2), and bounds the cost
of parsing before it begins.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from math import isinf
from typing import Any, NoReturn

from silvaengine.errors import RequestError
from silvaengine.protocol.json_codec import Json, decode_unambiguous, standard_decoder

MAX_DEPTH = 64
MAX_VALUES = 100_000  # in a text of any size; counting and parsing them takes 0.1 s at most

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Compiled when needed: most texts are valid and have few values.
_TOKENS = r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]|NaN|-?Infinity'
_SEPARATORS = r'"(?:[^"\\]++|\\.)*+"?|[\[{,]'
_TOKENS_OF_A_VALUE = 4  # at most: its comma, its bracket, its name and itself


class _InvalidError(Exception):
    """Python's parser accepts something that isn't JSON or is ambiguous."""


def parse_strict_json(text: str, what: str) -> Json:
    """Return the value of a client's JSON text.

    Args:
        text: the text.
        what: its name in errors, such as ``The body``.

    Raises:
        RequestError: it isn't JSON, is nested deeper than 64 levels, or has more than 100,000 values, two
            members of one name in an object, a number beyond 1.8e308, or half of a surrogate pair; the
            message says where.
    """
    openings = text.count("{") + text.count("[")
    if len(text) >= MAX_VALUES and openings + text.count(",") >= MAX_VALUES and _has_too_many_values(text):
        raise too_many_values(what)
    try:
        value = decode_unambiguous(text)
    except (ValueError, RecursionError):
        value = _parse(text, what)
    if openings > MAX_DEPTH and _is_too_deep(value):
        raise _too_deep(text, what)
    if "\\u" in text and _SURROGATE.search(text):
        _refuse_half_pairs(value, what)
    return value


def _parse(text: str, what: str) -> Json:
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        reason = "Unexpected UTF-8 BOM" if text.startswith("\ufeff") else error.msg.removesuffix(" at")
        message = f"{what} is not valid JSON: {reason} at {_position(text, error.pos)}"
        raise RequestError(message) from None
    except RecursionError:
        raise _too_deep(text, what) from None
    except ValueError:
        raise RequestError(f"{what} is not valid JSON: a number has too many digits") from None
    except _InvalidError as error:
        raise _refusal(text, what, str(error)) from None


def _refuse(constant: str) -> NoReturn:
    raise _InvalidError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):  # beyond double precision: RFC 8259, section 6
        raise _InvalidError(digits)
    return number


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _InvalidError("")
    return members


_decode: Callable[[str], Json] = standard_decoder(
    object_pairs_hook=_members, parse_constant=_refuse, parse_float=_finite
)


def _has_too_many_values(text: str) -> bool:
    """Count commas and brackets outside of strings, up to the limit."""
    values = 0
    for tokens, match in enumerate(re.finditer(_SEPARATORS, text, re.DOTALL)):
        values += text[match.start()] != '"'
        if values >= MAX_VALUES or tokens > _TOKENS_OF_A_VALUE * MAX_VALUES:
            return True
    return False


def too_many_values(what: str) -> RequestError:
    """Return the error for a text with too many values."""
    return RequestError(f"{what} contains more than {MAX_VALUES} values")


def _refuse_half_pairs(value: object, what: str) -> None:
    """Raise for an escaped surrogate without its other half: no function could store it or send it back."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RequestError(f"{what} contains an unpaired surrogate") from None


def _is_too_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [node for node in level if isinstance(node, dict | list)]
        if not level:
            return False
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return True


def _too_deep(text: str, what: str) -> RequestError:
    steps = {"{": 1, "[": 1, "}": -1, "]": -1}
    depths = accumulate(steps.get(token, 0) for token, _ in _tokens(text))
    at = next(at for (_, at), depth in zip(_tokens(text), depths, strict=True) if depth > MAX_DEPTH)
    return RequestError(f"{what} is nested deeper than {MAX_DEPTH} levels at {_position(text, at)}")


def _refusal(text: str, what: str, constant: str) -> RequestError:
    if not constant:
        return RequestError(f"{what} has an object with duplicate member names")
    if constant[-1].isdigit():
        return RequestError(f"{what} contains a number that is too large")
    at = next(at for token, at in _tokens(text) if token == constant)
    return RequestError(f"{what} is not valid JSON: {constant} at {_position(text, at)}")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Yield brackets and constants outside of strings with their positions; the time is linear."""
    return ((match[0], match.start()) for match in re.finditer(_TOKENS, text, re.DOTALL))


def _position(text: str, at: int) -> str:
    return f"line {text.count('\n', 0, at) + 1} column {at - text.rfind('\n', 0, at)}"
