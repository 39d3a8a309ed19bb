"""The arguments of a call: parameters, body and context of a payload, fitted to what the function takes."""

from decimal import Decimal
from typing import Any, NoReturn

from silvaengine.errors import RequestError
from silvaengine.protocol.json_codec import standard_decoder
from silvaengine.protocol.messages import RESERVED_PARAMETERS, WorkerCall
from silvaengine_worker.parameters import Parameters

_OFFERED = RESERVED_PARAMETERS | {"path"}
"""Names that reach a function only if it takes them."""

_OFFERED_BY_MESSAGE = _OFFERED | {"funct", "payload"}
"""The same for a call that came as a WebSocket message, whose own members are among them."""


def arguments(call: WorkerCall, parameters: Parameters) -> dict[str, Any]:
    """Return the values by name, fit for ``Parameters.call``; null and empty text count as absent.

    Raises:
        RequestError: the client's names and the function's differ; the message names the parameter.
    """
    offered = _OFFERED if call.socket is None else _OFFERED_BY_MESSAGE
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
    """Lay the body over the parameters and the context over both.

    A call with neither parameters nor body has no arguments at all, as in the contract.
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
    """Return a JSON object's members; other JSON as ``body``, and any other text as ``body`` unchanged."""
    if not body:
        return {}
    value = _decoded(body)
    if isinstance(value, dict):
        return {name: member for name, member in value.items() if name not in RESERVED_PARAMETERS}
    return {"body": value}


def _decoded(body: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _decode(body)
    except RecursionError:
        raise RequestError("The body is nested too deeply") from None
    except ArithmeticError:
        raise RequestError("The body has a number that is too large") from None
    except ValueError:
        return body


def _no_number(constant: str) -> NoReturn:
    raise RequestError(f"The body holds {constant}, which is no JSON")


_decode = standard_decoder(parse_float=Decimal, parse_constant=_no_number)


def _refusal(function: str, name: str) -> str:
    if name == "body":
        return f"Function {function!r} takes no parameter 'body': send a JSON object"
    return f"Function {function!r} takes no parameter {name!r}"
