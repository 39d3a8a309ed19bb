"""A row of the ledger as an immutable value."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAliasType, get_args

from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import OnLost

type State = Literal["accepted", "running", "succeeded", "failed", "dead"]

LIVE = frozenset({"accepted", "running"})
INLINE_LIMIT = 180_000  # bytes of a value in a row; a row of 400 KB holds a content and a result:
# docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html

DAY = 86_400  # seconds
# Of a row's numbers: the last second of the year 9999, after which Python has no date.
LARGEST = 253_402_300_799


class Execution(NamedTuple):
    """An accepted call. Times are whole epoch seconds.

    A member that is added has a default: the rows of earlier versions lack it.

    Args:
        job_id: the row's key: 128 random bits, or the HMAC of an idempotency key; of a published function
            after its package's name and a hyphen, which bounds the rights on it.
        state: of the call.
        owner: the token that the next transition must present; each transition replaces it.
        effect: names this acceptance for good; with ``fence`` the function's fencing token.
        fence: grows each time the call is sent to a worker.
        attempts: attempts begun; for a waiting caller counted before the Invoke, even if nothing ran.
        due_at: when the lease ends; then the sweeper, or a repeated call, may take over.
        due_shard: with ``due_at`` lists the row for the sweeper; absent for calls whose source retries by
            itself. The worker can't write it.
        setting: the setting id of the key row's entry, often empty.
        content: the call's parameters, body and context; ``content_at`` is its key in the bucket if large.
        result: a WorkerResponse's JSON text; ``result_at`` is its key in the bucket if large.
        digest: of the request, so that one idempotency key means one request.
        cause: why it was retried or ended as dead.
        changed_at: when ``state`` last changed.
        expires_at: when the row counts as gone, whatever DynamoDB's TTL has done.
        covers: the last stream record of this call; the first one is in the key.
        stack: whose sweeper looks after it; any stack's if None.
        traceparent: of the span that accepted it, or took it over; its attempts are spans below that one.
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
    stack: str | None = None
    traceparent: str | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Execution | None":
        """Read a row; None for one that no transition has written: a function may write rows, too."""
        row = {**cls._field_defaults, **row}
        if all(name in row and _has_type(row[name], kind) for name, kind in cls.__annotations__.items()):
            return cls(**{name: row[name] for name in cls._fields})
        return None

    def to_row(self) -> dict[str, Any]:
        """Return the row's attributes, without those that are None."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @property
    def package(self) -> str:
        """The package of a published function, empty for a worker's."""
        return self.job_id.rpartition("-")[0]

    @property
    def release_fields(self) -> dict[str, str]:
        """What a log record and an alert say of a published function's release."""
        release = self.aws_lambda_arn.rpartition(":")[2]
        return {"package": self.package, "release": release} if self.package else {}

    @property
    def is_swept(self) -> bool:
        """Whether it is listed for the sweeper; a source that retries by itself needs no sweeper."""
        return self.due_shard is not None and self.due_at is not None

    def is_held(self, now: int) -> bool:
        """Return whether its holder still has time to settle it."""
        return self.state in LIVE and (self.due_at is None or now < self.due_at)

    def is_gone(self, now: int) -> bool:
        """Return whether its time in the ledger is over."""
        return self.expires_at is not None and self.expires_at <= now


def _has_type(value: object, kind: Any) -> bool:  # noqa: ANN401 - an annotation
    if isinstance(kind, TypeAliasType):
        return value in get_args(kind.__value__)
    if type(value) is int and not 0 <= value <= LARGEST:
        return False
    return isinstance(value, kind) and not isinstance(value, bool)


def shard_of(job_id: str) -> str:
    """Return an id's partition of the index, of 16: its first hex digit, since ids are evenly spread."""
    return job_id[job_id.rfind("-") + 1]
