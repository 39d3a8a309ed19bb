"""The simulation's account: requests, effects, answers, and the promises that they must keep.

It knows nothing of the ledger's ways, only what a tenant or an operator would notice.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from silvaengine.ledger.execution import Execution
from silvaengine.protocol.messages import OnLost, WorkerCall


@dataclass(kw_only=True)
class Request:
    """A call as its caller means it, however often it is sent; ``answers`` are its statuses and bodies."""

    number: int
    tenant: str
    principal: str
    function: str
    on_lost: OnLost
    conditional: bool
    key: str | None
    is_async: bool
    fails: int | None = None
    responses: list[tuple[int, str]] = field(default_factory=list)
    finished: bool = False

    @property
    def name(self) -> str:
        """Return the request's description for a violation."""
        kind = "async" if self.is_async else "sync"
        return f"call {self.number} ({kind}, {self.function}, key {self.key}, {self.tenant}/{self.principal})"


class Account:
    """Collects what happens and finds violations."""

    def __init__(self) -> None:
        self.requests: dict[int, Request] = {}
        self.attempts: Counter[int] = Counter()
        self.effects: Counter[int] = Counter()
        self.dead_letters: list[Execution] = []
        self.notices: list[dict[str, Any]] = []
        self.stuck: list[str] = []
        self.violations: list[str] = []
        self._done_once: set[str] = set()
        self._numbers: dict[str, list[int]] = defaultdict(list)

    def violation(self, request: Request | None, text: str) -> None:
        """Add a violation."""
        self.violations.append(f"{request.name}: {text}" if request else text)

    def began(self, call: WorkerCall) -> None:
        """Record that a worker begins an attempt."""
        request, job = self._request(call), call.job
        if job is None or call.invocation is None:
            raise RuntimeError("the worker got no job")
        if call.invocation.endpoint_id != request.tenant:
            self.violation(request, f"ran for {call.invocation.endpoint_id}")
        self.attempts[request.number] += 1
        numbers = self._numbers[job.effect]
        if numbers and job.fence <= numbers[-1]:
            self.violation(request, f"attempt with token {job.fence} after {numbers[-1]}")
        numbers.append(job.fence)
        if len(numbers) > job.max_attempts:
            self.violation(request, f"{len(numbers)} attempts, at most {job.max_attempts}")

    def effect(self, number: int, call: WorkerCall) -> None:
        """Record a function's effect; a conditional one only if there is none of its name."""
        request = self.requests[number]
        if request.conditional and call.job is not None:
            if call.job.effect in self._done_once:
                return
            self._done_once.add(call.job.effect)
        self.effects[number] += 1

    def late(self, call: WorkerCall, *, disturbed: bool) -> None:
        """Record that a result was refused as too late."""
        if not disturbed:
            self.violation(self._request(call), "a worker in time was refused as late")

    def response(self, request: Request, status: int, body: str) -> None:
        """Record that a caller gets a response."""
        request.responses.append((status, body))
        if status in {400, 422} and not request.fails:
            self.violation(request, f"was refused: {body}")
        if status == 200 and not request.is_async:
            response = json.loads(body)
            if (response["call"], response["tenant"]) != (request.number, request.tenant):
                self.violation(
                    request, f"got the response of call {response['call']} of {response['tenant']}"
                )

    def check(self, rows: list[Execution]) -> list[str]:
        """Compare answers and rows with effects; return all violations."""
        by_number: dict[int, list[Execution]] = defaultdict(list)
        for row in rows:
            by_number[_number_of(row)].append(row)
        for job_id in self.stuck:
            self.violation(None, f"{job_id} is never settled")
        for number, request in self.requests.items():
            self._check_effects(request, by_number[number])
            self._check_responses(request, by_number[number])
        self._check_dead(rows)
        return self.violations

    def _check_effects(self, request: Request, rows: list[Execution]) -> None:
        effects = self.effects[request.number]
        if len(rows) > 1:
            self.violation(request, "stands in the ledger twice")
        if request.on_lost == "fail" and effects > 1:
            self.violation(request, f"{effects} effects, at most once was promised")
        if request.conditional and effects > 1:
            self.violation(request, f"{effects} effects in spite of the token")
        for row in rows:
            if row.state not in {"succeeded", "failed", "dead"}:
                self.violation(request, f"ends as {row.state}")
            if row.state == "succeeded" and not effects:
                self.violation(request, "succeeded without an effect")
            if row.state == "failed" and request.is_async and not request.fails:
                self.violation(request, "failed for good at a failure that passes")

    def _check_responses(self, request: Request, rows: list[Execution]) -> None:
        statuses = {status for status, _ in request.responses}
        if 202 in statuses and not rows:
            self.violation(request, "was accepted and is not in the ledger")
        if 200 in statuses and not self.effects[request.number]:
            self.violation(request, "was answered without an effect")
        if len({body for status, body in request.responses if status == 200}) > 1:
            self.violation(request, "got two answers for one key")
        if 200 in statuses and [row.state for row in rows] != ["succeeded"]:
            self.violation(
                request, f"was answered as succeeded, but the ledger has {[r.state for r in rows]}"
            )
        if request.key and request.responses and not request.finished:
            self.violation(request, f"never got an outcome, last {request.responses[-1]}")

    def _check_dead(self, rows: list[Execution]) -> None:
        dead = {row.job_id for row in rows if row.state == "dead"}
        reported = {letter.job_id for letter in self.dead_letters}
        if dead != reported:
            self.violation(
                None, f"dead without a report: {dead - reported}; reported and not dead: {reported - dead}"
            )

    def _request(self, call: WorkerCall) -> Request:
        return self.requests[int(call.params["call"])]


def _number_of(row: Execution) -> int:
    content = json.loads(row.content or "{}")
    return int(json.loads(content["params"])["call"])
