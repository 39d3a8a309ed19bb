"""A row of the ledger as an immutable value, and what a function's registry row says about its executions."""

from collections.abc import Mapping
from os import urandom
from typing import Any, Literal, NamedTuple

from silvaengine.errors import ConfigurationError
from silvaengine.messages import OnLost

type State = Literal["accepted", "running", "succeeded", "failed", "dead"]

LIVE = frozenset({"accepted", "running"})
INLINE_LIMIT = 180_000  # bytes of a value in a row, which may have 400 KB, for a content and a result:
# docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html

DAY = 86_400
MAX_ATTEMPTS = 20


class Policy(NamedTuple):
    """How a function's executions are treated; the members of ``config`` in its registry row.

    ``on_lost`` is None where the caller's way decides: ``fail`` with an idempotency key, ``retry`` without.
    ``keep_seconds`` is how long a result, and with it an idempotency key, is kept; ``backoff_seconds`` the
    pause after the first failure, doubled after each further one.
    """

    on_lost: OnLost | None = None
    max_attempts: int = 3
    idempotency: Literal["optional", "required"] = "optional"
    keep_seconds: int = DAY
    backoff_seconds: int = 10

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Policy":
        """Read a function's config; what is absent has its default.

        Raises:
            ConfigurationError: a member isn't what it may be; ``detail`` names it.
        """
        usual = cls()
        return cls(
            on_lost=_one_of(config, "on_lost", ("fail", "retry")),
            max_attempts=_number(config, "max_attempts", 1, MAX_ATTEMPTS, usual.max_attempts),
            idempotency=_one_of(config, "idempotency", ("optional", "required")) or usual.idempotency,
            keep_seconds=_number(config, "keep_seconds", 60, 30 * DAY, usual.keep_seconds),
            backoff_seconds=_number(config, "backoff_seconds", 1, 3600, usual.backoff_seconds),
        )


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
        """Give the attributes that are there."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def is_held(self, now: int) -> bool:
        """Whether somebody still has time to settle it."""
        return self.state in LIVE and (self.due_at is None or now < self.due_at)

    def is_gone(self, now: int) -> bool:
        """Whether its time in the ledger is over."""
        return self.expires_at is not None and self.expires_at <= now


def token() -> str:
    """Give 128 random bits that nobody can guess, as 32 hex digits."""
    return urandom(16).hex()


def shard_of(job_id: str) -> str:
    """Give one of the index's 16 partitions: an id's first hex digit, since ids are evenly spread."""
    return job_id[0]


def _one_of(config: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> Any:  # noqa: ANN401 - one of them
    value = config.get(name)
    if value is not None and value not in allowed:
        raise _wrong(name, " or ".join(allowed), value)
    return value


def _number(config: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    value = config.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least} to {most}", value)
    return value


def _wrong(name: str, expected: str, found: object) -> ConfigurationError:
    detail = f"config.{name}: expected {expected}, found {found!r}"
    return ConfigurationError("The function is misconfigured", detail=detail)
