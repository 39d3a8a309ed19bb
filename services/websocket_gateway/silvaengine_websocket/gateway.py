"""The story of a message: read it, find its function, see whether it may be called, hand it to the worker.

Nobody waits here for the function: the worker pushes what becomes of the call.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine import messages
from silvaengine.admission import admitted, check_access
from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine.invocation import LambdaInvoker
from silvaengine.messages import Invocation, WorkerAnswer, WorkerCall
from silvaengine.registry import Connection, Function, Registry
from silvaengine.telemetry import InvocationLog
from silvaengine.websocket import frames
from silvaengine.websocket.pushing import Pusher
from silvaengine_websocket.event import Members, Socket
from silvaengine_websocket.hooks import Hooks
from silvaengine_websocket.message import (
    Message,
    Refusal,
    is_ping,
    read_message,
    read_names,
    read_object,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.authorization.authorize import Authorization
    from silvaengine.ledger.dispatch import Granting
    from silvaengine.limits import Limiter
    from silvaengine_websocket.once import Once


class Call:
    """One message, and what becomes known of it for the log, for a refusal and for notices.

    ``context`` is Lambda's, ``deadline`` in epoch seconds.
    """

    __slots__ = ("context", "deadline", "event", "log", "names", "request_id", "socket")

    def __init__(
        self,
        request_id: str,
        event: Members,
        context: object,
        socket: Socket,
        deadline: float,
        log: InvocationLog,
    ) -> None:
        self.request_id = request_id
        self.event = event
        self.context = context
        self.socket = socket
        self.deadline = deadline
        self.log = log
        self.names = Refusal()


class Gateway(NamedTuple):
    """Brings messages to functions.

    Args:
        registry: knows which function a message means.
        invoker: reaches the workers.
        pusher: tells the client what the gateway itself has to say.
        open_authorization: gives what functions with ``auth_required`` need.
        open_limiter: gives what counts the calls of tenants and keys that have a limit.
        open_once: gives what calls need that must not run twice.
        hooks: the operator's functions that hear of messages.
        grant: gives what lets a function broadcast.

    """

    registry: Registry
    invoker: LambdaInvoker
    pusher: Pusher
    open_authorization: "Callable[[], Authorization]"
    open_limiter: "Callable[[], Limiter]"
    open_once: "Callable[[], Once]"
    hooks: Hooks
    grant: "Granting"

    def serve(self, call: Call) -> None:
        """Hand one message on; raises SilvaEngineError when that fails, of which the client is to be told."""
        text = read_text(call.event.get("body"), is_base64=call.event.get("isBase64Encoded") is True)
        if is_ping(text):
            return self.push(call, frames.PONG)
        members = read_object(text)
        call.names = read_names(members)
        message = read_message(members, call.names)
        call.log.fields(function=message.funct)
        call.log.enter("resolve")
        connection = self._connection(call.socket)
        self.hooks.call("on_message", connection, call.event, call.context)
        function = self._function(connection, call.socket, message)
        call.log.enter("authorize")
        shown = self._permit(call, connection, function)
        call.log.enter("invoke")
        return self._invoke(call, message, connection, function, shown)

    def refuse(self, call: Call, error: SilvaEngineError) -> None:
        """Tell the client why there is no answer; raises what ``push`` raises."""
        frame = frames.error(
            call.names.id,
            call.names.funct,
            status=error.status,
            message=error.message,
            request_id=call.request_id,
        )
        self.push(call, frame)

    def push(self, call: Call, frame: str) -> None:
        """Push a frame to the sender, unless it is gone; raises what ``Pusher.push`` raises."""
        try:
            self.pusher.push(call.socket.connection_id, frame, call.deadline)
        except NotFoundError:
            call.log.fields(gone=True)

    def _connection(self, socket: Socket) -> Connection:
        connection, _ = admitted(
            self.registry,
            self.open_limiter,
            socket.endpoint_id,
            socket.api_key,
            socket.area,
            socket.stage or None,
            is_known=True,
        )
        check_access(connection, "invoke", "functions", socket.context)
        return connection

    def _function(self, connection: Connection, socket: Socket, message: Message) -> Function:
        function = self.registry.function(connection, message.funct)
        if function.area != socket.area:
            text = f"Function {function.name!r} is not in area {socket.area!r}"
            raise RequestError(text, status=403)
        return function

    def _permit(self, call: Call, connection: Connection, function: Function) -> Members:
        """Give the context that the function is shown."""
        context = call.socket.context
        if not function.auth_required:
            return context
        from silvaengine.authorization.access import AccessRequest  # noqa: PLC0415 - not every function asks

        asked = AccessRequest(
            event=call.event,
            context=context,
            headers={},
            method="",
            connection=connection,
            function=function,
            lambda_context=call.context,
        )
        return self.open_authorization().verify_permission(asked, call.socket.principal).context

    def _invoke(
        self, call: Call, message: Message, connection: Connection, function: Function, context: Members
    ) -> None:
        grant = self.grant(function, call.socket.endpoint_id)
        worker_call, socket = _worker_call(call, message, function, context, grant)
        if not message.is_once:
            payload = worker_call._replace(socket=socket).encode()
            self.invoker.invoke(function.aws_lambda_arn, payload, event=True, deadline=call.deadline)
            return
        caller = f"{connection.owner} {connection.api_key} {call.socket.principal}"
        first = self.open_once().serve(worker_call, socket, function, caller, call.deadline)
        if first is not None:
            self.push(call, _repeated(call, socket, function, first))


def _repeated(call: Call, socket: messages.Socket, function: Function, first: WorkerAnswer) -> str:
    """Give the frame of the first call's answer."""
    message_id = socket.message_id or ""
    if first.kind != "error":
        return frames.result(message_id, function.name, frames.data_of(first))
    return frames.error(
        message_id,
        function.name,
        status=first.status,
        message=str(first.value),
        request_id=call.request_id,
    )


def _worker_call(
    call: Call, message: Message, function: Function, context: Members, grant: str | None
) -> tuple[WorkerCall, messages.Socket]:
    """Give the worker's payload for a message, and where its answer goes."""
    socket = call.socket
    params: dict[str, Any] = {
        "endpoint_id": socket.endpoint_id,
        "area": socket.area,
        "connection_id": socket.connection_id,
        "funct": message.funct,
        "payload": message.payload,
    }
    invocation = Invocation(
        call.request_id, socket.endpoint_id, socket.area, function.name, None, grant=grant
    )
    worker_call = WorkerCall(function.callee, params, message.body, context, invocation=invocation)
    wants_result = message.id is not None or function.funct_type != "Event"
    return worker_call, messages.Socket(socket.connection_id, message.id, wants_result)
