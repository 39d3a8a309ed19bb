"""The simulation's own books: what was asked, what took effect, what was told, and what was promised.

Nothing here looks at how the ledger does it, only at what a tenant or an operator would notice.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from silvaengine.ledger.execution import Execution
from silvaengine.protocol.messages import OnLost, WorkerCall


@dataclass(kw_only=True)
class Asked:
    """One call as its caller means it, however often it is sent; ``told`` are its statuses and bodies."""

    number: int
    tenant: str
    principal: str
    function: str
    on_lost: OnLost
    conditional: bool
    key: str | None
    is_async: bool
    fails: int | None = None
    told: list[tuple[int, str]] = field(default_factory=list)
    finished: bool = False

    @property
    def name(self) -> str:
        """What it is, for a violation's text."""
        kind = "async" if self.is_async else "sync"
        return f"call {self.number} ({kind}, {self.function}, key {self.key}, {self.tenant}/{self.principal})"


class Account:
    """Collects what happened and finds what should not have."""

    def __init__(self) -> None:
        self.asked: dict[int, Asked] = {}
        self.effects: Counter[int] = Counter()
        self.dead_letters: list[Execution] = []
        self.notices: list[dict[str, Any]] = []
        self.stuck: list[str] = []
        self.violations: list[str] = []
        self._done_once: set[str] = set()
        self._numbers: dict[str, list[int]] = defaultdict(list)

    def violation(self, asked: Asked | None, text: str) -> None:
        """Note what should not have happened."""
        self.violations.append(f"{asked.name}: {text}" if asked else text)

    def began(self, call: WorkerCall) -> None:
        """A worker begins an attempt."""
        asked, job = self._asked(call), call.job
        if job is None or call.invocation is None:
            raise RuntimeError("the worker was told of no job")
        if call.invocation.endpoint_id != asked.tenant:
            self.violation(asked, f"ran for {call.invocation.endpoint_id}")
        numbers = self._numbers[job.effect]
        if numbers and job.fence <= numbers[-1]:
            self.violation(asked, f"attempt with token {job.fence} after {numbers[-1]}")
        numbers.append(job.fence)
        if len(numbers) > job.max_attempts:
            self.violation(asked, f"{len(numbers)} attempts, at most {job.max_attempts}")

    def effect(self, number: int, call: WorkerCall) -> None:
        """A function has its effect; a conditional one only where none of its name was."""
        asked = self.asked[number]
        if asked.conditional and call.job is not None:
            if call.job.effect in self._done_once:
                return
            self._done_once.add(call.job.effect)
        self.effects[number] += 1

    def late(self, call: WorkerCall, *, disturbed: bool) -> None:
        """A result was refused as too late."""
        if not disturbed:
            self.violation(self._asked(call), "a worker in time was told that it was late")

    def tell(self, asked: Asked, status: int, body: str) -> None:
        """A caller gets an answer."""
        asked.told.append((status, body))
        if status in {400, 422} and not asked.fails:
            self.violation(asked, f"was refused: {body}")
        if status == 200 and not asked.is_async:
            answer = json.loads(body)
            if (answer["call"], answer["tenant"]) != (asked.number, asked.tenant):
                self.violation(asked, f"got the answer of call {answer['call']} of {answer['tenant']}")

    def check(self, rows: list[Execution]) -> list[str]:
        """Compare everything that was told with what took effect; give all violations."""
        by_number: dict[int, list[Execution]] = defaultdict(list)
        for row in rows:
            by_number[_number_of(row)].append(row)
        for job_id in self.stuck:
            self.violation(None, f"{job_id} is never settled")
        for number, asked in self.asked.items():
            self._check_effects(asked, by_number[number])
            self._check_told(asked, by_number[number])
        self._check_dead(rows)
        return self.violations

    def _check_effects(self, asked: Asked, rows: list[Execution]) -> None:
        effects = self.effects[asked.number]
        if len(rows) > 1:
            self.violation(asked, "stands in the ledger twice")
        if asked.on_lost == "fail" and effects > 1:
            self.violation(asked, f"{effects} effects, at most once was promised")
        if asked.conditional and effects > 1:
            self.violation(asked, f"{effects} effects in spite of the token")
        for row in rows:
            if row.state not in {"succeeded", "failed", "dead"}:
                self.violation(asked, f"ends as {row.state}")
            if row.state == "succeeded" and not effects:
                self.violation(asked, "succeeded without an effect")
            if row.state == "failed" and asked.is_async and not asked.fails:
                self.violation(asked, "failed for good at a failure that passes")

    def _check_told(self, asked: Asked, rows: list[Execution]) -> None:
        statuses = {status for status, _ in asked.told}
        if 202 in statuses and not rows:
            self.violation(asked, "was accepted and is not in the ledger")
        if 200 in statuses and not self.effects[asked.number]:
            self.violation(asked, "was told of an effect that never was")
        if len({body for status, body in asked.told if status == 200}) > 1:
            self.violation(asked, "got two answers for one key")
        if 200 in statuses and [row.state for row in rows] != ["succeeded"]:
            self.violation(asked, f"was told of a success that the ledger calls {[r.state for r in rows]}")
        if asked.key and asked.told and not asked.finished:
            self.violation(asked, f"never got an outcome, last {asked.told[-1]}")

    def _check_dead(self, rows: list[Execution]) -> None:
        dead = {row.job_id for row in rows if row.state == "dead"}
        told = {letter.job_id for letter in self.dead_letters}
        if dead != told:
            self.violation(None, f"dead and not told: {dead - told}; told and not dead: {told - dead}")

    def _asked(self, call: WorkerCall) -> Asked:
        return self.asked[int(call.params["call"])]


def _number_of(row: Execution) -> int:
    content = json.loads(row.content or "{}")
    return int(json.loads(content["params"])["call"])
