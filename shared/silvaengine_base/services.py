"""``Resources``, ``Tasks`` and ``Worker``: the specification's doors to the four services."""

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

type Handler = Callable[[Mapping[str, Any], Any], Any]


class _Service:
    """A door to one or two Lambdas' handlers."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.logger = logger

    @classmethod
    def get_handler(cls, logger: logging.Logger | None = None) -> Handler:
        """Return a Lambda's ``handler(event, context)``.

        Args:
            logger: accepted from callers that have one; the services log by themselves.
        """
        return cls(logger).handler

    def handler(self, event: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401 - what Lambda hands over
        """Serve an event as the Lambda does."""
        raise NotImplementedError


class Resources(_Service):
    """HTTP requests and WebSocket events."""

    def handler(self, event: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401 - what Lambda hands over
        """Serve an HTTP or a WebSocket event; which one it is, the event says.

        Only a WebSocket event has ``requestContext.connectionId``
        (docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html).
        """
        socket = "connectionId" in (event.get("requestContext") or {})
        return _load("silvaengine_websocket.app" if socket else "silvaengine_http.app").handler(
            event, context
        )

    def _handle_cache_management(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Clear a cache for all tenants (``cache_clear``) or tell about it (``cache_stats``).

        Args:
            operation: one of the two names.
            params: ``cache_name`` and ``cache_key``.
        """
        answer: dict[str, Any] = _load("silvaengine_http.management").manage_cache(operation, params)
        return answer


class Tasks(_Service):
    """Events of AWS's sources."""

    def handler(self, event: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401 - what Lambda hands over
        """Serve an event of a source."""
        return _load("silvaengine_tasks.app").handler(event, context)


class Worker(_Service):
    """Calls of functions."""

    def handler(self, event: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401 - what Lambda hands over
        """Serve a call of a function."""
        return _load("silvaengine_worker.app").handler(event, context)


def _load(module: str) -> Any:  # noqa: ANN401 - a service's module
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        service = module.partition(".")[0]
        if error.name not in (service, module):
            raise
        raise ImportError(f"This artefact does not hold the service {service}") from None
