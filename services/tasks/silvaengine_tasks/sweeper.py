"""The retry engine: every minute it takes up executions with an ended lease.

An event to a worker may be lost, a worker may vanish, an attempt may have failed: in the ledger each of these
is an execution with a lease that has ended. The sweeper takes it over by a conditional write before it sends
it to a worker, so that two sweepers never send the same one. Or it marks it dead, sends the dead letter and
the alert, and only then takes it out of the index: the next run finishes what a crash leaves in between.
"""

import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.context import LambdaContext
from silvaengine.errors import ConditionFailedError, NotFoundError, SilvaEngineError, UnavailableError
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import DAY, Execution
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.registry.model import FunctionEntry
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings, require
from silvaengine_tasks.records import Event

SHARDS = "0123456789abcdef"
PAGE = 25  # executions of one shard in a round: no shard keeps the others waiting
MAX_EXECUTIONS = 1000  # in a run
SPARE_SECONDS = 10.0  # of the Lambda's time, for the last execution and the log line
THROTTLED_SECONDS = 120.0  # before a throttled Lambda is tried again, with jitter up to twice as long
DEAD_LETTER_SECONDS = 60  # to send a dead letter and its alert
NEVER_STARTED_SECONDS = DAY  # how long a job waits for a worker at the most

OUTCOME_UNKNOWN = "outcome_unknown"
NEVER_STARTED = "never_started"
FUNCTION_MISSING = "function_missing"
FAILED = "failed"

_logger = logging.getLogger(__name__)

type SendDeadLetter = Callable[[Execution], None]


class Sweep:
    """One run: counts by outcome, the largest lag in seconds, and the Lambdas that throttle."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.lag = 0
        self.throttled: set[str] = set()


class Sweeper:
    """Takes up executions, with the settings as they are at each attempt; ``jitter`` is from 0 to 1."""

    def __init__(
        self,
        ledger: Ledger,
        registry: Registry,
        dispatcher: Dispatcher,
        send_dead_letter: SendDeadLetter,
        alerts: AlertPublisher,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._registry = registry
        self._dispatcher = dispatcher
        self._send_dead_letter = send_dead_letter
        self._alerts = alerts
        self._jitter = jitter

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is the one that the schedule in the template sends."""
        return event.get("silvaengine") == "sweep"

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> dict[str, int]:  # noqa: ARG002 - a source's signature
        """Serve the schedule's event; return the counts."""
        sweep = self.run(lambda: context.get_remaining_time_in_millis() / 1000 > SPARE_SECONDS)
        log.add(**sweep.counts)
        log.add_metric("SweeperLag", sweep.lag, function_name=context.function_name)
        log.add_metric("DeadJobs", sweep.counts["buried"], function_name=context.function_name)
        return dict(sweep.counts)

    def run(self, has_time: Callable[[], bool], limit: int = MAX_EXECUTIONS) -> Sweep:
        """Take up what is due, the longest due first in each shard, as long as there is time."""
        sweep = Sweep()
        self._registry.refresh()
        for execution in self._due():
            if sweep.counts["seen"] >= limit or not has_time():
                break
            sweep.counts["seen"] += 1
            sweep.lag = max(sweep.lag, self._ledger.now() - (execution.due_at or 0))
            sweep.counts[self._try_take_up(execution, sweep)] += 1
        return sweep

    def _due(self) -> Iterator[Execution]:
        """Yield a page of each shard, round after round; a shard ends with a page that isn't full."""
        shards = list(SHARDS)
        while shards:
            for shard in list(shards):
                page = self._ledger.due(shard, PAGE)
                if len(page) < PAGE:
                    shards.remove(shard)
                yield from page

    def _try_take_up(self, execution: Execution, sweep: Sweep) -> str:
        """Take up an execution; return the count that it belongs to, whatever happens."""
        try:
            return self._take_up(execution, sweep)
        except ConditionFailedError:
            return "refused"
        except Exception as error:  # boundary of a row: its failure must not keep other tenants waiting
            _logger.exception(
                "Execution %s could not be processed",
                execution.job_id,
                extra={"request_id": execution.request_id},
            )
            kind = type(error).__name__
            facts = {"service": "sweeper", "job_id": execution.job_id, "error": kind}
            self._alerts.publish("silvaengine sweeper", f"sweeper {kind}", facts)
        with suppress(SilvaEngineError):  # it was moved already, or the table can't be written
            self._postpone(execution)
        return "failed"

    def _take_up(self, execution: Execution, sweep: Sweep) -> str:
        if execution.state == "dead":
            return self._publish_dead_letter(execution)
        if execution.state == "succeeded":
            self._ledger.acknowledge(execution)
            return "unlisted"
        if cause := self._cause_of_death(execution):
            return self._mark_dead(execution, cause)
        if execution.aws_lambda_arn in sweep.throttled:
            return self._postpone(execution)
        return self._dispatch(execution, sweep)

    def _cause_of_death(self, execution: Execution) -> str | None:
        """Return why an execution must not run again, None for one that may."""
        must_not_repeat = execution.on_lost == "fail" and execution.state != "accepted"
        if must_not_repeat or execution.attempts >= execution.max_attempts:
            return FAILED if execution.state == "failed" else OUTCOME_UNKNOWN
        if self._ledger.now() - execution.changed_at > NEVER_STARTED_SECONDS:
            return NEVER_STARTED
        return None

    def _dispatch(self, execution: Execution, sweep: Sweep) -> str:
        """Take an execution over and send it to its worker."""
        entry = FunctionEntry(execution.aws_lambda_arn, execution.setting)
        try:
            function = self._registry.function_for_entry(entry, execution.function)
        except NotFoundError as error:
            _log_failure(execution, error)
            return self._mark_dead(execution, FUNCTION_MISSING)
        except SilvaEngineError as error:
            _log_failure(execution, error)
            return self._postpone(execution)
        execution = self._ledger.take_over_for_event(execution)
        try:
            self._dispatcher.send(execution, function)
        except UnavailableError:
            sweep.throttled.add(execution.aws_lambda_arn)
            return self._postpone(execution)
        except SilvaEngineError as error:
            _log_failure(execution, error)
            return self._postpone(execution)
        return "dispatched"

    def _postpone(self, execution: Execution) -> str:
        self._ledger.reschedule(execution, THROTTLED_SECONDS * (1 + self._jitter()))
        return "postponed"

    def _mark_dead(self, execution: Execution, cause: str) -> str:
        owner = self._ledger.mark_dead(execution.job_id, execution.owner, cause)
        died_at = self._ledger.now()
        dead = execution._replace(state="dead", cause=cause, owner=owner, changed_at=died_at)
        return self._publish_dead_letter(dead)

    def _publish_dead_letter(self, execution: Execution) -> str:
        """Hold a dead execution, send its letter and alert, acknowledge it; a crash sends them twice."""
        held = self._ledger.reschedule(execution, DEAD_LETTER_SECONDS)
        self._send_dead_letter(held)
        self._alerts.publish(
            f"silvaengine job dead: {held.function}",
            f"{held.endpoint_id} {held.function} {held.cause}",
            {
                "job_id": held.job_id,
                "endpoint_id": held.endpoint_id,
                "function": held.function,
                "cause": held.cause,
                "attempts": held.attempts,
                "request_id": held.request_id,
            },
        )
        self._ledger.acknowledge(held)
        return "buried"


def _log_failure(execution: Execution, error: SilvaEngineError) -> None:
    _logger.error(
        "Execution %s: %s (%s)",
        execution.job_id,
        error.message,
        error.detail,
        extra={"request_id": execution.request_id},
    )


def dead_letter(execution: Execution) -> dict[str, object]:
    """Return the message of a dead execution: its ids and cause, but no parameter, setting or result."""
    return {
        "job_id": execution.job_id,
        "endpoint_id": execution.endpoint_id,
        "area": execution.area,
        "function": execution.function,
        "cause": execution.cause,
        "attempts": execution.attempts,
        "request_id": execution.request_id,
        "created_at": execution.created_at,
        "died_at": execution.changed_at,
    }


def open_dead_letter_queue(settings: Settings) -> SendDeadLetter:
    """Return a function that sends a dead execution's message to the deployment's queue."""

    def send(execution: Execution) -> None:
        queue = require(settings.dead_letter_queue_url, "DEAD_LETTER_QUEUE_URL")
        with translate_errors("SendMessage to the dead-letter queue"):
            client("sqs", settings.region).send_message(
                QueueUrl=queue, MessageBody=json.dumps(dead_letter(execution))
            )

    return send
