"""A function's result, completed and as JSON values, or an error that says which part has no JSON form."""

import inspect
import json
from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Mapping, Set, ValuesView
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any, Self
from uuid import UUID

from silvaengine.errors import SilvaEngineError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import Json, size_by_loaded, standard_encoder
from silvaengine.protocol.messages import SYNC_LIMIT, ResponseKind, WorkerResponse, make

type Place = tuple[Place, str | int] | None
"""The place of a value: the place of its container, and its key or index there; None is the whole result."""

_UNCHANGED = frozenset({str, int, bool, type(None)})
_COMPLETE = _UNCHANGED | {dict, list}  # most results
_BYTES = (bytes, bytearray, memoryview)
_SCALARS = (str, int, float, Decimal, date, time, timedelta, UUID)  # a datetime is a date
_FINER_THAN_PYTHONS = ("[ns]", "[ps]", "[fs]", "[as]")  # units of times
_LISTS = (list, tuple, deque, range, Set, ValuesView)
_encode = standard_encoder(ensure_ascii=False)
_END = object()  # of a generator
_LARGEST_FLOAT = 308  # decimal exponent; IEEE 754
_NO_UNICODE = "The function's result contains text that isn't valid Unicode"


class ResultError(SilvaEngineError):
    """A function returned what can't be sent; the message says why."""


class UnicodeResultError(ResultError):
    """A function returned half of a surrogate pair, which UTF-8 can't encode."""


class Outcome(NamedTuple):
    """The response of an attempt, and its JSON text as the runtime and the ledger write it."""

    response: WorkerResponse
    text: str

    @classmethod
    def of(cls, response: WorkerResponse) -> Self:
        """Return the outcome with a response; raises what ``to_json_text`` raises."""
        try:
            return cls(response, to_json_text(response.encode()))
        except UnicodeResultError:
            escaped = as_json_text(response)
            return cls(escaped, to_json_text(escaped.encode()))


def as_json_text(response: WorkerResponse) -> WorkerResponse:
    """Return the response of a JSON value with half of a surrogate pair as its JSON text, which escapes it.

    A function may have it from a client, by such an escape.

    Raises:
        ResultError: it isn't a JSON value's.
    """
    if response.kind != "json":
        raise ResultError(_NO_UNICODE)
    return WorkerResponse("text", json.dumps(response.value))


def complete(result: object) -> object:
    """Return a coroutine's result, a generator's items as a list, anything else unchanged.

    Each call has an event loop of its own: a task that one tenant's function leaves behind is cancelled and
    never runs in another's call.
    """
    if type(result) in _COMPLETE:
        return result
    result = await_result(result)
    if inspect.isasyncgen(result):
        return _run_coroutine(_collect(result))
    return list(result) if inspect.isgenerator(result) else result


def await_result(result: object) -> object:
    """Return a coroutine's result, also of a coroutine that it returns; anything else unchanged."""
    while inspect.iscoroutine(result):
        result = _run_coroutine(result)
    return result


def as_generator(result: object) -> Generator[object] | None:
    """Return a generator of either kind as a plain one, which ``close`` ends; None for anything else."""
    if isinstance(result, AsyncGenerator):
        return _iterate(result)
    return result if isinstance(result, Generator) else None


def _iterate(items: AsyncGenerator[object]) -> Generator[object]:
    import asyncio  # lazy: only a coroutine needs it

    async def step() -> object:
        return await anext(items, _END)

    with asyncio.Runner() as runner:  # its end closes the generator
        while (item := runner.run(step())) is not _END:
            yield item


def _run_coroutine(coroutine: Coroutine[Any, Any, object]) -> object:
    import asyncio  # lazy: only a coroutine needs it

    return asyncio.run(coroutine)


async def _collect(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]


def to_response(result: object, *, takes_context: bool = True) -> WorkerResponse:
    """Return the response for a result: text unchanged, bytes as base64, everything else as a JSON value.

    Raises:
        ResultError: a part of it has no JSON form.

    """
    kind: ResponseKind = "json"
    if isinstance(result, str):
        kind = "text"
    elif type(result) not in _COMPLETE and isinstance(result, _BYTES):
        kind = "base64"
    return make(WorkerResponse, (kind, to_json_value(result), 200, "", (), "", takes_context))


def to_json_value(value: object) -> Json:
    """Return the JSON form of a result.

    docs/functions.md has the forms, under "Values as JSON".

    Raises:
        ResultError: the value has no JSON form.
    """
    try:
        return _convert(value, None)
    except RecursionError:
        raise ResultError("The function's result is nested too deeply or contains itself") from None


def to_sent_text(value: object) -> str:
    """Return a value's JSON text as a client gets it, with an escape for half of a surrogate pair.

    Raises:
        ResultError: the value has no JSON form.
    """
    text = json.dumps(to_json_value(value), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()


def check_sent(value: Json) -> None:
    """Raise what ``to_json_text`` raises; where msgspec is loaded, without that text of a short value."""
    size = size_by_loaded(value)
    if size is None or 2 * size > SYNC_LIMIT:  # the runtime adds no more than a space after each comma
        to_json_text(value)


def to_json_text(payload: Json) -> str:
    """Return a payload as the runtime writes it.

    Raises:
        ResultError: Lambda would refuse it: it has more than 6 MB (the message says how many bytes), or text
            that isn't Unicode.
    """
    try:
        text = _encode(payload)
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise UnicodeResultError(_NO_UNICODE) from None
    except ValueError:
        raise ResultError("The function's result contains a number with too many digits") from None
    if size > SYNC_LIMIT:
        raise ResultError(f"The function's result has {size} bytes, more than the limit of {SYNC_LIMIT}")
    return text


def _convert(value: Any, place: Place) -> Json:  # noqa: ANN401 - narrowed by its class, not by isinstance
    kind = type(value)
    if kind in _UNCHANGED or (kind is float and isfinite(value)):
        return value  # type: ignore[no-any-return]
    if kind is dict or isinstance(value, Mapping):
        return {
            key if type(key) is str else _key(key, place): (
                member if type(member) in _UNCHANGED else _convert(member, (place, str(key)))
            )
            for key, member in value.items()
        }
    if kind is list or isinstance(value, _LISTS):
        return [
            member if type(member) in _UNCHANGED else _convert(member, (place, index))
            for index, member in enumerate(value)
        ]
    if isinstance(value, Enum):
        return _convert(value.value, place)
    if isinstance(value, _BYTES):
        return b64encode(value).decode("ascii")
    if isinstance(value, _SCALARS):
        return _scalar(value, place)
    return _convert(_members(value, place), place)


def _scalar(value: str | float | Decimal | date | time | timedelta | UUID, place: Place) -> str | int | float:
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float() | Decimal():
            return _number(value, place)
        case UUID():
            return str(value)
        case timedelta():
            return _duration(value)
        case _:
            return str(value.isoformat())


def _duration(value: timedelta) -> str:
    """Return a duration as ISO 8601 has it, with the sign before it where it is negative."""
    length = abs(value)
    days = f"{length.days}D" if length.days else ""
    rest = length - timedelta(length.days)
    seconds = f"{rest.seconds}.{rest.microseconds:06}".rstrip("0").rstrip(".")
    time_of_day = f"T{seconds}S" if rest or not days else ""
    return f"{'-' if value < timedelta() else ''}P{days}{time_of_day}"


def _number(value: float | Decimal, place: Place) -> int | float:
    """Return whole decimals exactly, and fractions as floats, which is what JSON readers make of them."""
    if not isfinite(value) or (isinstance(value, Decimal) and value.adjusted() > _LARGEST_FLOAT):
        raise _unsupported(value, place)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return float(value)


def _key(key: object, place: Place) -> str:
    """Return a key as text: numbers and true, false, null as ``json`` writes them."""
    form = _convert(key, (place, str(key)))
    if isinstance(form, list | dict):
        raise _unsupported(key, (place, str(key)))
    return form if isinstance(form, str) else json.dumps(form)


def _members(value: Any, place: Place) -> object:  # noqa: ANN401 - asked for its members
    """Return the members of a dataclass, a Struct or a model (pydantic's, PynamoDB's).

    Of numpy's scalars and arrays, which aren't imported for that, Python's own (``tolist``).
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, type):
        if hasattr(value, "__struct_encode_fields__"):  # msgspec's, whose JSON may have names of its own
            names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
            return {name: getattr(value, own) for name, own in names}
        if callable(dump := getattr(value, "model_dump", None)):
            return dump()
        if isinstance(values := getattr(value, "attribute_values", None), Mapping):
            return values
        if callable(getattr(value, "tolist", None)) and type(plain := _plain(value)) is not type(value):
            return plain
    raise _unsupported(value, place)


def _plain(value: Any) -> object:  # noqa: ANN401 - numpy isn't the layer's
    """Return a scalar or an array of numpy's as Python's own; ``tolist`` makes numbers of nanoseconds.

    numpy.org/doc/stable/reference/arrays.datetime.html
    """
    if (dtype := str(getattr(value, "dtype", ""))).endswith(_FINER_THAN_PYTHONS):
        value = value.astype(dtype.partition("[")[0] + "[us]")
    return value.tolist()


def _unsupported(value: object, place: Place) -> ResultError:
    what = str(value) if isinstance(value, float | Decimal) else type(value).__qualname__
    return ResultError(f"The function's result can't be sent as JSON: {what} at {_path(place)}")


def _path(place: Place) -> str:
    """Return a place as ``result.items[3].owner``."""
    if place is None:
        return "result"
    container, step = place
    return _path(container) + (f"[{step}]" if isinstance(step, int) else f".{step}")
