"""The worker Lambda: one call of one function, and every outcome in the form that its caller understands.

A gateway that waits for the answer (it sends an ``invocation`` with a deadline) gets failures as answers:
Lambda takes an exception for a crash, and its status and message would be lost on the way. What became of a
job stands in the ledger. Where nobody waits and no ledger knows, a failure is raised. The predecessor's
callers send no ``invocation``; they get the bare result or the exception, as they always did.
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
from silvaengine.protocol.messages import ExecutionRef, ReplyTo, WorkerAnswer, WorkerCall
from silvaengine.settings import Settings
from silvaengine_worker.connection import connections_of
from silvaengine_worker.deadline import DeadlinePassed, complete
from silvaengine_worker.instances import read_settings
from silvaengine_worker.loader import Loader, extend_path, shipped_packages
from silvaengine_worker.results import check_size, envelope, plain
from silvaengine_worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine_worker.jobs import JobRunner
    from silvaengine_worker.replies import Replies

    type OpenReplies = Callable[[WorkerCall, ReplyTo, str, float], Replies]

MAX_LAMBDA_SECONDS = 900.0
SETTLE_SECONDS = 3.0  # to connect to the ledger and to write to it, at the slowest
AWAITED_SETTLE_SECONDS = 0.5  # the same where somebody waits: the answer has to arrive in time

_MESSAGE_LIMIT = 16_384  # characters of an error's message
_logger = logging.getLogger(__name__)


class WorkerHandler:
    """What Lambda calls.

    Args:
        worker: runs the call.
        open_jobs: returns what claims and settles what the ledger holds; called at each job.
        alerts: tells the operator about failures that aren't the client's.
        open_replies: returns what makes the answers of calls that came by a WebSocket; called at each of
            them.

    """

    def __init__(
        self,
        worker: Worker,
        open_jobs: "Callable[[], JobRunner]",
        alerts: AlertPublisher,
        open_replies: "Callable[[], OpenReplies]",
    ) -> None:
        self._worker = worker
        self._open_jobs = open_jobs
        self._open_replies = open_replies
        self._alerts = alerts

    def __call__(self, event: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401 - Lambda's context; any result
        """Run the call of a payload (docs/contract.md); ``context`` is Lambda's."""
        line = InvocationLog("worker")
        line.add(**_ids(event, context), status=200)
        try:
            line.begin_step("invoke")
            return self._serve(event, context, line)
        except BaseException as error:  # the door; a function may raise SystemExit, too
            failure = self._failed(error, event, context, line)
            if _awaited(event):
                return failure.encode()
            if isinstance(error, Exception) and not _tells_secrets(error, event):
                raise
            raise SilvaEngineError(failure.value) from None  # Lambda logs what is raised, with its causes
        finally:
            line.emit()

    def _serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> Any:  # noqa: ANN401 - the same
        call = WorkerCall.decode(_whole(event))
        if call.socket is not None:
            return self._converse(call, call.socket, event, context, line)
        if call.job is None:
            return self._run(call, context, _limit(context))
        answer = self._job(call.job, lambda: self._attempt(call, event, context, line), context, line)
        return answer.encode() if answer and _awaited(event) else None

    def _job(
        self,
        job: ExecutionRef,
        attempt: "Callable[[], WorkerAnswer]",
        context: Any,  # noqa: ANN401 - the same
        line: InvocationLog,
    ) -> WorkerAnswer | None:
        line.add(job_id=job.job_id, attempt=job.attempt)
        return self._open_jobs().run(
            job,
            min(_limit(context) - time.time(), MAX_LAMBDA_SECONDS),
            attempt,
            partial(line.add_metric, function_name=getattr(context, "function_name", "worker")),
        )

    def _converse(
        self,
        call: WorkerCall,
        socket: ReplyTo,
        event: Mapping[str, Any],
        context: Any,  # noqa: ANN401 - the same
        line: InvocationLog,
    ) -> None:
        """Call a message's function and push what becomes of it; of a job only what others can't repeat."""
        limit = _limit(context)
        replies = self._open_replies()(
            call, socket, str(_ids(event, context)["request_id"]), limit - _to_settle(limit)
        )
        answer: WorkerAnswer | None
        if call.job is None:
            answer = self._attempt(call, event, context, line, replies.finish)
        else:
            answer = self._job(call.job, lambda: self._attempt(call, event, context, line), context, line)
        if answer is not None:
            replies.answer(answer)
        line.add(gone=replies.is_gone)

    def _attempt(
        self,
        call: WorkerCall,
        event: Mapping[str, Any],
        context: Any,  # noqa: ANN401 - the same
        line: InvocationLog,
        finish: "Callable[[Any], Any]" = complete,
    ) -> WorkerAnswer:
        """Call a function early enough that its end can be told, to the ledger or to a client."""
        limit = _limit(context)
        limit -= _to_settle(limit)
        if call.invocation and call.invocation.deadline is not None:
            limit = min(limit, call.invocation.deadline - AWAITED_SETTLE_SECONDS)
        try:
            return WorkerAnswer.decode(self._run(call, context, limit, finish))
        except BaseException as error:  # noqa: BLE001 - the function's door; its failure is the call's outcome
            return self._failed(error, event, context, line)

    def _run(
        self,
        call: WorkerCall,
        context: Any,  # noqa: ANN401 - the same
        limit: float,
        finish: "Callable[[Any], Any]" = complete,
    ) -> Any:  # noqa: ANN401 - the same
        result = self._worker.run(
            call,
            envelope if call.invocation else plain,
            limit=limit,
            request_id=getattr(context, "aws_request_id", ""),
            finish=finish,
        )
        check_size(result)
        return result

    def _failed(
        self, error: BaseException, event: Mapping[str, Any], context: object, line: InvocationLog
    ) -> WorkerAnswer:
        failure = _failure(error, event)
        line.add(status=failure.status, error_type=failure.error_type)
        self._report(error, failure, event, context)
        return failure

    def _report(
        self, error: BaseException, failure: WorkerAnswer, event: Mapping[str, Any], context: object
    ) -> None:
        """Log what operator or author have to mend, and notify unless the gateway or the sweeper does."""
        is_message = "socket" in event
        if (_awaited(event) or is_message) and failure.status < 500:
            return
        ids = _ids(event, context)
        _logger.error(
            "Function %r: %s",
            ids["function"],
            getattr(error, "detail", "") or failure.value,
            exc_info=error,
            extra={"request_id": ids["request_id"], "settings": _settings(event)},
        )
        if not is_message and (_awaited(event) or "job" in event):
            return
        self._alerts.publish(
            getattr(context, "invoked_function_arn", "silvaengine worker"),
            f"{event.get('MODULENAME')}:{event.get('CLASSNAME')}.{event.get('funct')}:{failure.error_type}",
            {**ids, "status": failure.status, "error_type": failure.error_type},
        )


def _whole(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the payload with its content, which a URL may stand for."""
    if "content_url" not in event:
        return event
    from silvaengine_worker.jobs import fetched  # large contents are rare

    return fetched(event)


def _awaited(event: Mapping[str, Any]) -> bool:
    invocation = event.get("invocation")
    return isinstance(invocation, Mapping) and invocation.get("deadline") is not None


def _ids(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Name the call before it is checked, so that a refused one is on record, too."""
    invocation = event.get("invocation")
    given = invocation if isinstance(invocation, Mapping) else {}
    return {
        "request_id": given.get("request_id") or getattr(context, "aws_request_id", ""),
        "endpoint_id": given.get("endpoint_id"),
        "area": given.get("area"),
        "function": event.get("funct"),
    }


def _settings(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a call that failed, whatever was wrong with it."""
    try:
        return read_settings(event["setting"])
    except (KeyError, TypeError, SilvaEngineError):
        return {}


def _tells_secrets(error: BaseException | None, event: Mapping[str, Any]) -> bool:
    settings = _settings(event)
    while error is not None:
        text = str(error)
        if redact(text, settings) != text:
            return True
        error = error.__cause__ or error.__context__
    return False


def _limit(context: Any) -> float:  # noqa: ANN401 - Lambda's context
    """When Lambda ends this process, in epoch seconds; never, outside of Lambda."""
    if not hasattr(context, "get_remaining_time_in_millis"):
        return inf
    return time.time() + float(context.get_remaining_time_in_millis()) / 1000


def _to_settle(limit: float) -> float:
    """Return the seconds that are kept back from a function so that its end can be told."""
    return min(SETTLE_SECONDS, (limit - time.time()) / 5) if limit < inf else 0.0


def _failure(error: BaseException, event: Mapping[str, Any]) -> WorkerAnswer:
    """Make the answer of an error; only our own errors have a text that the client may read."""
    if isinstance(error, DeadlinePassed):
        error = DeadlineError("The function didn't finish in time")
    kind = type(error).__name__
    if not isinstance(error, SilvaEngineError):
        return WorkerAnswer("error", f"Function {event.get('funct')!r} failed", 500, kind)
    message = str(error.message).encode(errors="backslashreplace").decode()[:_MESSAGE_LIMIT]
    message = redact(message, _settings(event), prose=True)
    status = error.status if error.status in range(400, 600) else 500
    return WorkerAnswer("error", message, status, kind)


def _open_handler(settings: Settings) -> WorkerHandler:
    configure_logging(settings)
    extend_path(settings.packages_path)
    artefact = Path(__file__).parent.parent
    loader = Loader(settings.allowed_packages or shipped_packages(artefact))
    worker = Worker(loader, connections_of(settings))
    return WorkerHandler(
        worker, lambda: _open_jobs(settings), open_alert_publisher(settings), lambda: _open_replies(settings)
    )


@cache
def _open_jobs(settings: Settings) -> "JobRunner":
    from silvaengine.ledger.payload_store import open_payload_store
    from silvaengine.ledger.store import open_ledger  # a cold start of a plain call does without
    from silvaengine_worker.jobs import JobRunner

    return JobRunner(open_ledger(settings), open_payload_store(settings))


@cache
def _open_replies(settings: Settings) -> "OpenReplies":
    from silvaengine_worker.replies import open_replies  # most calls come another way

    return open_replies(settings)


handler = _open_handler(Settings.from_environment())
