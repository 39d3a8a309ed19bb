"""The worker Lambda: one call of one function, with its outcome in the form that the caller understands.

A gateway that waits for the response (it sends an ``invocation`` with a deadline) gets failures as
responses: Lambda takes an exception for a crash, and its status and message would be lost on the way. The
outcome of an execution goes to the ledger. Where no caller waits and the ledger has no row, a failure is
raised. Callers of the predecessor send no ``invocation``; they get the bare result or the exception.
"""

import logging
import time
from collections.abc import Mapping
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silvaengine.errors import DeadlineError, SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher, open_alert_publisher
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.observability.redaction import redact
from silvaengine.protocol.messages import ExecutionRef, ReplyTo, WorkerCall, WorkerResponse
from silvaengine.settings import Settings
from silvaengine_worker.client_channel import open_channels
from silvaengine_worker.deadline import DeadlinePassed, complete
from silvaengine_worker.instances import read_settings
from silvaengine_worker.loader import Loader, extend_path, read_allowed_packages
from silvaengine_worker.results import check_size, encode_result, to_json_value
from silvaengine_worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.protocol.json_codec import Json
    from silvaengine_worker.executions import ExecutionRunner
    from silvaengine_worker.replies import CallReplies

    type Event = Mapping[str, Json]
    type OpenReplies = Callable[[WorkerCall, ReplyTo, str, float], CallReplies]

MAX_LAMBDA_SECONDS = 900.0
SETTLE_SECONDS = 3.0  # to connect to the ledger and to write to it, at the slowest
SYNC_SETTLE_SECONDS = 0.5  # the same where a caller waits: the response has to arrive in time

_MESSAGE_LIMIT = 16_384  # characters of an error's message
_logger = logging.getLogger(__name__)


class WorkerHandler:
    """Lambda's handler.

    Args:
        worker: runs the call.
        open_executions: returns the runner of executions; called for each of them.
        alerts: reach the operator, for failures that aren't the client's.
        open_replies: returns a factory of replies to WebSocket clients; called for each of their calls.

    """

    def __init__(
        self,
        worker: Worker,
        open_executions: "Callable[[], ExecutionRunner]",
        alerts: AlertPublisher,
        open_replies: "Callable[[], OpenReplies]",
    ) -> None:
        self._worker = worker
        self._open_executions = open_executions
        self._open_replies = open_replies
        self._alerts = alerts

    def __call__(self, event: "Event", context: object) -> "Json":
        """Run the call of a payload (docs/contract.md); ``context`` is Lambda's, None outside of Lambda."""
        log = InvocationLog("worker")
        if not isinstance(event, dict):
            event = {}  # no payload: decoding it fails below, behind the log line
        log.add(**_log_ids(event, context), status=200)
        try:
            log.begin_step("invoke")
            return self._serve(event, context, log)
        except BaseException as error:  # boundary of the Lambda; a function may raise SystemExit, too
            response = self._record_failure(error, event, context, log)
            if _is_synchronous(event):
                return response.encode()
            if isinstance(error, Exception) and not _reveals_setting(error, event):
                raise
            raise SilvaEngineError(response.value) from None  # Lambda logs what is raised, with its causes
        finally:
            log.emit()

    def _serve(self, event: "Event", context: object, log: InvocationLog) -> "Json":
        call = WorkerCall.decode(_with_content(event))
        if call.socket is not None:
            self._serve_socket(call, call.socket, event, context, log)
            return None
        if call.job is None:
            return self._run(call, context, _process_end(context))
        response = self._run_execution(
            call.job, lambda: self._attempt(call, event, context, log), context, log
        )
        return response.encode() if response and _is_synchronous(event) else None

    def _run_execution(
        self,
        job: ExecutionRef,
        attempt: "Callable[[], WorkerResponse]",
        context: object,
        log: InvocationLog,
    ) -> WorkerResponse | None:
        log.add(job_id=job.job_id, attempt=job.attempt)
        return self._open_executions().run(
            job,
            min(_process_end(context) - time.time(), MAX_LAMBDA_SECONDS),
            attempt,
            partial(log.add_metric, function_name=getattr(context, "function_name", "worker")),
        )

    def _serve_socket(
        self, call: WorkerCall, socket: ReplyTo, event: "Event", context: object, log: InvocationLog
    ) -> None:
        """Call a message's function and push the outcome; of an execution, only its owner does."""
        end = _process_end(context)
        request_id = str(_log_ids(event, context)["request_id"])
        replies = self._open_replies()(call, socket, request_id, end - _settle_reserve(end))
        response: WorkerResponse | None
        if call.job is None:
            response = self._attempt(call, event, context, log, replies.stream_or_complete)
        else:
            response = self._run_execution(
                call.job, lambda: self._attempt(call, event, context, log), context, log
            )
        if response is not None:
            replies.send(response)
        log.add(gone=replies.is_gone)

    def _attempt(
        self,
        call: WorkerCall,
        event: "Event",
        context: object,
        log: InvocationLog,
        finish: "Callable[[Any], object]" = complete,
    ) -> WorkerResponse:
        """Call a function, with time left to settle the execution or to push the response."""
        end = _process_end(context)
        end -= _settle_reserve(end)
        if call.invocation and call.invocation.deadline is not None:
            end = min(end, call.invocation.deadline - SYNC_SETTLE_SECONDS)
        try:
            return WorkerResponse.decode(self._run(call, context, end, finish))
        except BaseException as error:  # noqa: BLE001 - boundary of the function: it fails the call
            return self._record_failure(error, event, context, log)

    def _run(
        self,
        call: WorkerCall,
        context: object,
        end: float,
        finish: "Callable[[Any], object]" = complete,
    ) -> "Json":
        result = self._worker.run(
            call,
            encode_result if call.invocation else to_json_value,
            end=end,
            request_id=getattr(context, "aws_request_id", ""),
            finish=finish,
        )
        check_size(result)
        return result

    def _record_failure(
        self, error: BaseException, event: "Event", context: object, log: InvocationLog
    ) -> WorkerResponse:
        """Log and alert a failure, and return its response."""
        response = _error_response(error, event)
        log.add(status=response.status, error_type=response.error_type)
        self._report(error, response, event, context)
        return response

    def _report(
        self, error: BaseException, response: WorkerResponse, event: "Event", context: object
    ) -> None:
        """Log what operator or author have to fix, and alert unless the gateway or the sweeper does."""
        is_message = "socket" in event
        if (_is_synchronous(event) or is_message) and response.status < 500:
            return
        ids = _log_ids(event, context)
        _logger.error(
            "Function %r: %s",
            ids["function"],
            getattr(error, "detail", "") or response.value,
            exc_info=error,
            extra={"request_id": ids["request_id"], "settings": _settings_of(event)},
        )
        if not is_message and (_is_synchronous(event) or "job" in event):
            return
        self._alerts.publish(
            getattr(context, "invoked_function_arn", "silvaengine worker"),
            f"{event.get('MODULENAME')}:{event.get('CLASSNAME')}.{event.get('funct')}:{response.error_type}",
            {**ids, "status": response.status, "error_type": response.error_type},
        )


def _with_content(event: "Event") -> "Event":
    """Return the payload with its content, which may be behind a URL."""
    if "content_url" not in event:
        return event
    from silvaengine_worker.executions import fetch_content  # lazy: only a large content needs it

    return fetch_content(event)


def _is_synchronous(event: "Event") -> bool:
    """Return whether the caller waits for the response."""
    invocation = event.get("invocation")
    return isinstance(invocation, dict) and invocation.get("deadline") is not None


def _log_ids(event: "Event", context: object) -> "dict[str, str | None]":
    """Return the call's ids from the payload as it came, so that a refused call is logged, too."""
    invocation = event.get("invocation")
    ids = invocation if isinstance(invocation, dict) else {}
    request_id, endpoint_id, area = ids.get("request_id"), ids.get("endpoint_id"), ids.get("area")
    function = event.get("funct")
    return {
        "request_id": (isinstance(request_id, str) and request_id) or getattr(context, "aws_request_id", ""),
        "endpoint_id": endpoint_id if isinstance(endpoint_id, str) else None,
        "area": area if isinstance(area, str) else None,
        "function": function if isinstance(function, str) else None,
    }


def _settings_of(event: "Event") -> Mapping[str, Any]:
    """Return the settings of a call that failed, empty where they can't be read."""
    try:
        return read_settings(str(event.get("setting")))
    except SilvaEngineError:
        return {}


def _reveals_setting(error: BaseException | None, event: "Event") -> bool:
    """Return whether an error or one of its causes quotes a setting."""
    settings = _settings_of(event)
    while error is not None:
        text = str(error)
        if redact(text, settings) != text:
            return True
        error = error.__cause__ or error.__context__
    return False


def _process_end(context: object) -> float:
    """Return the epoch seconds at which Lambda ends this process, infinite outside of Lambda."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return inf if remaining is None else time.time() + float(remaining()) / 1000


def _settle_reserve(end: float) -> float:
    """Return the seconds before the process's end that are reserved for settling or pushing the outcome."""
    return min(SETTLE_SECONDS, (end - time.time()) / 5) if end < inf else 0.0


def _error_response(error: BaseException, event: "Event") -> WorkerResponse:
    """Return the response of an error; only SilvaEngineError has a message for the client."""
    if isinstance(error, DeadlinePassed):
        error = DeadlineError("The function didn't finish in time")
    kind = type(error).__name__
    if not isinstance(error, SilvaEngineError):
        return WorkerResponse("error", f"Function {event.get('funct')!r} failed", 500, kind)
    message = str(error.message).encode(errors="backslashreplace").decode()[:_MESSAGE_LIMIT]
    message = redact(message, _settings_of(event), prose=True)
    status = error.status if error.status in range(400, 600) else 500
    return WorkerResponse("error", message, status, kind)


def _open_handler(settings: Settings) -> WorkerHandler:
    configure_logging(settings)
    extend_path(settings.packages_path)
    artefact = Path(__file__).parent.parent
    loader = Loader(settings.allowed_packages or read_allowed_packages(artefact))
    worker = Worker(loader, open_channels(settings))
    return WorkerHandler(
        worker,
        lambda: _open_executions(settings),
        open_alert_publisher(settings),
        lambda: _open_replies(settings),
    )


@cache
def _open_executions(settings: Settings) -> "ExecutionRunner":
    from silvaengine.ledger.payload_store import open_payload_store  # lazy: only an execution needs them
    from silvaengine.ledger.store import open_ledger
    from silvaengine_worker.executions import ExecutionRunner

    return ExecutionRunner(open_ledger(settings), open_payload_store(settings))


@cache
def _open_replies(settings: Settings) -> "OpenReplies":
    from silvaengine_worker.replies import open_replies  # lazy: only a call over a WebSocket needs it

    return open_replies(settings)


handler = _open_handler(Settings.from_environment())
