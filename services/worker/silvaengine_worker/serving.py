"""Serving a worker's event: one call of one function, its outcome in the form that the caller understands.

A gateway that waits for the response (it sends an ``invocation`` with a deadline) gets failures as
responses: Lambda takes an exception for a crash, and its status and message would be lost on the way. The
outcome of an execution goes to the ledger. Where no caller waits and the ledger has no row, a failure is
raised. Callers of the predecessor send no ``invocation``; they get the bare result or the exception.
"""

import time
from typing import TYPE_CHECKING, Any

from silvaengine.errors import UnavailableError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import Handler, lambda_handler
from silvaengine.observability.logging import InvocationLog, encode_shared
from silvaengine.protocol.messages import ExecutionRef, ReplyTo, WorkerCall, WorkerResponse
from silvaengine_worker.event import WorkerEvent
from silvaengine_worker.release import NO_RELEASE, Release
from silvaengine_worker.results import Outcome, UnicodeResultError, as_json_text, check_sent, complete
from silvaengine_worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.protocol.json_codec import Json
    from silvaengine_worker.describe import Describer
    from silvaengine_worker.executions import ExecutionRunner
    from silvaengine_worker.replies import OpenReplies

MAX_LAMBDA_SECONDS = 900.0
SYNC_SETTLE_SECONDS = 0.5  # to settle where a caller waits: the response has to arrive in time


class CallServer:
    """Serves plain calls, executions of the ledger, and messages of WebSocket clients.

    The runner of executions, the factory of replies and the describer are opened again for each call that
    needs them.
    """

    def __init__(
        self,
        worker: Worker,
        open_executions: "Callable[[], ExecutionRunner]",
        open_replies: "Callable[[], OpenReplies]",
        release: Release = NO_RELEASE,
        open_describer: "Callable[[], Describer] | None" = None,
    ) -> None:
        self._worker = worker
        self._open_executions = open_executions
        self._open_replies = open_replies
        self._release = release
        self._digest = release.digest
        self._open_describer = open_describer

    def serve(self, event: WorkerEvent) -> "Json":
        """Run the call of an event; return what Lambda is to return.

        Raises:
            Exception: the call's failure, where nobody waits for the response.
        """
        event.log.begin_step("invoke")
        made = self._worker.instances.made
        if self._digest:
            event.log.add(package=self._release.package, release=event.version)
        try:
            return self._serve(event)
        except BaseException as error:  # boundary of the Lambda; a function may raise SystemExit, too
            response = event.respond_to(error)
            if event.is_synchronous:
                return response.encode()
            if event.may_raise(error):
                raise
            raise event.fail(error) from None
        finally:
            if event.meters:
                event.log.add(meters=event.meters)
            if self._worker.instances.made != made:
                event.log.add(objects_made=self._worker.instances.made)

    def _serve(self, event: WorkerEvent) -> "Json":
        payload = event.event
        if self._open_describer and "describe" in payload:
            self._check_release(event)
            return self._open_describer().describe(payload["describe"])
        if "content_url" in payload:
            from silvaengine_worker.executions import fetch_content  # lazy: only a large payload needs it

            try:
                payload = event.event = fetch_content(payload)  # a failure is redacted by the settings in it
            except UnavailableError as error:
                self._push_failure(event, error)
                return None
        call = WorkerCall.decode(payload)
        if call.socket is not None:
            self._serve_message(call, call.socket, event)
            return None
        if call.job is not None:
            response = self._run_execution(call, call.job, event)
            return response.encode() if response and event.is_synchronous else None
        self._check_release(event)
        response = self._worker.run(
            call,
            end=event.end,
            request_id=event.request_id,
            traceparent=event.log.traceparent,
            meters=event.meters,
        )
        sent: Json = response.encode() if call.invocation else response.value
        try:
            check_sent(response.value)  # refuses what Lambda would: it takes 100 bytes more than 6 MB
        except UnicodeResultError:
            if not call.invocation:
                raise
            return as_json_text(response).encode()
        return sent

    def _push_failure(self, event: WorkerEvent, error: UnavailableError) -> None:
        """Push the failure of a message whose content can't be read; raise that of any other call."""
        call = WorkerCall.decode(event.event)
        if call.socket is None or call.job is not None:  # the sweeper sends an execution again
            raise error
        self._open_replies()(call, call.socket, event).send(event.respond_to(error))

    def _serve_message(self, call: WorkerCall, socket: ReplyTo, event: WorkerEvent) -> None:
        """Call a message's function and push the outcome; of an execution, only its owner does."""
        replies = self._open_replies()(call, socket, event)
        response: WorkerResponse | None
        if call.job is None:
            response = self._attempt(call, event, replies.stream_or_complete).response
        else:
            response = self._run_execution(call, call.job, event)
        if response is not None:
            replies.send(response)
        event.log.add(gone=replies.is_gone)

    def _run_execution(
        self, call: WorkerCall, job: ExecutionRef, event: WorkerEvent
    ) -> WorkerResponse | None:
        event.log.add(job_id=job.job_id, attempt=job.attempt)
        if event.event.get("release", "") != self._digest:
            # nothing will run: a lost attempt, no failure of the function's
            job = job._replace(claimed=False)
        seconds = min(event.end - time.time(), MAX_LAMBDA_SECONDS)
        return self._open_executions().run(
            job,
            seconds,
            lambda look_for_end: self._attempt(call, event, look_for_end=look_for_end),
            event.log.add,
        )

    def _attempt(
        self,
        call: WorkerCall,
        event: WorkerEvent,
        finish: "Callable[[Any], object]" = complete,
        look_for_end: "Callable[[], bool] | None" = None,
    ) -> Outcome:
        """Call a function, with time left to settle the execution or to push the response."""
        end = event.settle_at
        if call.invocation and call.invocation.deadline is not None:
            end = min(end, call.invocation.deadline - SYNC_SETTLE_SECONDS)
        try:
            self._check_release(event)
            response = self._worker.run(
                call,
                end=end,
                request_id=event.request_id,
                traceparent=event.log.traceparent,
                finish=finish,
                meters=event.meters,
                look_for_end=look_for_end,
            )
            return Outcome.of(response)
        except BaseException as error:  # noqa: BLE001 - boundary of the function: it fails the call
            return Outcome.of(event.respond_to(error))

    def _check_release(self, event: WorkerEvent) -> None:
        wanted = event.event.get("release", "")
        if wanted != self._digest:
            raise self._release.refusal(wanted)


def create_handler(server: CallServer, alerts: AlertPublisher) -> Handler:
    """Return a Lambda handler built from these parts."""

    def read(event: object, context: object, log: InvocationLog) -> WorkerEvent:
        return WorkerEvent(event, context, log, alerts)

    return lambda_handler("worker", read, lambda: server.serve, encode_shared)
