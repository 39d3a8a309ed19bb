"""A function's parameters, read once from its signature, and a call's arguments, which fit them by name.

The arguments are params, body and context of a payload.
"""

import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, Self

from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import standard_decoder
from silvaengine.protocol.messages import RESERVED_PARAMETERS, WorkerCall

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


_OFFERED = RESERVED_PARAMETERS | {"path"}
"""Names that are passed only to functions with such a parameter."""

_OFFERED_BY_MESSAGE = _OFFERED | {"funct", "payload"}
"""The same for a WebSocket message, whose own members are among them."""

_ROUTED = "path_parameters"
"""The context's member with the arguments of a route."""

OBJECT = frozenset({"bucket", "key", "id"})
"""What a call for an object of a bucket has, always all three; passed in the same way."""


type Arguments = tuple[list[object], dict[str, object]]
"""The arguments by position and by name."""


class Parameters(NamedTuple):
    """The parameters of a callable.

    ``positional`` are the positional-only ones, with their defaults. ``accepts_any`` stands for ``**kwargs``,
    ``variadic`` for ``*args``; ``receiver`` is a method's ``self`` or ``cls``, which not even ``**kwargs``
    takes a second time. A call with none but ``known`` names has no other values than those of ``names``.
    """

    positional: tuple[tuple[str, object], ...]
    names: frozenset[str]
    required: tuple[str, ...]
    accepts_any: bool
    variadic: bool
    receiver: str | None
    known: frozenset[str]
    takes_context: bool

    @classmethod
    def from_signature(cls, function: Callable[..., object], *, unbound: bool = False) -> Self:
        """Return the parameters of a signature; ``unbound`` leaves out the receiver of a class's method.

        Raises:
            ConfigurationError: Python has no signature for it, as for some classes written in C.
        """
        parameters = _parameters(function)
        has_receiver = unbound and parameters and parameters[0].kind in _POSITIONAL
        receiver = parameters.pop(0).name if has_receiver else None
        kinds = {parameter.kind for parameter in parameters}
        plain = [p for p in parameters if p.kind in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)]
        names, accepts_any = frozenset(p.name for p in plain), inspect.Parameter.VAR_KEYWORD in kinds
        return cls(
            positional=tuple(
                (p.name, p.default) for p in plain if p.kind is inspect.Parameter.POSITIONAL_ONLY
            ),
            names=names,
            required=tuple(p.name for p in plain if p.default is inspect.Parameter.empty),
            accepts_any=accepts_any,
            variadic=inspect.Parameter.VAR_POSITIONAL in kinds,
            receiver=receiver,
            known=names if accepts_any else names | _OFFERED,
            takes_context="context" in names or (accepts_any and receiver != "context"),
        )

    def untaken(self, names: Iterable[str]) -> list[str]:
        """Return those of the names by which no value can be passed, in their order."""
        if self.accepts_any:
            return [name for name in names if name == self.receiver]
        return [name for name in names if name not in self.names]

    def missing(self, names: Container[str]) -> str | None:
        """Return the first required parameter that isn't among the names."""
        for name in self.required:
            if name not in names:
                return name
        return None

    def arrange(self, values: dict[str, object]) -> Arguments:
        """Return values by name, which must be complete and none unknown, as the arguments of a call."""
        return [values.pop(name, default) for name, default in self.positional], values


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError("The function is misconfigured", detail=f"{function!r}: {error}") from error


def public_name(call: WorkerCall) -> str:
    """Return what clients call a function, which may be another name than the code's."""
    return call.invocation.function if call.invocation else call.callee.function


def fit_arguments(call: WorkerCall, parameters: Parameters) -> Arguments:
    """Return the arguments of a call; null and empty text count as absent, unless the function keeps them.

    Raises:
        RequestError: a parameter is unknown or missing; the message names it.
    """
    members = _members(call, parameters)
    if parameters.known.issuperset(members):
        names: Iterable[str] = parameters.names.intersection(members)
    else:
        names = _taken(call, parameters, members)
    values, keeps_empty = {}, call.callee.keep_empty
    for name in names:
        value = members[name]
        if keeps_empty or (value is not None and value != ""):
            values[name] = value
    if (missing := parameters.missing(values)) is not None:
        raise RequestError(f"Function {public_name(call)!r} requires the parameter {missing!r}")
    return parameters.arrange(values) if parameters.positional else ([], values)


def _taken(call: WorkerCall, parameters: Parameters, members: Mapping[str, Any]) -> list[str]:
    """Return the names by which values can be passed; raises RequestError for another that isn't offered."""
    untaken, offered = parameters.untaken(members), offered_names(call)
    for name in untaken:
        is_absent = members[name] in (None, "") and not call.callee.keep_empty
        if not (is_absent or name in offered):
            raise RequestError(_refusal(public_name(call), name))
    return [name for name in members if name not in untaken]


def offered_names(call: WorkerCall) -> frozenset[str]:
    """Return the names under which the framework itself passes values, to functions that take them."""
    offered = _OFFERED if call.socket is None else _OFFERED_BY_MESSAGE
    return offered | OBJECT if "bucket" in call.params and call.params.keys() >= OBJECT else offered


def _members(call: WorkerCall, parameters: Parameters) -> Mapping[str, Any]:
    """Return the params, overlaid by the body's members, which a route's don't give way to, and the context.

    A call with neither params nor body has no arguments at all, as the contract says. A context that the
    function doesn't take isn't parsed, unless there may be a route in it.
    """
    if not (call.params or call.body):
        return {}
    members, context = call.params, call.context
    if call.aws_event is not None:
        return {**members, "aws_event": call.aws_event, "aws_context": call.aws_context or {}}
    if call.body:
        members = {**members, **_body_members(call.body)}
    is_read = context is not None and (parameters.takes_context or _ROUTED in context)
    if is_read and (context := call.read_context()) is not None:
        # whoever was admitted by a path isn't admitted to a body's members
        members = {**members, **(context.get(_ROUTED) or {}), "context": context}
    return members


def _body_members(body: str) -> dict[str, Any]:
    """Return a JSON object's members; another JSON value, or text that isn't JSON, as ``body``."""
    value = read_body(body, _decode)
    if isinstance(value, dict):
        return {name: member for name, member in value.items() if name not in RESERVED_PARAMETERS}
    return {"body": value}


def read_body(body: str, decode: Callable[[str], Any]) -> Any:  # noqa: ANN401 - decoded JSON
    """Return the value of a body's JSON text, a text that isn't JSON as it is.

    Raises:
        RequestError: it is nested too deeply, or has a number that is too large.
    """
    try:
        return decode(body)
    except RecursionError:
        raise RequestError("The body is nested too deeply") from None
    except ArithmeticError:
        raise RequestError("The body contains a number that is too large") from None
    except ValueError:
        return body


def refuse_constant(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's decoder takes."""
    raise RequestError(f"The body contains {constant}, which is not valid JSON")


_decode = standard_decoder(parse_float=Decimal, parse_constant=refuse_constant)  # fractions are Decimal


def _refusal(function: str, name: str) -> str:
    hint = ": send a JSON object" if name == "body" else ""
    return f"Function {function!r} has no parameter {name!r}{hint}"
