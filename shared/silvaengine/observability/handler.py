"""The frame of every Lambda's handler: one log line for each event, and each failure recorded in one way."""

import logging
from collections.abc import Callable
from os import urandom
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog, encode_line

_logger = logging.getLogger(__name__)

type Handler = Callable[[Any, Any], Any]


class LambdaEvent:
    """One event of a Lambda.

    Args:
        event: what Lambda was invoked with.
        context: Lambda's.
        log: the invocation's line.
        request_id: of the call that the event is; a new one without.
        traceparent: of who made that call, where it has a request id and its caller is a Lambda of ours.
    """

    __slots__ = ("context", "event", "log", "request_id")

    def __init__(
        self,
        event: Any,  # noqa: ANN401 - from outside
        context: Any,  # noqa: ANN401 - likewise
        log: InvocationLog,
        request_id: str | None = None,
        traceparent: object = None,
    ) -> None:
        self.event = event
        self.context = context
        self.log = log
        self.request_id = log.request_id = urandom(16).hex() if request_id is None else request_id
        if traceparent is not None:
            log.follow(traceparent)

    def fail(self, error: BaseException) -> SilvaEngineError:
        """Record a failure in the log line, say why from status 500 on, and return what is public of it."""
        public = public_of(error)
        self.log.add(status=public.status, error=type(error).__name__, **public.fields)
        if public.status >= 500:
            extra = {"request_id": self.request_id, "traceparent": self.log.traceparent}
            if public is error:
                _logger.error("%s", public.reason, extra=extra)
            else:
                _logger.error("Unexpected failure", exc_info=error, extra=extra)
        return public


def public_of(error: BaseException) -> SilvaEngineError:
    """Return what is public of a failure: of an unexpected one, that there was one."""
    return error if isinstance(error, SilvaEngineError) else SilvaEngineError("Internal server error")


def lambda_handler[Event: LambdaEvent](
    service: str,
    read: Callable[[Any, Any, InvocationLog], Event],
    open_serve: Callable[[], Callable[[Event], object]],
    encode: Callable[[dict[str, object]], str] = encode_line,
) -> Handler:
    """Return a handler; whatever becomes of an event, it has one log line.

    Args:
        service: the Lambda's name in the line.
        read: returns the event in the service's own form; it never raises.
        open_serve: returns what serves events, which raises what nobody is to get as a response; called for
            each event, so that a Lambda that can't be composed has a line, too.
        encode: returns the line's JSON text.
    """

    def handle(event: object, context: object) -> object:
        log = InvocationLog(service, encode)
        incoming = read(event, context, log)
        try:
            return open_serve()(incoming)
        except BaseException as error:
            incoming.fail(error)
            raise
        finally:
            log.emit()

    return handle
