"""A row of the ledger as an immutable value."""

from collections.abc import Mapping
from os import urandom
from typing import Any, Literal, NamedTuple

from silvaengine.protocol.messages import OnLost

type State = Literal["accepted", "running", "succeeded", "failed", "dead"]

LIVE = frozenset({"accepted", "running"})
INLINE_LIMIT = 180_000  # bytes of a value in a row, which may have 400 KB, for a content and a result:
# docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html

DAY = 86_400


class Execution(NamedTuple):
    """One accepted call. Times are whole epoch seconds.

    Args:
        job_id: the row's key: 128 random bits, or the HMAC of an idempotency key.
        state: where it stands.
        owner: the token of whoever may write next; each transition takes it over.
        effect: names this acceptance for good; the function's fencing token with ``fence``.
        fence: grows each time that the call is handed to a worker.
        attempts: how often a worker has begun.
        due_at: when the holder's time is over; then the sweeper, or a repeated call, may take over.
        due_shard: makes the row visible to the sweeper; absent for calls whose source retries by itself.
        content: what the call is about, ``content_at`` its key in the bucket when it is large.
        result: a WorkerAnswer's JSON text, ``result_at`` its key in the bucket when it is large.
        digest: of what was asked, so that one idempotency key means one request.
        cause: why it was retried or given up.
        changed_at: when ``state`` last changed.
        expires_at: when the row counts as gone, whatever DynamoDB's TTL has done.
        covers: the last of a stream's records that it stands for; its first one is in the key.
    """

    job_id: str
    state: State
    owner: str
    effect: str
    fence: int
    attempts: int
    endpoint_id: str
    area: str
    function: str
    aws_lambda_arn: str
    setting: str
    principal: str
    on_lost: OnLost
    max_attempts: int
    keep_seconds: int
    backoff_seconds: int
    request_id: str
    digest: str
    created_at: int
    changed_at: int
    due_at: int | None = None
    due_shard: str | None = None
    content: str | None = None
    content_at: str | None = None
    result: str | None = None
    result_at: str | None = None
    cause: str | None = None
    expires_at: int | None = None
    covers: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Execution | None":
        """Read a row; None for one that nobody accepted, such as an update of a key that never was."""
        known = {name: row[name] for name in cls._fields if name in row}
        try:
            return cls(**known)
        except TypeError:
            return None

    def row(self) -> dict[str, Any]:
        """Return the attributes that are there."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def is_held(self, now: int) -> bool:
        """Return whether somebody still has time to settle it."""
        return self.state in LIVE and (self.due_at is None or now < self.due_at)

    def is_gone(self, now: int) -> bool:
        """Return whether its time in the ledger is over."""
        return self.expires_at is not None and self.expires_at <= now


def new_token() -> str:
    """Return 128 random bits that nobody can guess, as 32 hex digits."""
    return urandom(16).hex()


def shard_of(job_id: str) -> str:
    """Return one of the index's 16 partitions: an id's first hex digit, since ids are evenly spread."""
    return job_id[0]
