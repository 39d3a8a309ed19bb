"""The story of a message: read it, find its function, see whether it may be called, hand it to the worker.

Nobody waits here for the function: the worker pushes what becomes of the call.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from silvaengine import messages
from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine.invocation import LambdaInvoker
from silvaengine.messages import Invocation, WorkerCall
from silvaengine.registry import Connection, Function, Registry
from silvaengine.telemetry import InvocationLog
from silvaengine.websocket import frames
from silvaengine.websocket.pushing import Pusher
from silvaengine_websocket.event import Members, Socket
from silvaengine_websocket.message import (
    Message,
    Refusal,
    is_ping,
    read_message,
    read_names,
    read_object,
    read_text,
)

type Permit = Callable[[Members, Socket, Connection, Function], None]


class Call:
    """One message, and what becomes known of it for the log, for a refusal and for notices.

    ``deadline`` is in epoch seconds.
    """

    __slots__ = ("deadline", "event", "function", "log", "names", "request_id", "socket")

    def __init__(
        self, request_id: str, event: Members, socket: Socket, deadline: float, log: InvocationLog
    ) -> None:
        self.request_id = request_id
        self.event = event
        self.socket = socket
        self.deadline = deadline
        self.log = log
        self.names = Refusal()
        self.function: Function | None = None


class Gateway(NamedTuple):
    """Brings messages to functions.

    Args:
        registry: knows which function a message means.
        invoker: reaches the workers.
        pusher: tells the client what the gateway itself has to say.
        permit: raises what refuses a call of a function.

    """

    registry: Registry
    invoker: LambdaInvoker
    pusher: Pusher
    permit: Permit

    def serve(self, call: Call) -> None:
        """Hand one message on; raises SilvaEngineError when that fails, of which the client is to be told."""
        text = read_text(call.event.get("body"), is_base64=call.event.get("isBase64Encoded") is True)
        if is_ping(text):
            return self.push(call, frames.PONG)
        members = read_object(text)
        call.names = read_names(members)
        message = read_message(members)
        call.log.fields(function=message.funct)
        with call.log.timed("resolve"):
            connection, call.function = self._resolve(call.socket, message)
        with call.log.timed("authorize"):
            self.permit(call.event, call.socket, connection, call.function)
        with call.log.timed("invoke"):
            payload = worker_call(call, message, call.function).encode()
            self.invoker.invoke(call.function.aws_lambda_arn, payload, event=True, deadline=call.deadline)
        return None

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

    def _resolve(self, socket: Socket, message: Message) -> tuple[Connection, Function]:
        self.registry.refresh()
        connection = self.registry.connection(
            socket.endpoint_id, socket.api_key, socket.area, socket.stage or None
        )
        function = self.registry.function(connection, message.funct)
        if function.area != socket.area:
            message_text = f"Function {function.name!r} is not in area {socket.area!r}"
            raise RequestError(message_text, status=403)
        return connection, function


def worker_call(call: Call, message: Message, function: Function) -> WorkerCall:
    """Give the worker's payload for a message."""
    socket = call.socket
    params: dict[str, Any] = {
        "endpoint_id": socket.endpoint_id,
        "area": socket.area,
        "connection_id": socket.connection_id,
        "funct": message.funct,
        "payload": message.payload,
    }
    return WorkerCall(
        module_name=function.module_name,
        class_name=function.class_name,
        function=function.name,
        setting=function.setting_text,
        params=params,
        body=message.body,
        context={**socket.context, "channel": socket.endpoint_id, "area": socket.area},
        invocation=Invocation(call.request_id, socket.endpoint_id, socket.area, function.name, None),
        socket=messages.Socket(
            socket.connection_id, message.id, message.id is not None or function.funct_type != "Event"
        ),
    )
