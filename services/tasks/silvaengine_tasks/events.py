"""The one way of an event: to the source that matches it; an event that none matches fails.

A failure is raised, so that AWS retries or keeps the event: a response would mean success.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import override

from silvaengine.errors import ConfigurationError, RequestError, SilvaEngineError
from silvaengine.observability.handler import Handler, LambdaEvent, lambda_handler, public_of
from silvaengine.protocol.json_codec import encode
from silvaengine_tasks.sources import Source


class TasksEvent(LambdaEvent):
    """An event of any source."""

    @override
    def fail(self, error: BaseException) -> SilvaEngineError:
        """Record a failure; Lambda logs what is raised, and a failed call is in the log already."""
        public = public_of(error)
        self.log.add(status=501 if public.status == 501 else 500)
        return public


def create_handler(open_sources: Callable[[], Sequence[Source]]) -> Handler:
    """Return a Lambda handler for these sources, which are opened at its first event."""

    def serve(incoming: TasksEvent) -> object:
        event, sources = incoming.event, open_sources()
        try:
            for source in sources if isinstance(event, Mapping) else ():
                if source.matches(event):
                    return source.serve(event, incoming.context, incoming.log)
        except RecursionError:
            raise RequestError("The event is nested too deeply") from None
        message = f"Event source not supported (request {incoming.request_id})"
        raise ConfigurationError(message, status=501)

    return lambda_handler("tasks", TasksEvent, lambda: serve, encode)
