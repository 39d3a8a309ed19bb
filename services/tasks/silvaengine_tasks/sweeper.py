"""The one retry engine: every minute it takes up what nobody holds any more.

An event to a worker may be lost, a worker may vanish, an attempt may have failed: in the ledger each of these
is an execution whose holder's time is over. The sweeper takes it over first, by a conditional write, and
hands it to a worker afterwards, so that two sweepers never hand over the same; or it gives it up, tells the
operator, and only then takes it out of the index: what a crash leaves in between, the next run finds.
"""

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from silvaengine.errors import ConditionFailedError, NotFoundError, SilvaEngineError, UnavailableError
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import DAY, Execution
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.registry.model import FunctionEntry
from silvaengine.registry.registry import Registry
from silvaengine_tasks.dead_letters import DeadLetters

SHARDS = "0123456789abcdef"
PAGE = 25  # executions of one shard in a round: no shard keeps the others waiting
ROWS = 1000  # executions in a run
SPARE_SECONDS = 10.0  # of the Lambda's time, for the last execution and the log
THROTTLED_SECONDS = 120.0  # how long a Lambda that has no room is left alone, with jitter to twice as long
HOLD_SECONDS = 60  # for telling of a dead one
NEVER_STARTED_SECONDS = DAY  # how long a job waits for a worker at the most

OUTCOME_UNKNOWN = "outcome_unknown"
NEVER_STARTED = "never_started"
FUNCTION_MISSING = "function_missing"
FAILED = "failed"

_logger = logging.getLogger(__name__)


class Sweep:
    """One run: what it did, how far behind it was in seconds, and which Lambdas had no room."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.lag = 0
        self.throttled: set[str] = set()


class Sweeper:
    """Takes up executions.

    Args:
        ledger: holds them.
        registry: knows functions and their settings, which are read anew for each attempt.
        dispatcher: reaches the workers.
        dead_letters: tells the queue.
        alerts: tells the operator.
        chance: returns a number from 0 to 1, for jitter.

    """

    def __init__(
        self,
        ledger: Ledger,
        registry: Registry,
        dispatcher: Dispatcher,
        dead_letters: DeadLetters,
        alerts: AlertPublisher,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._registry = registry
        self._dispatcher = dispatcher
        self._dead_letters = dead_letters
        self._alerts = alerts
        self._chance = chance

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> dict[str, int]:  # noqa: ANN401, ARG002 - a source's signature
        """Serve the schedule's event; tell what was done."""
        sweep = self.run(lambda: context.get_remaining_time_in_millis() / 1000 > SPARE_SECONDS)
        line.add(**sweep.counts)
        line.add_metric("SweeperLag", sweep.lag, function_name=context.function_name)
        line.add_metric("DeadJobs", sweep.counts["buried"], function_name=context.function_name)
        return dict(sweep.counts)

    def run(self, has_time: Callable[[], bool], rows: int = ROWS) -> Sweep:
        """Take up what is due, the longest due first in each shard, as long as there is time."""
        sweep = Sweep()
        self._registry.refresh()
        for execution in self._due():
            if sweep.counts["seen"] >= rows or not has_time():
                break
            sweep.counts["seen"] += 1
            sweep.lag = max(sweep.lag, self._ledger.now() - (execution.due_at or 0))
            sweep.counts[self._step(execution, sweep)] += 1
        return sweep

    def _due(self) -> Iterator[Execution]:
        """Yield a page of each shard, round after round; a shard whose page isn't full has no further one."""
        shards = list(SHARDS)
        while shards:
            for shard in list(shards):
                page = self._ledger.due(shard, PAGE)
                if len(page) < PAGE:
                    shards.remove(shard)
                yield from page

    def _step(self, execution: Execution, sweep: Sweep) -> str:
        try:
            return self._take_up(execution, sweep)
        except ConditionFailedError:
            return "refused"
        except Exception as error:  # a row's door: what is wrong with it keeps no other tenant waiting
            _logger.exception("Job %s could not be taken up", execution.job_id)
            kind = type(error).__name__
            facts = {"service": "sweeper", "job_id": execution.job_id, "error": kind}
            self._alerts.publish("silvaengine sweeper", f"sweeper {kind}", facts)
        with suppress(SilvaEngineError):  # it was moved on before, or nothing can be written at the moment
            self._postpone(execution)
        return "failed"

    def _take_up(self, execution: Execution, sweep: Sweep) -> str:
        if execution.state == "dead":
            return self._tell(execution)
        if execution.state == "succeeded":
            self._ledger.acknowledge(execution)
            return "unlisted"
        if cause := self._hopeless(execution):
            return self._give_up(execution, cause)
        if execution.aws_lambda_arn in sweep.throttled:
            return self._postpone(execution)
        return self._hand_over(execution, sweep)

    def _hopeless(self, execution: Execution) -> str | None:
        may_not_run_again = execution.on_lost == "fail" and execution.state != "accepted"
        if may_not_run_again or execution.attempts >= execution.max_attempts:
            return FAILED if execution.state == "failed" else OUTCOME_UNKNOWN
        if self._ledger.now() - execution.changed_at > NEVER_STARTED_SECONDS:
            return NEVER_STARTED
        return None

    def _hand_over(self, execution: Execution, sweep: Sweep) -> str:
        entry = FunctionEntry(execution.aws_lambda_arn, execution.setting)
        try:
            function = self._registry.function_of(entry, execution.function)
        except NotFoundError as error:
            _note(execution, error)
            return self._give_up(execution, FUNCTION_MISSING)
        except SilvaEngineError as error:
            _note(execution, error)
            return self._postpone(execution)
        taken = self._ledger.dispatch(execution)
        try:
            self._dispatcher.send(taken, function)
        except UnavailableError:
            sweep.throttled.add(execution.aws_lambda_arn)
            return self._postpone(taken)
        except SilvaEngineError as error:
            _note(execution, error)
            return self._postpone(taken)
        return "dispatched"

    def _postpone(self, execution: Execution) -> str:
        self._ledger.reschedule(execution, THROTTLED_SECONDS * (1 + self._chance()))
        return "postponed"

    def _give_up(self, execution: Execution, cause: str) -> str:
        owner = self._ledger.mark_dead(execution.job_id, execution.owner, cause)
        died_at = self._ledger.now()
        return self._tell(execution._replace(state="dead", cause=cause, owner=owner, changed_at=died_at))

    def _tell(self, execution: Execution) -> str:
        """Tell of a dead one: hold it, send, note that it was sent. A crash in between sends once more."""
        held = self._ledger.reschedule(execution, HOLD_SECONDS)
        self._dead_letters(held)
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


def _note(execution: Execution, error: SilvaEngineError) -> None:
    _logger.error("Job %s: %s (%s)", execution.job_id, error.message, error.detail)


def is_schedule(event: Mapping[str, Any]) -> bool:
    """Return whether an event is the one that the schedule's rule in the template sends."""
    return event.get("silvaengine") == "sweep"
