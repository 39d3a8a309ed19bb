"""The arguments of a call: params, body and context of a payload, fitted to the function's parameters."""

from decimal import Decimal
from typing import Any, NoReturn

from silvaengine.errors import RequestError
from silvaengine.protocol.json_codec import standard_decoder
from silvaengine.protocol.messages import RESERVED_PARAMETERS, WorkerCall
from silvaengine_worker.parameters import Parameters

_OFFERED = RESERVED_PARAMETERS | {"path"}
"""Names that are passed only to functions with such a parameter."""

_OFFERED_BY_MESSAGE = _OFFERED | {"funct", "payload"}
"""The same for a WebSocket message, whose own members are among them."""

_OBJECT = frozenset({"bucket", "key", "id"})
"""What a call for an object of a bucket has, always all three; passed in the same way."""


def fit_arguments(call: WorkerCall, parameters: Parameters) -> dict[str, Any]:
    """Return the values by name for ``Parameters.call``; null and empty text count as absent.

    Raises:
        RequestError: a parameter is unknown or missing; the message names it.
    """
    offered = _OFFERED if call.socket is None else _OFFERED_BY_MESSAGE
    if call.params.keys() >= _OBJECT:
        offered |= _OBJECT
    members = {
        name: value
        for name, value in _members(call).items()
        if value is not None and value != "" and (name not in offered or parameters.takes(name))
    }
    unknown = parameters.unknown(members)
    if unknown is not None:
        raise RequestError(_refusal(call.callee.function, unknown))
    missing = parameters.missing(members)
    if missing is not None:
        raise RequestError(f"Function {call.callee.function!r} requires the parameter {missing!r}")
    return members


def _members(call: WorkerCall) -> dict[str, Any]:
    """Return the params, overlaid by the body's members and the context.

    A call with neither params nor body has no arguments at all, as the contract says.
    """
    if not (call.params or call.body):
        return {}
    members = dict(call.params)
    if call.aws_event is None:
        members |= _body_members(call.body)
    for name in ("context", "aws_event", "aws_context"):
        if (value := getattr(call, name)) is not None:
            members[name] = value
    return members


def _body_members(body: str | None) -> dict[str, Any]:
    """Return a JSON object's members; another JSON value, or text that isn't JSON, as ``body``."""
    if not body:
        return {}
    value = _decode_body(body)
    if isinstance(value, dict):
        return {name: member for name, member in value.items() if name not in RESERVED_PARAMETERS}
    return {"body": value}


def _decode_body(body: str) -> object:  # fractions are Decimal
    try:
        return _decode(body)
    except RecursionError:
        raise RequestError("The body is nested too deeply") from None
    except ArithmeticError:
        raise RequestError("The body contains a number that is too large") from None
    except ValueError:
        return body


def _refuse_constant(constant: str) -> NoReturn:
    raise RequestError(f"The body contains {constant}, which is not valid JSON")


_decode = standard_decoder(parse_float=Decimal, parse_constant=_refuse_constant)


def _refusal(function: str, name: str) -> str:
    if name == "body":
        return f"Function {function!r} has no parameter 'body': send a JSON object"
    return f"Function {function!r} has no parameter {name!r}"
