"""The retry engine: every minute it takes up executions with an ended lease.

A tenant has a share of each run; the rows of one that had it stay as they are, for what the others leave.

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
from typing import TYPE_CHECKING

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.errors import ConditionFailedError, NotFoundError, SilvaEngineError, UnavailableError
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import DAY, Execution
from silvaengine.ledger.store import OUTCOME_UNKNOWN, Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import LambdaEvent
from silvaengine.registry.model import FunctionEntry
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings, require

if TYPE_CHECKING:
    from silvaengine.aws.json_api import Members

SHARDS = "0123456789abcdef"
PAGE = 25  # executions of one shard in a round: no shard keeps the others waiting
MAX_EXECUTIONS = 1000  # in a run
MAX_READ = 10_000  # index entries in a walk, with those of tenants that have had their share
SHARE = 100  # executions of a tenant in a run, before what the others leave
SPARE_SECONDS = 10.0  # of the Lambda's time, for the last execution and the log line
THROTTLED_SECONDS = 120.0  # before a throttled Lambda is tried again, with jitter up to twice as long
DEAD_LETTER_SECONDS = 60  # to send a dead letter and its alert
NEVER_STARTED_SECONDS = DAY  # how long a job waits for a worker at the most

NEVER_STARTED = "never_started"
FUNCTION_MISSING = "function_missing"
RELEASE_MISSING = "release_missing"
FAILED = "failed"
UNREADABLE = "unreadable"

_logger = logging.getLogger(__name__)

type SendDeadLetter = Callable[[Execution], None]


class Sweep:
    """One run.

    Args:
        has_time: returns whether there is time for another row.
        limit: how many executions it takes up.
    """

    def __init__(self, has_time: Callable[[], bool], limit: int) -> None:
        self.counts: Counter[str] = Counter()
        """By outcome."""
        self.by_tenant: Counter[str] = Counter()
        self.lag = 0
        """The largest, in seconds."""
        self.throttled: set[str] = set()
        """Lambdas."""
        self.skipped = False
        """Whether a tenant had more than its share."""
        self.failure: SilvaEngineError | None = None
        """Why a shard couldn't be read."""
        self._has_time = has_time
        self._limit = limit

    @property
    def goes_on(self) -> bool:
        """Whether there is time, and room for another execution."""
        return self.counts["seen"] < self._limit and self._has_time()


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
        self._places: dict[str, Members | None] = {}

    def serve(self, event: LambdaEvent) -> dict[str, int]:
        """Run once, and log it; return the counts. Raises like ``run``."""
        remaining = event.context.get_remaining_time_in_millis
        sweep = self.run(lambda: remaining() / 1000 > SPARE_SECONDS)
        event.log.add(lag=sweep.lag, **sweep.counts)
        return dict(sweep.counts)

    def run(self, has_time: Callable[[], bool], limit: int = MAX_EXECUTIONS, share: int = SHARE) -> Sweep:
        """Take up what is due, the longest due first in each shard, as long as there is time.

        Each tenant has a share of it, and all of them what is left. A run that reads its fill for the shares
        leaves the rest of the shards to the next one.

        Raises:
            SilvaEngineError: a shard couldn't be read; the others were swept.
        """
        sweep = Sweep(has_time, limit)
        self._walk(sweep, self._places, share)
        if sweep.skipped:
            self._walk(sweep, {}, limit)
        if sweep.failure:
            raise sweep.failure
        return sweep

    def _walk(self, sweep: Sweep, places: "dict[str, Members | None]", share: int) -> None:
        for shard, job_id, execution in self._due(sweep, places):
            if not sweep.goes_on:
                return
            if execution is None:
                sweep.counts[self._try_unlist(job_id, shard)] += 1
                continue
            sweep.lag = max(sweep.lag, self._ledger.now() - (execution.due_at or 0))
            if sweep.by_tenant[execution.endpoint_id] >= share:
                sweep.skipped = True
                continue
            sweep.by_tenant[execution.endpoint_id] += 1
            sweep.counts["seen"] += 1
            sweep.counts[self._try_take_up(execution, sweep)] += 1

    def _due(
        self, sweep: Sweep, places: "dict[str, Members | None]"
    ) -> Iterator[tuple[str, str, Execution | None]]:
        """Yield shard, job id and execution of what is due, a page of each shard, round after round.

        It begins at the shards' ``places``, and keeps there where it ends.
        """
        shards, read = list(SHARDS), 0
        while shards and read < MAX_READ:
            for shard in list(shards):
                try:
                    page = self._ledger.due(shard, PAGE, places.get(shard))
                except SilvaEngineError as error:
                    _logger.error("Shard %s can't be read: %s", shard, error.detail)  # noqa: TRY400 - detail says why
                    sweep.failure = error
                    shards.remove(shard)
                    continue
                read += PAGE
                yield from ((shard, job_id, execution) for job_id, execution in page.executions.items())
                places[shard] = page.end
                if page.end is None:
                    shards.remove(shard)

    def _try_unlist(self, job_id: str, shard: str) -> str:
        """Take a row that can't be read out of the index; return the count that it belongs to."""
        try:
            self._ledger.unlist(job_id, shard)
        except ConditionFailedError:
            return "refused"
        except SilvaEngineError as error:
            _logger.warning("Row %r could not be unlisted: %s", job_id, error.detail)
            return "failed"
        _logger.error("Row %r can't be read as an execution; it is no longer swept", job_id)
        facts = {"service": "sweeper", "job_id": job_id, "error": UNREADABLE}
        self._alerts.publish("silvaengine sweeper", f"sweeper {UNREADABLE}", facts)
        return UNREADABLE

    def _try_take_up(self, execution: Execution, sweep: Sweep) -> str:
        """Take up an execution; return the count that it belongs to, whatever happens."""
        try:
            return self._take_up(execution, sweep)
        except ConditionFailedError:
            return "refused"
        except Exception as error:  # boundary of a row: its failure must not keep other tenants waiting
            extra = {"request_id": execution.request_id}
            _logger.exception("Execution %s could not be processed", execution.job_id, extra=extra)
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
        self._registry.refresh()  # a run takes up to two minutes
        try:
            function = self._registry.function_for_entry(entry, execution.function)
        except NotFoundError as error:
            _log_failure(execution, error)
            return self._mark_dead(execution, RELEASE_MISSING if execution.package else FUNCTION_MISSING)
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
            _facts(held),
        )
        self._ledger.acknowledge(held)
        return "buried"


def _log_failure(execution: Execution, error: SilvaEngineError) -> None:
    extra = {"request_id": execution.request_id}
    release = "".join(f", {name} {value}" for name, value in execution.release_fields.items())
    _logger.error("Execution %s%s: %s", execution.job_id, release, error.reason, extra=extra)


def dead_letter(execution: Execution) -> dict[str, object]:
    """Return the message of a dead execution: its ids and cause, but no parameter, setting or result."""
    times = {"created_at": execution.created_at, "died_at": execution.changed_at}
    return {**_facts(execution), "area": execution.area, **times}


def _facts(execution: Execution) -> dict[str, object]:
    """Return what an alert says of a dead execution, too."""
    return {
        "job_id": execution.job_id,
        "endpoint_id": execution.endpoint_id,
        "function": execution.function,
        "cause": execution.cause,
        "attempts": execution.attempts,
        "request_id": execution.request_id,
        **execution.release_fields,
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
