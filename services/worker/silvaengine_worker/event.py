"""A worker's event: a payload as it came, so that a refused call is logged and answered, too."""

import logging
import time
from collections.abc import Mapping
from functools import cached_property
from math import inf
from typing import Any, override

from silvaengine.errors import (
    DeadlineError,
    ErrorDetails,
    FunctionError,
    InvalidArgumentsError,
    SilvaEngineError,
)
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import LambdaEvent
from silvaengine.observability.logging import InvocationLog
from silvaengine.observability.redaction import redact, redact_values
from silvaengine.protocol.messages import WorkerResponse
from silvaengine_worker.process_state import DeadlinePassed
from silvaengine_worker.results import ResultError, to_json_text, to_json_value
from silvaengine_worker.worker import read_settings

SETTLE_SECONDS = 3.0  # to connect to the ledger and to write to it, at the slowest

_MESSAGE_LIMIT = 16_384  # characters of an error's message
_DETAILS_LIMIT = 16_384  # characters of JSON
_CODE_LIMIT = 128  # characters
_logger = logging.getLogger(__name__)


class WorkerEvent(LambdaEvent):
    """A payload (docs/contract.md), with what is known of its caller, its process and its failures.

    ``is_synchronous`` says whether the caller waits for the response; ``end`` is the epoch seconds at which
    Lambda ends this process, infinite outside of Lambda. ``meters`` is what the function counts. ``alerts``
    get failures that aren't the client's.
    """

    def __init__(self, event: Any, context: Any, log: InvocationLog, alerts: AlertPublisher) -> None:  # noqa: ANN401 - from outside
        payload = event if isinstance(event, dict) else {}
        invocation = payload.get("invocation")
        known = invocation if isinstance(invocation, dict) else {}
        get = known.get
        ids = get("request_id"), get("endpoint_id"), get("area"), get("function")
        request_id, endpoint_id, area, function = ids
        if not (type(request_id) is type(endpoint_id) is type(area) is type(function) is str):
            request_id, endpoint_id, area, function = map(_text, ids)
        self.endpoint_id, self.area = endpoint_id, area
        self.function = function or _text(payload.get("funct"))
        self.is_synchronous = get("deadline") is not None
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        self.end = inf if remaining is None else time.time() + float(remaining()) / 1000
        self._alerts = alerts
        self.meters: dict[str, float] = {}
        request_id = request_id or getattr(context, "aws_request_id", "")
        super().__init__(payload, context, log, request_id, get("traceparent"))
        fields = log.fields
        fields["endpoint_id"], fields["area"], fields["function"] = self.endpoint_id, self.area, self.function

    @cached_property
    def settle_at(self) -> float:
        """Epoch seconds, from which on the time is for settling or pushing the outcome."""
        return self.end - min(SETTLE_SECONDS, (self.end - time.time()) / 5) if self.end < inf else inf

    @property
    def version(self) -> int | str:
        """The number of the Lambda's version, which is that of its release; ``$LATEST`` for none."""
        version = str(getattr(self.context, "function_version", ""))
        return int(version) if version.isdecimal() else version

    def respond_to(self, error: BaseException) -> WorkerResponse:
        """Record a failure in the log line, log and alert it, and return its response."""
        response = self._error_response(error)
        self.log.add(status=response.status, error_type=response.error_type)
        self._report(error, response)
        return response

    @override
    def fail(self, error: BaseException) -> SilvaEngineError:
        """Return what is public of a failure; ``respond_to`` has recorded it."""
        response = self._error_response(error)
        return SilvaEngineError(response.value, status=response.status)

    def may_raise(self, error: BaseException) -> bool:
        """Return whether Lambda may get an error: it logs what is raised, with its causes."""
        cause: BaseException | None = error
        while cause is not None:
            text = str(cause)
            if redact(text, self._settings) != text:
                return False
            cause = cause.__cause__ or cause.__context__
        return isinstance(error, Exception)

    @cached_property
    def _settings(self) -> Mapping[str, Any]:
        """The settings of a call that failed, empty where they can't be read."""
        try:
            return read_settings(str(self.event.get("setting")))
        except SilvaEngineError:
            return {}

    def _error_response(self, error: BaseException) -> WorkerResponse:
        """Return the response of an error; only SilvaEngineError has a message for the client."""
        if isinstance(error, DeadlinePassed):
            error = DeadlineError("The function didn't finish in time")
        kind = type(error).__name__
        if not isinstance(error, SilvaEngineError):
            return WorkerResponse("error", f"Function {self.function!r} failed", 500, kind)
        message = redact(_printable(error.message)[:_MESSAGE_LIMIT], self._settings, prose=True)
        status = error.status if error.status in range(400, 600) else 500
        code, details = self._for_programs(error)
        return WorkerResponse("error", message, status, kind, details, code)

    def _for_programs(self, error: SilvaEngineError) -> tuple[str, ErrorDetails]:
        """Return code and details of an error; those of a called function's stay with the caller."""
        if isinstance(error, InvalidArgumentsError):
            return "", error.details
        if not isinstance(error, FunctionError):
            return "", ()
        code = redact(_printable(error.code), self._settings)[:_CODE_LIMIT]
        try:
            details = to_json_value(error.details or {})
            if isinstance(details, dict) and len(to_json_text(details)) <= _DETAILS_LIMIT:
                return code, redact_values(details, self._settings)
            reason = f"they are no object of at most {_DETAILS_LIMIT} characters"
        except ResultError as failure:
            reason = failure.message
        _logger.error("Function %r: the details of its error are left out: %s", self.function, reason)
        return code, ()

    def _report(self, error: BaseException, response: WorkerResponse) -> None:
        """Log what operator or author have to fix, and alert unless the gateway or the sweeper does."""
        is_message = "socket" in self.event
        if (self.is_synchronous or is_message) and response.status < 500:
            return
        _logger.error(
            "Function %r: %s",
            self.function,
            getattr(error, "detail", "") or response.value,
            exc_info=error,
            extra={
                "request_id": self.request_id,
                "traceparent": self.log.traceparent,
                "settings": self._settings,
            },
        )
        if not is_message and (self.is_synchronous or "job" in self.event):
            return
        members = (self.event.get(name) for name in ("MODULENAME", "CLASSNAME"))
        self._alerts.publish(
            getattr(self.context, "invoked_function_arn", "silvaengine worker"),
            "{}:{}.{}:{}".format(*members, self.function, response.error_type),
            {
                "request_id": self.request_id,
                "endpoint_id": self.endpoint_id,
                "area": self.area,
                "function": self.function,
                "status": response.status,
                "error_type": response.error_type,
            },
        )


def _printable(text: object) -> str:
    return str(text).encode(errors="backslashreplace").decode()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
