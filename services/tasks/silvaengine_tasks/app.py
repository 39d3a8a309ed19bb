"""The tasks Lambda fails every event for now, so that its source keeps it: an answer would mean success."""

from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import uuid4

from silvaengine.errors import ConfigurationError
from silvaengine.settings import Settings
from silvaengine.telemetry import InvocationLog, configure_logging

configure_logging(Settings.from_environment())


def handler(event: Mapping[str, Any], context: object) -> NoReturn:  # noqa: ARG001 - what Lambda hands over
    """Refuse an event; ``context`` is Lambda's.

    Raises:
        ConfigurationError: always; the message holds the request id of the log line.

    """
    line = InvocationLog("tasks")
    request_id = uuid4().hex
    line.fields(request_id=request_id, status=501)
    line.emit()
    raise ConfigurationError(f"Event source not supported yet (request {request_id})")
