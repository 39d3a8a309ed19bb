"""``Resources``, ``Tasks`` and ``Worker``: the specification's names for the four services' handlers."""

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

type Event = Mapping[str, Any]
type Result = Any  # in the form that the event's source expects
type Handler = Callable[[Event, object], Result]
type Service = Any  # a module that the facade imports lazily


class _Service:
    """The handler of a Lambda."""

    app: str
    """The module of the Lambda's own handler."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.logger = logger

    @classmethod
    def get_handler(cls, logger: logging.Logger | None = None) -> Handler:
        """Return a Lambda's ``handler(event, context)``; ``logger`` is ignored: the services have theirs."""
        return cls(logger).handler

    def handler(self, event: Event, context: object) -> Result:
        """Serve an event as the Lambda does."""
        return _load(self.app).handler(event, context)


class Resources(_Service):
    """HTTP requests and WebSocket events."""

    def handler(self, event: Event, context: object) -> Result:
        """Serve an HTTP or a WebSocket event.

        Only a WebSocket event has ``requestContext.connectionId``
        (docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html).
        """
        is_websocket = "connectionId" in (event.get("requestContext") or {})
        app = _load("silvaengine_websocket.app" if is_websocket else "silvaengine_http.app")
        return app.handler(event, context)

    def _handle_cache_management(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Clear a cache for all tenants (``cache_clear``) or return its statistics (``cache_stats``).

        ``params`` may have ``cache_name`` and ``cache_key``.
        """
        response: dict[str, Any] = _load("silvaengine_http.management").manage_cache(operation, params)
        return response


class Tasks(_Service):
    """Events of AWS's sources."""

    app = "silvaengine_tasks.app"


class Worker(_Service):
    """Calls of functions."""

    app = "silvaengine_worker.app"


def _load(module: str) -> Service:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        service = module.partition(".")[0]
        if error.name not in (service, module):
            raise
        raise ImportError(f"This artefact does not contain the service {service}") from None
