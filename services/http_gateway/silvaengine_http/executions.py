"""Calls that the ledger holds: asynchronous ones, and those with an idempotency key.

The answers are those of draft-ietf-httpapi-idempotency-key-header: 400 without a key that is demanded, 409
while the first request is under way, 422 for another request under the same key.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import ConditionFailedError, RequestError, SilvaEngineError, UnavailableError
from silvaengine.ledger.digests import Digests, plain_digest
from silvaengine.ledger.dispatch import Dispatcher, nothing_ran
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.payload_store import PayloadStore, content_key
from silvaengine.ledger.policy import ExecutionPolicy
from silvaengine.ledger.store import DISPATCH_SECONDS, Ledger, new_execution
from silvaengine.protocol.messages import WorkerAnswer
from silvaengine.registry.model import Function
from silvaengine_http.response import Answer, error_answer, function_answer, json_answer

KEYED_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RETRY_SECONDS = 2  # how soon to ask again for what is under way
REPLAYED = "Idempotency-Replayed"

_logger = logging.getLogger(__name__)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class LedgerCall(NamedTuple):
    """A call that the ledger shall hold.

    ``content`` is a WorkerCall's; ``body`` what makes two requests the same. ``key`` is the client's, None
    for none. ``deadline`` is in epoch seconds. ``status_url`` is where a job tells of itself.
    """

    function: Function
    endpoint_id: str
    area: str
    principal: str
    request_id: str
    content: str
    body: str
    key: str | None
    is_async: bool
    deadline: float
    status_url: str

    @property
    def stays_accepted(self) -> bool:
        """Whether it stays accepted when it can't be started: a repetition may have been told so."""
        return self.is_async and self.key is not None


class Executions(NamedTuple):
    """Accepts calls into the ledger and hands them over.

    Args:
        ledger: holds them.
        dispatcher: reaches the workers.
        payloads: takes what is too large for a row.
        keys: makes a row's id of an idempotency key.
        lease_seconds: how long a worker may run at the most.

    """

    ledger: Ledger
    dispatcher: Dispatcher
    payloads: PayloadStore
    keys: Digests
    lease_seconds: float

    def serve(self, order: LedgerCall) -> Answer:
        """Accept a call, or answer what became of the one that came first under its key.

        Raises:
            SilvaEngineError: the answer's status and message; with 503 nothing was started.

        """
        accepted = self._new(order)
        try:
            stored = self._stored(accepted)
            first = self.ledger.accept(stored)
        except UnavailableError:
            if not order.stays_accepted:
                self._undo(accepted)  # the write may have arrived all the same
            raise
        if first is None:
            return self._start(order, stored._replace(content=order.content))
        return self._repeat(order, first)

    def _new(self, order: LedgerCall) -> Execution:
        policy, now = policy_of(order.function), self.ledger.now()
        job_id = self.ledger.new_token()
        if order.key is not None:
            job_id = self.keys.digest(
                order.endpoint_id, order.principal, order.function.area, order.function.name, order.key
            )
        due = now + DISPATCH_SECONDS if order.is_async else self.ledger.lease_end(self.lease_seconds)
        return new_execution(
            {
                "job_id": job_id,
                "state": "accepted" if order.is_async else "running",
                "owner": self.ledger.new_token(),
                "effect": self.ledger.new_token(),
                "attempts": 0 if order.is_async else 1,
                "endpoint_id": order.endpoint_id,
                "area": order.area,
                "function": order.function.name,
                "aws_lambda_arn": order.function.aws_lambda_arn,
                "setting": order.function.entry_setting,
                "principal": plain_digest(order.endpoint_id, order.principal),
                "on_lost": policy.on_lost or ("retry" if order.key is None else "fail"),
                "max_attempts": policy.max_attempts,
                "keep_seconds": policy.keep_seconds,
                "backoff_seconds": policy.backoff_seconds,
                "request_id": order.request_id,
                "digest": plain_digest(order.body),
                "created_at": now,
                "due_at": due,
                "content": order.content,
            }
        )

    def _stored(self, execution: Execution) -> Execution:
        key = content_key(execution.job_id, execution.effect)
        kept = self.payloads.store("content", key, execution.content or "")
        return execution._replace(content=kept.get("content"), content_at=kept.get("content_at"))

    def _undo(self, execution: Execution) -> bool:
        """Take back what nobody started; tell whether it was still there to be taken.

        When the ledger gives no answer it may be there or not: nobody must be told that it was accepted.
        """
        try:
            if execution.fence == 1:
                self.ledger.cancel(execution)
            else:  # an attempt before this one may have run: it stays accepted
                self.ledger.reschedule(execution, 0)
        except ConditionFailedError:
            return False
        except UnavailableError as error:
            _logger.warning("Execution %s could not be taken back: %s", execution.job_id, error.detail)
        return True

    def _start(self, order: LedgerCall, execution: Execution) -> Answer:
        try:
            if order.is_async:
                self.dispatcher.send(execution, order.function, deadline=order.deadline)
                return accepted_answer(execution.job_id, order.status_url)
            result = self.dispatcher.ask(execution, order.function, order.deadline)
        except SilvaEngineError as error:
            if nothing_ran(error) and not order.stays_accepted and self._undo(execution):
                raise
            if order.is_async:  # it stands in the ledger, and the sweeper sends it again
                return accepted_answer(execution.job_id, order.status_url)
            raise
        return function_answer(WorkerAnswer.decode(result))

    def _repeat(self, order: LedgerCall, first: Execution) -> Answer:
        if first.digest != plain_digest(order.body):
            raise RequestError("This Idempotency-Key was used for another request", status=422)
        if order.is_async:
            return accepted_answer(first.job_id, order.status_url, {REPLAYED: "true"})
        if first.state not in LIVE and (first.result or first.result_at):
            return replayed(first, self.payloads)
        if first.state == "accepted" or first.is_held(self.ledger.now()):
            raise _in_progress()
        if first.state == "running" and first.on_lost == "retry" and first.attempts < first.max_attempts:
            return self._take_over(order, first)
        raise RequestError(
            "The outcome of the first request with this Idempotency-Key is not known", status=409
        )

    def _take_over(self, order: LedgerCall, first: Execution) -> Answer:
        try:
            taken = self.ledger.take_over(first, order.request_id, self.lease_seconds)
        except ConditionFailedError:
            raise _in_progress() from None
        return self._start(order, taken._replace(content=order.content))


def read_key(method: str, headers: Mapping[str, str], function: Function) -> str | None:
    """Return the request's idempotency key; None where it has none or its method needs none.

    Raises:
        RequestError: 400, the function demands a key, or it isn't 1 to 255 visible ASCII characters.

    """
    if method not in KEYED_METHODS:
        return None
    key = headers.get("idempotency-key")
    if key is None:
        if policy_of(function).idempotency == "required":
            raise RequestError("This function requires the header Idempotency-Key")
        return None
    if not _KEY.fullmatch(key):
        raise RequestError("Idempotency-Key must be 1 to 255 visible ASCII characters")
    return key


def prefers_async(headers: Mapping[str, str]) -> bool:
    """Return whether the client asks for a job: RFC 7240, section 4.1."""
    wishes = headers.get("prefer")
    return wishes is not None and any(
        wish.partition(";")[0].strip().lower() == "respond-async" for wish in wishes.split(",")
    )


def policy_of(function: Function) -> ExecutionPolicy:
    """Read how a function's executions are treated."""
    return ExecutionPolicy.from_config(function.configuration.get("config") or {})


def accepted_answer(job_id: str, status_url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer that a job stands in the ledger."""
    location = {"Location": f"{status_url}?job_id={job_id}", "Retry-After": str(RETRY_SECONDS)}
    return json_answer({"job_id": job_id, "status": "accepted"}, 202, {**location, **(headers or {})})


def replayed(execution: Execution, payloads: PayloadStore) -> Answer:
    """Return the first answer again, byte for byte."""
    try:
        answer = function_answer(answer_of(execution, payloads))
    except SilvaEngineError as error:
        answer = error_answer(error, execution.request_id)
    return answer._replace(headers={**answer.headers, REPLAYED: ("true",)})


def answer_of(execution: Execution, payloads: PayloadStore) -> WorkerAnswer:
    """Return what the worker settled."""
    text = execution.result
    if text is None and execution.result_at is not None:
        text = payloads.get(execution.result_at)
    value: Any = json.loads(text or "null")
    return WorkerAnswer.decode(value)


def _in_progress() -> RequestError:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return RequestError(
        "The first request with this Idempotency-Key is under way", status=409, headers=headers
    )
