"""A typed function's arguments: each value as its parameter's type, or all that is wrong, in one error.

Query, path and headers are text: it is taken as it is if the type takes text, else as the JSON number, true
or false that it spells. JSON is taken as it is.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from silvaengine.errors import InvalidArgumentsError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import decoder_by_loaded
from silvaengine.protocol.messages import RESERVED_PARAMETERS, WorkerCall
from silvaengine_worker.arguments import (
    OBJECT,
    Arguments,
    offered_names,
    public_name,
    read_body,
    refuse_constant,
)
from silvaengine_worker.typed.context import read_context
from silvaengine_worker.typed.faults import ABSENT, LIMIT, Fault, InvalidValueError, json_type, step
from silvaengine_worker.typed.numbers import read_number, whole_number
from silvaengine_worker.typed.signature import BODY, Signature, ValueType

type Place = Literal["query", "path", "header", "body"]

_SCALAR = re.compile(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ROUTED = frozenset({"endpoint_id", "area"})  # of every request, and no client's
_CONSTANTS = {"true": True, "false": False}
_FORM_TYPE = "application/x-www-form-urlencoded"  # also what `curl -d` says of JSON
_MULTIPART = "multipart/form-data"


_decode = decoder_by_loaded(read_number, refuse_constant)


class _Value(NamedTuple):
    """A value as it came: decoded JSON, with the form "text" every text under its name.

    That of a body that is no object of parameters is "whole".
    """

    place: Place
    value: Any
    form: Literal["json", "text", "whole"] = "json"


def fit_typed_arguments(call: WorkerCall, signature: Signature) -> Arguments:
    """Return the arguments of a call.

    Raises:
        InvalidArgumentsError: 422; its details are the first hundred faults.
        RequestError: the body isn't JSON.
    """
    read = _read_body_at_once(call, signature.parameters[BODY]) if signature.takes_body else {}
    if read and signature.takes_body_alone and call.params.keys() <= _ROUTED and call.socket is None:
        return signature.plain.arrange(read)
    context = call.read_context(_decode) or {}
    arguments = read | (_given(call, context, signature.given) if signature.given else {})
    details: list[dict[str, str]] = []
    values = _values(call, context, signature, is_body_read=bool(read))
    for name, value in values.items():
        value_type = signature.parameters.get(name) if value.form == "whole" else signature.type_of(name)
        if value_type is None:
            message = "Expected `object`" if value.form == "whole" else "Unknown"
            faults: tuple[Fault, ...] = (Fault("", message, json_type(_shown(value))),)
        else:
            try:
                arguments[name] = _convert(value_type, value, call, context)
                continue
            except InvalidValueError as error:
                faults = error.faults
        pointer = "" if value.form == "whole" else _pointer(name, signature)
        details += [fault._replace(path=pointer + fault.path).detail(value.place) for fault in faults]
    for name in signature.plain.required:
        if name not in values and name not in arguments:
            place = _expected_place(name, call, signature)
            pointer = "" if name == BODY else _pointer(name, signature)
            fault = Fault(pointer, "Required", json_type(ABSENT))
            details.append(fault.detail(place))
    if details:
        raise InvalidArgumentsError(_summary(call, details), details[:LIMIT])
    return signature.plain.arrange(arguments)


def _read_body_at_once(call: WorkerCall, value_type: ValueType) -> dict[str, object]:
    """Return the argument that is the whole body, none where it takes more than its text to say so."""
    if call.body and call.aws_event is None:
        try:
            return {BODY: value_type.convert_text(call.body)}
        except (ValueError, ArithmeticError, RecursionError):
            pass
    return {}


def _given(call: WorkerCall, context: Mapping[str, Any], names: frozenset[str]) -> dict[str, object]:
    """Return what only the framework fills, as far as the call has it."""
    given = {name: getattr(call, name, None) or call.params.get(name) for name in names}
    if "context" in given:
        given["context"] = read_context(call, context)
    return {name: value for name, value in given.items() if value is not None}


def _summary(call: WorkerCall, details: list[dict[str, str]]) -> str:
    """Return a message for callers that get no details, such as other functions."""
    first, others = details[0], len(details) - 1
    place = f"{first['in']} {first['path']}".rstrip()
    more = f", and {others} more" if others else ""
    return f"Function {public_name(call)!r} can't take {place}: {first['message']}{more}"


def _pointer(name: str, signature: Signature) -> str:
    return step(signature.headers.get(name, name))


def _expected_place(name: str, call: WorkerCall, signature: Signature) -> Place:
    if name in signature.headers:
        return "header"
    is_without_body = _is_http(call) and call.body is None and name != BODY
    return "query" if is_without_body else "body"


def _is_http(call: WorkerCall) -> bool:
    return call.socket is None and (call.context is not None or call.aws_event is not None)


def _values(
    call: WorkerCall, context: Mapping[str, Any], signature: Signature, *, is_body_read: bool
) -> dict[str, _Value]:
    """Return the values of a call; what the framework offers to functions only where one takes it."""
    values = _params(call, context, signature)
    if is_body_read:
        values.pop(BODY, None)
    elif call.aws_event is None and call.body:
        body = read_body(call.body, _decode)
        if BODY in signature.parameters or not isinstance(body, dict):
            values[BODY] = _Value("body", body, "whole")
        else:
            for name, member in body.items():
                is_of_path = name in values and values[name].place == "path"
                if not (is_of_path or (signature.rest and name in RESERVED_PARAMETERS)):
                    values[name] = _Value("body", member)
    if signature.headers:
        headers = _headers(call, context)
        for name, header in signature.headers.items():
            values.pop(name, None)
            if header in headers:
                texts = _header_texts(headers[header], signature.parameters[name])
                values[name] = _Value("header", texts, "text")
    return values


def _header_texts(text: str, value_type: ValueType) -> list[str]:
    """Return a header's members if it is a list, whose empty ones don't count: RFC 9110, section 5.6.1."""
    return [each.strip() for each in text.split(",") if each.strip()] if value_type.takes_list else [text]


def _params(call: WorkerCall, context: Mapping[str, Any], signature: Signature) -> dict[str, _Value]:
    offered = offered_names(call)
    is_text = _is_http(call) or offered >= OBJECT
    query = context.get("query")
    values = {}
    for name, value in call.params.items():
        is_of_query = is_text and query is not None and name in query
        if name in offered and not is_of_query and name not in signature.parameters:
            continue
        place: Place = "body"
        if is_text:
            place = "query" if query is None or is_of_query else "path"
        if is_text and isinstance(value, str):
            values[name] = _Value(place, (query or {}).get(name) or [value], "text")
        else:
            values[name] = _Value(place, _whole_numbers(value))
    return values


def _headers(call: WorkerCall, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the headers by lower-case name; none for what isn't a request."""
    headers = (context or call.aws_event or {}).get("headers") or {}
    return {name.lower(): value for name, value in headers.items()}


def _convert(value_type: ValueType, value: _Value, call: WorkerCall, context: Mapping[str, Any]) -> object:
    """Return a value as one of a type; raises InvalidValueError."""
    if value.form == "text":
        return _convert_text(value_type, value.value)
    try:
        return value_type.convert(value.value)
    except InvalidValueError:
        media_type = _headers(call, context).get("content-type", "").partition(";")[0].strip().lower()
        if media_type == _MULTIPART:
            return _convert_parts(value_type, value.value)
        if media_type == _FORM_TYPE and isinstance(value.value, str):
            return _convert_text(value_type, [value.value])
        raise


def _convert_parts(value_type: ValueType, value: Any) -> object:  # noqa: ANN401 - decoded JSON
    """Return a form's parts of one name as one of a type; of a file it may be the content alone."""
    values = value if isinstance(value, list) else [value]
    if all(isinstance(each, str) for each in values):
        return _convert_text(value_type, values)
    try:
        return value_type.convert(values if value_type.takes_list else values[-1])
    except InvalidValueError:
        if not any(isinstance(each, dict) and "content" in each for each in values):
            raise
        contents = [each.get("content") if isinstance(each, dict) else each for each in values]
        return value_type.convert(contents if value_type.takes_list else contents[-1])


def _convert_text(value_type: ValueType, texts: list[str]) -> object:
    value: Any = texts if value_type.takes_list else texts[-1]
    spelled: Any = list(map(_spell, texts)) if value_type.takes_list else _spell(texts[-1])
    if not value_type.takes_text:
        return value_type.convert(spelled)
    try:
        return value_type.convert(value)
    except InvalidValueError as error:
        try:
            return value_type.convert(spelled)
        except InvalidValueError:
            raise error from None


def _spell(text: str) -> object:
    """Return the JSON number, true or false that a text spells, any other text as it is."""
    if not _SCALAR.fullmatch(text):
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        return read_number(text)
    except ArithmeticError:  # an exponent beyond Decimal's
        return text


def _whole_numbers(value: object) -> object:
    if isinstance(value, Decimal):
        return whole_number(value)
    if isinstance(value, dict):
        return {name: _whole_numbers(member) for name, member in value.items()}
    return [_whole_numbers(member) for member in value] if isinstance(value, list) else value


def _shown(value: _Value) -> object:
    return value.value[-1] if value.form == "text" else value.value
