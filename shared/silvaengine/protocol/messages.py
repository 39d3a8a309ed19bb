"""Messages between Lambdas: the payload for a worker, and what it returns.

``MODULENAME`` to ``context``, and their JSON texts inside JSON, are fixed by docs/contract.md;
``invocation``, ``job``, ``release``, ``typed``, ``keep_empty``, ``content_url`` and ``socket`` are additions.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from silvaengine.errors import ErrorDetails, LoopError, RequestError, SilvaEngineError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import decode, decoder_by_loaded, encode

type ResponseKind = Literal["text", "json", "base64", "error"]
type OnLost = Literal["fail", "retry"]

# docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
SYNC_LIMIT = 6_291_456  # bytes, 6 MB each way
EVENT_LIMIT = 1_048_576  # bytes, 1 MB

CACHED_CALLEES = 128  # cached payload prefixes
CACHED_SETTING = 32_768  # characters of the settings in one at the most; a row has up to 400 KB

# Parameters that only the framework sets, not a client's query or body.
RESERVED_PARAMETERS = frozenset(
    {"endpoint_id", "area", "context", "aws_event", "aws_context", "connection_id"}
)

# The longest chain of calls between functions. AWS ends loops of Lambda, SQS and SNS after some 16 calls of
# one function, if the trace header was passed on; this ends them earlier, and says why:
# docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
MAX_HOPS = 8

make = tuple.__new__
"""Makes a named tuple of all its members, for half of what its class takes: each call makes five."""

RESPONSE_MARK = "silvaengine"
RESPONSE_VERSION = 1


class Invocation(NamedTuple):
    """The context of a call: request, tenant, function and deadline.

    ``request_id`` is the framework's, never Lambda's. ``deadline`` is in epoch seconds, None if no caller
    waits for the response. ``attempt`` counts from 1; ``hops`` is the number of calls between functions that
    led here. ``traceparent`` is the caller's (``silvaengine.protocol.trace_context``); None from callers of
    0.2 and before. ``grant`` lets the function broadcast (``silvaengine.websocket.broadcast_tokens``).
    """

    request_id: str
    endpoint_id: str
    area: str
    function: str
    deadline: float | None
    attempt: int = 1
    hops: int = 0
    traceparent: str | None = None
    grant: str | None = None

    def members(self) -> dict[str, Any]:
        """Return the members in a payload."""
        return invocation_members(*self)


def invocation_members(
    request_id: str,
    endpoint_id: str,
    area: str,
    function: str,
    deadline: float | None,
    attempt: int = 1,
    hops: int = 0,
    traceparent: str | None = None,
    grant: str | None = None,
) -> dict[str, Any]:
    """Return what ``Invocation.members`` returns, without making one for each request of a gateway."""
    members: dict[str, Any] = {
        "request_id": request_id, "endpoint_id": endpoint_id, "area": area, "function": function,
        "deadline": deadline, "attempt": attempt, "hops": hops,
    }  # fmt: skip
    if traceparent is not None:
        members["traceparent"] = traceparent
    if grant is not None:
        members["grant"] = grant
    return members


class ExecutionRef(NamedTuple):
    """An execution of the ledger, as a worker needs it to begin and to settle it.

    ``owner`` is the caller's token for the row. ``claimed`` is true if a waiting caller has claimed the row
    for the worker. ``effect`` and ``fence`` are the function's fencing token. With
    ``kept_due``, a failure that a waiting caller hasn't acknowledged within a minute is retried by the
    sweeper.
    """

    job_id: str
    owner: str
    effect: str
    fence: int
    attempt: int
    max_attempts: int
    on_lost: OnLost
    keep_seconds: int
    backoff_seconds: int
    claimed: bool = False
    kept_due: bool = False


class ReplyTo(NamedTuple):
    """The WebSocket connection of a call, to which the worker pushes the result.

    ``message_id`` is the client's id of the call, None without one. ``wants_result`` is False if the function
    pushes itself; errors are pushed all the same.
    """

    connection_id: str
    message_id: str | None
    wants_result: bool


class Callee(NamedTuple):
    """The function that a worker calls.

    ``class_name`` is empty for a plain one; ``setting`` is the JSON text of the merged settings; ``release``
    is the digest of the release that it is of, which its worker compares; empty for what isn't published.
    ``typed`` says that its signature decides what its parameters are (docs/functions.md), ``keep_empty``
    that an untyped one gets null and empty text, too.
    """

    module_name: str
    class_name: str
    function: str
    setting: str
    release: str = ""
    typed: bool = False
    keep_empty: bool = False


class WorkerCall(NamedTuple):
    """A call of one function.

    In areas with full events ``aws_event`` and ``aws_context`` replace ``body`` and ``context``. A decoded
    call's ``context`` is what the payload has, JSON text: most functions don't take it (``read_context``).
    With ``is_brief`` the context has only what a worker itself reads of it (``Worker``). ``invocation`` is
    absent if the caller is the predecessor's gateway or a package. ``job`` is present if
    the ledger holds the call; ``content_url`` may then replace its content. ``socket`` is present if a client
    sent it over a WebSocket.
    """

    callee: Callee
    params: Mapping[str, Any]
    body: str | None = None
    context: Mapping[str, Any] | str | None = None
    aws_event: Mapping[str, Any] | None = None
    aws_context: Mapping[str, Any] | None = None
    invocation: Invocation | None = None
    job: ExecutionRef | None = None
    content_url: str | None = None
    socket: ReplyTo | None = None
    is_brief: bool = False

    def encode(self, content: str | None = None) -> str:
        """Return the payload as JSON text; ``content`` is the ledger's, for a call with a ``job``."""
        members: dict[str, Any] = {}
        if self.content_url is not None:
            members = {"content_url": self.content_url}
        elif content is None:
            members = self._content()
        if self.invocation is not None:
            members["invocation"] = self.invocation.members()
        if self.job is not None:
            members["job"] = self.job._asdict()
        if self.socket is not None:
            members["socket"] = self.socket._asdict()
        first = _payload_prefix(self.callee)
        if content and content != "{}":
            first += f",{content[1:-1]}"
        return f"{first},{encode(members)[1:]}"

    def content(self) -> str:
        """Return the call without settings and ids, as JSON text for the ledger."""
        return encode(self._content())

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {"params": encode(self.params)}
        if self.aws_event is not None:
            content["aws_event"] = encode(self.aws_event)
            content["aws_context"] = encode(self.aws_context)
        elif self.context is not None:
            content["body"] = self.body
            content["context"] = encode(self.context)
        return content

    @classmethod
    def decode(cls, payload: Mapping[str, Any]) -> "WorkerCall":
        """Return the call of a payload, with whole numbers as int and fractions as Decimal.

        Raises:
            RequestError: a member is missing or malformed; the message names it.
        """
        get = payload.get
        body, invocation, job, socket = get("body"), get("invocation"), get("job"), get("socket")
        module, kind, function = get("MODULENAME"), get("CLASSNAME", ""), get("funct")
        setting, release, url = get("setting", ""), get("release", ""), get("content_url", "")
        if not (
            type(module) is type(kind) is type(function) is type(setting) is type(release) is type(url) is str
        ):
            module, kind, function, setting, release, url = _texts(payload)
        is_typed, keeps_empty = get("typed") is True, get("keep_empty") is True
        callee = (module, kind, function, setting or "{}", release, is_typed, keeps_empty)
        members = (
            make(Callee, callee),
            _object(payload, "params") or {},
            body if body is None or isinstance(body, str) else json.dumps(body),
            get("context"),
            _object(payload, "aws_event") if "aws_event" in payload else None,
            _object(payload, "aws_context") if "aws_context" in payload else None,
            None if invocation is None else _read_invocation(invocation),
            None if job is None else _read(ExecutionRef, "job", job),
            url or None,
            None if socket is None else _read(ReplyTo, "socket", socket),
            get("brief") is True,
        )
        return make(cls, members)

    def read_context(self, decode: Callable[[str], Any] | None = None) -> Mapping[str, Any] | None:
        """Return the context as an object, decoded in that way; raises what ``WorkerCall.decode`` raises."""
        return _object({"context": self.context}, "context", decode or _decode)


def encode_call(
    callee: Callee,
    params: Mapping[str, Any],
    body: str | None,
    context: str,
    invocation: Mapping[str, Any],
    *,
    is_brief: bool,
) -> str:
    """Return what ``WorkerCall.encode`` returns, without making one for each request of a gateway.

    ``context`` is JSON text; the others are as there.
    """
    members: dict[str, Any] = {
        "params": encode(params),
        "body": body,
        "context": context,
        "invocation": invocation,
    }
    if is_brief:
        members["brief"] = True
    return f"{_payload_prefix(callee)},{encode(members)[1:]}"


class WorkerResponse(NamedTuple):
    """The result of a call: a function's text as it is, a JSON value, bytes as base64 text, or an error.

    An error's ``value`` is its public message, ``status`` its HTTP status; ``details`` and ``code`` are those
    of a SilvaEngineError. ``takes_context`` is False where the function needn't be sent the next context.
    """

    kind: ResponseKind
    value: Any
    status: int = 200
    error_type: str = ""
    details: ErrorDetails = ()
    code: str = ""
    takes_context: bool = True

    def encode(self) -> dict[str, Any]:
        """Return the response to a caller that sent an ``invocation``.

        It is spelled out because ``_asdict`` would take 1.6 % of a worker's whole call.
        """
        kind, value, status, error_type, details, code, takes_context = self
        members = {
            RESPONSE_MARK: RESPONSE_VERSION,
            "kind": kind,
            "value": value,
            "status": status,
            "error_type": error_type,
        }
        if details:
            members["details"] = details
        if code:
            members["code"] = code
        if not takes_context:
            members["takes_context"] = False
        return members

    @classmethod
    def read(cls, text: bytes | str) -> "WorkerResponse":
        """Return the response in the JSON text of a Lambda's result; raises ValueError if it isn't JSON."""
        return cls.decode(decode(text or b"null"))

    @classmethod
    def decode(cls, payload: object) -> "WorkerResponse":
        """Return a worker's response; without the mark the payload is the bare result of a foreign worker."""
        if isinstance(payload, dict) and payload.get(RESPONSE_MARK) == RESPONSE_VERSION:
            return cls(
                payload["kind"],
                payload["value"],
                payload.get("status", 200),
                payload.get("error_type", ""),
                payload.get("details", ()),
                payload.get("code", ""),
                payload.get("takes_context", True),
            )
        return cls("text" if isinstance(payload, str) else "json", payload)


def error_of(response: WorkerResponse) -> SilvaEngineError:
    """Return the error that a response reports, for a client."""
    status = response.status if response.status in range(400, 600) else 500
    error = SilvaEngineError(str(response.value), status=status, detail=response.error_type)
    error.code, error.details = response.code, response.details
    return error


def check_hops(hops: object) -> int:
    """Return the number of hops that a call between functions carries; None is 0.

    Raises:
        LoopError: 508, it is more than 8.
        RequestError: it isn't a whole number of at least 0.
    """
    if hops is None:
        return 0
    if type(hops) is not int or hops < 0:
        raise RequestError("hops must be a non-negative integer")
    if hops > MAX_HOPS:
        message = f"Functions have called one another more than {MAX_HOPS} times; this looks like a loop"
        raise LoopError(message)
    return hops


def _payload_prefix(callee: Callee) -> str:
    """Return a payload up to the call's own members, cached unless its settings are long."""
    is_short = len(callee.setting) <= CACHED_SETTING
    return (_short_prefix if is_short else _short_prefix.__wrapped__)(callee)


@lru_cache(CACHED_CALLEES)
def _short_prefix(callee: Callee) -> str:
    members: dict[str, Any] = dict(zip(_TEXTS, callee[:-2], strict=False))
    if not callee.release:
        del members["release"]
    if callee.typed:
        members["typed"] = True
    if callee.keep_empty:
        members["keep_empty"] = True
    return encode(members)[:-1]


_decode = decoder_by_loaded(parse_float=Decimal)
_TEXTS = {
    "MODULENAME": None,
    "CLASSNAME": "",
    "funct": None,
    "setting": "",
    "release": "",
    "content_url": "",
}
"""The members that are text and their defaults, those of a callee first; None where one must be there."""


def _texts(payload: Mapping[str, Any]) -> list[str]:
    """Return them, an absent one's default; raises RequestError for what is no text."""
    texts = []
    for member, default in _TEXTS.items():
        value = payload.get(member)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise _malformed(member, "a string", value)
        texts.append(value)
    return texts


def _object(
    payload: Mapping[str, Any], member: str, decode: Callable[[str], Any] = _decode
) -> Mapping[str, Any] | None:
    """Return a member that is an object, as JSON text or, from lenient callers, as it is."""
    value = payload.get(member)
    if isinstance(value, str):
        try:
            value = decode(value)
        except (ValueError, ArithmeticError):  # an exponent may exceed Decimal's
            raise _malformed(member, "a JSON object as a string", value) from None
    if value is not None and not isinstance(value, dict):
        raise _malformed(member, "a JSON object as a string", value)
    return value


def _read_invocation(value: Mapping[str, Any]) -> Invocation:
    """Return what ``_read`` does, for half: each call has one."""
    try:
        get = value.get
        members = (
            value["request_id"], value["endpoint_id"], value["area"], value["function"], value["deadline"],
            get("attempt", 1), get("hops", 0), get("traceparent"), get("grant"),
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError):
        return _read(Invocation, "invocation", value)
    return make(Invocation, members)


def _read[Message: (Invocation, ExecutionRef, ReplyTo)](
    kind: type[Message], member: str, value: Mapping[str, Any]
) -> Message:
    try:
        # a newer Lambda's additions are dropped: a deployment updates one after the other
        return kind(**{name: value[name] for name in kind._fields if name in value})
    except TypeError:
        raise _malformed(member, f"an object with {', '.join(kind._fields)}", value) from None


def _malformed(member: str, expected: str, value: object) -> RequestError:
    return RequestError(f"Payload member {member!r}: expected {expected}, found {type(value).__name__}")
