"""The worker's part of the ledger: begin an execution, run it, settle it before its outcome is sent."""

import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from urllib.request import urlopen

from silvaengine.errors import ConditionFailedError, UnavailableError
from silvaengine.ledger.payload_store import PayloadStore, result_key
from silvaengine.ledger.store import Ledger
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import ExecutionRef, WorkerResponse
from silvaengine_worker.results import Outcome

MAX_BACKOFF = 3600.0
FETCH_SECONDS = 10.0
LOOK_SECONDS = 1  # between two looks for the end of an attempt

type Note = Callable[..., None]
type Attempt = Callable[[Callable[[], bool]], Outcome]
"""Calls the function, and tells it whether its outcome will be discarded."""


class ExecutionRunner:
    """Runs executions of the ledger, of which the worker's role lets it update rows and read none.

    ``jitter`` returns a random number from 0 to 1.
    """

    def __init__(
        self, ledger: Ledger, payloads: PayloadStore, jitter: Callable[[], float] = random.random
    ) -> None:
        self._ledger = ledger
        self._payloads = payloads
        self._jitter = jitter

    def run(self, job: ExecutionRef, seconds: float, attempt: Attempt, note: Note) -> WorkerResponse | None:
        """Begin, run and settle an execution; return its response, None for a duplicate delivery.

        Args:
            job: the caller's reference to it.
            seconds: until this process may be ended.
            attempt: never raises.
            note: adds ``duplicate`` or ``late`` to the log line.

        Raises:
            UnavailableError: the ledger can't be written; whether the function ran is unknown.
        """
        owner = job.owner
        if not job.claimed:
            try:
                owner = self._ledger.begin(job, seconds)
            except ConditionFailedError:
                note(duplicate=True)
                return None
        outcome = attempt(_End(self._ledger, job.job_id, owner).has_come)
        try:
            self._settle(job, owner, outcome)
        except ConditionFailedError:
            note(late=True)
            message = "The call exceeded its lease and another attempt took over; this result was discarded"
            return WorkerResponse("error", message, 409, "LateWrite")
        except UnavailableError as error:
            message = "The outcome could not be recorded; the call may have taken effect"
            raise UnavailableError(message, detail=error.detail) from error
        return outcome.response

    def _settle(self, job: ExecutionRef, owner: str, outcome: Outcome) -> None:
        response, text = outcome
        is_lost = response.status >= 500 and not job.claimed
        if is_lost and job.on_lost == "retry" and job.attempt < job.max_attempts:
            return self._ledger.retry_later(job, owner, response.error_type, self._backoff(job))
        result = self._payloads.store("result", result_key(job.job_id, owner), text)
        if is_lost:
            self._ledger.mark_dead(job.job_id, owner, response.error_type, result)
            return None
        return self._ledger.settle(job, owner, "failed" if response.kind == "error" else "succeeded", result)

    def _backoff(self, job: ExecutionRef) -> float:
        """Return the seconds until the next attempt: doubled with each one, with jitter down to half."""
        pause = min(MAX_BACKOFF, job.backoff_seconds * 2.0 ** (job.attempt - 1))
        return pause * (0.5 + self._jitter() / 2)


class _End:
    """Whether an attempt isn't its holder's any more: its caller has withdrawn it, or another one has it."""

    def __init__(self, ledger: Ledger, job_id: str, owner: str) -> None:
        self._ledger = ledger
        self._row = job_id, owner
        self._next_look = 0.0
        self._has_come = False

    def has_come(self) -> bool:
        """Return whether it is so, as far as was looked."""
        if not self._has_come and self._ledger.now() >= self._next_look:
            self._next_look = self._ledger.now() + LOOK_SECONDS
            with suppress(UnavailableError):
                self._has_come = not self._ledger.holds(*self._row)
        return self._has_come


def fetch_content(event: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a payload with the content, and perhaps settings, behind its URL; any other payload unchanged.

    Raises:
        UnavailableError: the content can't be read.

    """
    url = event.get("content_url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return event
    try:
        with urlopen(url, timeout=FETCH_SECONDS) as response:  # noqa: S310 - the scheme is checked
            content: Mapping[str, Json] = json.load(response)
    except (OSError, HTTPException) as error:
        raise UnavailableError("The request's content can't be read", detail=repr(error)) from error
    return {**event, **content}
