"""The path of a message: read it, find its function, check that it may be called, send it to the worker.

The gateway doesn't wait for the function: the worker pushes the response.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import Admission, check_access
from silvaengine.authorization.events import Members
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import NotFoundError, SilvaEngineError
from silvaengine.protocol.messages import Invocation, ReplyTo, WorkerCall, error_of
from silvaengine.protocol.trace_context import read_traceparent
from silvaengine.registry.model import Function, KeyAccess
from silvaengine.websocket import frames
from silvaengine.websocket.pushing import Pusher
from silvaengine_websocket.event import SocketEvent, read_connection_id
from silvaengine_websocket.hooks import call_hook
from silvaengine_websocket.message import Message, read_message, read_object, read_ref, read_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.ledger.dispatch import TokenIssuer
    from silvaengine_websocket.idempotent_calls import IdempotentCalls


class Gateway:
    """The calls that clients' messages make of functions; ``open_idempotent`` is for those with ``once``."""

    def __init__(
        self,
        admission: Admission,
        invoker: Invoker,
        pusher: Pusher,
        open_idempotent: "Callable[[], IdempotentCalls]",
        issue_token: "TokenIssuer",
    ) -> None:
        self._admission = admission
        self._invoker = invoker
        self._pusher = pusher
        self._open_idempotent = open_idempotent
        self._issue_token = issue_token

    def serve(self, call: SocketEvent) -> None:
        """Serve one message; raises SilvaEngineError, which the client has to get as an error frame."""
        members = _read_members(call)
        if members is None:
            return self._push(call, frames.PONG)
        message = read_message(members, call.ref)
        call.log.add(function=message.funct)
        call.log.begin_step("resolve")
        socket = call.socket
        key_access, _ = self._admission.admit(
            socket.endpoint_id, socket.api_key, socket.area, socket.stage, is_row_key=True
        )
        check_access(key_access, "invoke", "functions", socket.context)
        call_hook("on_message", key_access, self._admission.open_authorization, call.event, call.context)
        function = self._admission.function(key_access, message.funct, socket.area)
        if function.release is not None:
            call.log.add(**function.release.fields)
        call.log.begin_step("authorize")
        context = self._permit(call, key_access, function) if function.auth_required else socket.context
        call.log.begin_step("invoke")
        return self._invoke(call, message, key_access, function, context)

    def refuse(self, call: SocketEvent, error: SilvaEngineError) -> None:
        """Push an error frame to the sender; raises what ``Pusher.push`` raises."""
        message_id, function = call.ref
        frame = frames.error(
            message_id,
            function,
            status=error.status,
            message=error.message,
            request_id=call.request_id,
            details=error.details,
            code=error.code,
        )
        self._push(call, frame)

    def refuse_unread(self, call: SocketEvent, error: SilvaEngineError) -> None:
        """Refuse a message of which nothing is known yet, under its id if that can be read."""
        with suppress(SilvaEngineError):
            _read_members(call)
        self.refuse(call, error)

    def _push(self, call: SocketEvent, frame: str) -> None:
        """Push a frame to the sender, unless it is gone."""
        try:
            self._pusher.push(read_connection_id(call.event), frame, call.deadline)
        except NotFoundError:
            call.log.add(gone=True)

    def _permit(self, call: SocketEvent, key_access: KeyAccess, function: Function) -> Members:
        """Return the context that the authorizer lets the function see."""
        # lazy: only a function with ``auth_required`` needs it
        from silvaengine.authorization.model import AccessRequest

        asked = AccessRequest(
            call.event, call.socket.context, key_access, function, lambda_context=call.context
        )
        authorization = self._admission.open_authorization()
        return authorization.verify_permission(asked, call.socket.principal).context

    def _invoke(
        self, call: SocketEvent, message: Message, key_access: KeyAccess, function: Function, context: Members
    ) -> None:
        grant = self._issue_token(call.socket.endpoint_id) if function.broadcasts else None
        worker_call, reply_to = _worker_call(call, message, function, context, grant)
        if not message.is_once:
            payload = worker_call._replace(socket=reply_to).encode()
            self._invoker.invoke(
                function.aws_lambda_arn,
                payload,
                event=True,
                deadline=call.deadline,
                is_isolated=function.is_isolated,
            )
            return
        caller = f"{key_access.key_row_endpoint} {key_access.api_key} {call.socket.principal}"
        first = self._open_idempotent().serve(worker_call, reply_to, function, caller, call.deadline)
        if first is None:
            return
        first = frames.unpack(first)
        if first.kind == "error":
            self.refuse(call, error_of(first))
        else:
            self._push(call, frames.result(message.id or "", function.name, frames.data_text(first)))


def _read_members(call: SocketEvent) -> Members | None:
    """Read the members of a message, and its ``ref``; return None for a ping."""
    text = read_text(call.event.get("body"), is_base64=call.event.get("isBase64Encoded") is True)
    if text == frames.PING:
        return None
    members = read_object(text)
    call.ref = read_ref(members)
    call.log.follow(read_traceparent(members.get("trace")))
    return members


def _worker_call(
    call: SocketEvent, message: Message, function: Function, context: Members, grant: str | None
) -> tuple[WorkerCall, ReplyTo]:
    """Return the worker's payload for a message, and where its response goes."""
    socket = call.socket
    params: dict[str, Any] = {
        "endpoint_id": socket.endpoint_id,
        "area": socket.area,
        "connection_id": socket.connection_id,
        "funct": message.funct,
        "payload": message.payload,
    }
    tenant, traceparent = (socket.endpoint_id, socket.area), call.log.traceparent
    invocation = Invocation(call.request_id, *tenant, function.name, None, 1, 0, traceparent, grant)
    worker_call = WorkerCall(function.callee, params, message.body, context, None, None, invocation)
    wants_result = message.id is not None or function.funct_type != "Event"
    return worker_call, ReplyTo(socket.connection_id, message.id, wants_result)
