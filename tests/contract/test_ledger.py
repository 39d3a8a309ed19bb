"""The ledger's transitions on three DynamoDBs: in memory, moto, the local engine; and its large values."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.session import Session

from silvaengine.aws.table_client import TableReader, TableWriter, open_dynamodb
from silvaengine.errors import ConditionFailedError, ConfigurationError, UnavailableError
from silvaengine.ledger.digests import open_digests
from silvaengine.ledger.execution import INLINE_LIMIT, Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.protocol.messages import Callee, ExecutionRef
from silvaengine.registry.model import Function
from silvaengine.registry.packages import Release
from silvaengine.registry.policy import ExecutionPolicy
from silvaengine.settings import Settings
from silvaengine.tables import EXECUTIONS
from silvaengine_cli.engine import REGION
from silvaengine_worker.executions import fetch_content

from ..fakes.dynamodb import MemoryDynamoDB
from ..fakes.executions import JOB_ID, accepted_execution
from .conftest import made_tables, pointed_at

type Make = Callable[..., Execution]


def due(ledger: Ledger, shard: str, limit: int) -> list[Execution]:
    """Return what is due of a shard's first page and can be read."""
    return [each for each in ledger.due(shard, limit).executions.values() if each]


class Clock:
    """A clock that a test sets."""

    now = 1_700_000_000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test sets."""
    return Clock()


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.nightly), "engine"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return one of the three clients, with the tables."""
    if request.param == "memory":
        yield MemoryDynamoDB()
        return
    address = pointed_at(request.param, request, monkeypatch)
    with made_tables(address) as client:
        yield client


@pytest.fixture
def ledger(client: Any, clock: Clock) -> Ledger:
    """Return a ledger in that DynamoDB."""
    caller = client if isinstance(client, MemoryDynamoDB) else open_dynamodb(REGION)
    return Ledger(TableReader(lambda: caller, "se-"), TableWriter(lambda: caller, "se-"), clock=clock)


@pytest.fixture
def make(clock: Clock) -> Make:
    """Return a maker of executions."""

    def execution(**changes: Any) -> Execution:
        return accepted_execution(clock.now, **changes)

    return execution


def function() -> Function:
    """Return a function."""
    return Function(
        name="f", area="core", aws_lambda_arn="arn", callee=Callee("m", "", "f", "{}"),
        funct_type="Event", methods=(), auth_required=False, graphql=False, settings={}, configuration={},
    )  # fmt: skip


def job_of(execution: Execution) -> ExecutionRef:
    """Return the reference that a worker gets."""
    names = (
        "job_id",
        "owner",
        "effect",
        "fence",
        "max_attempts",
        "on_lost",
        "keep_seconds",
        "backoff_seconds",
    )
    return ExecutionRef(**{name: getattr(execution, name) for name in names}, attempt=execution.attempts + 1)


def test_one_acceptance_for_one_key(ledger: Ledger, make: Make) -> None:
    """A second acceptance returns the first; the same one, sent again, counts as written."""
    first = make()
    assert ledger.accept(first) is None
    assert ledger.accept(first) is None
    assert ledger.accept(make(effect="other")) == first
    assert ledger.get(JOB_ID) == first


@pytest.mark.parametrize("given", [None, "f" * 64])
def test_the_id_of_a_published_functions_call_begins_with_its_package(
    ledger: Ledger, given: str | None
) -> None:
    """A role's rights are bounded by it; the shards stay even, since the digits after it decide."""
    published = function()._replace(
        release=Release("arn:3", "fab", 3, "digest", is_isolated=False, functions={})
    )
    new = partial(
        ledger.new, endpoint_id="acme", request_id="r", traceparent=None, principal="p", digest="d",
        content="{}", on_lost="retry", job_id=given,
    )  # fmt: skip
    package, _, token = new(published).job_id.partition("-")
    assert (package, "-" in new(function()).job_id) == ("fab", False)
    assert new(published, job_id=token).due_shard == token[0]
    assert token == given or len(token) == 32


def test_one_claim_for_one_delivery(ledger: Ledger, make: Make, clock: Clock) -> None:
    """The lease is the time-out and a margin; another claim with the same token is refused."""
    ledger.accept(make())
    job = job_of(make())
    owner = ledger.begin(job, 30)
    running = ledger.get(JOB_ID)
    assert running
    assert (running.state, running.attempts, running.owner) == ("running", 1, owner)
    assert running.due_at == clock.now + 45
    with pytest.raises(ConditionFailedError):
        ledger.begin(job, 30)


def test_a_row_holds_the_largest_content_and_result(ledger: Ledger, make: Make) -> None:
    """Both together fit DynamoDB's 400 KB, so that every outcome can be written."""
    largest = "ä" * (INLINE_LIMIT // 2)
    ledger.accept(make(content=largest))
    job = job_of(make())
    ledger.settle(job, ledger.begin(job, 30), "succeeded", {"result": largest})
    settled = ledger.get(JOB_ID)
    assert settled
    assert (settled.content, settled.result) == (largest, largest)


def test_an_execution_is_settled_once_and_expires(ledger: Ledger, make: Make, clock: Clock) -> None:
    """Its result is kept for keep_seconds, whenever DynamoDB deletes the row; then the key is free."""
    ledger.accept(make())
    job = job_of(make())
    owner = ledger.begin(job, 30)
    ledger.settle(job, owner, "succeeded", {"result": "1"})
    with pytest.raises(ConditionFailedError):
        ledger.settle(job, owner, "failed", {"result": "2"})
    settled = ledger.get(JOB_ID)
    assert settled
    assert (settled.state, settled.result, settled.due_at) == ("succeeded", "1", None)
    assert ledger.accept(make(effect="other")) == settled
    clock.now += 100
    assert ledger.get(JOB_ID) is None
    assert ledger.accept(make(effect="other")) is None


def test_a_late_worker_is_refused(ledger: Ledger, make: Make) -> None:
    """After the sweeper took over, the earlier holder can neither settle nor claim."""
    ledger.accept(make())
    job = job_of(make())
    zombie = ledger.begin(job, 30)
    lapsed = ledger.get(JOB_ID)
    assert lapsed
    again = job_of(ledger.take_over_for_event(lapsed))
    assert (again.fence, again.attempt) == (2, 2)
    owner = ledger.begin(again, 30)
    with pytest.raises(ConditionFailedError):
        ledger.settle(job, zombie, "succeeded", {"result": "1"})
    ledger.settle(again, owner, "succeeded", {"result": "2"})


def test_what_is_due_comes_longest_first(ledger: Ledger, make: Make, clock: Clock) -> None:
    """Only due executions of the shard that have a due_shard, and no more than the limit."""
    for number in range(4):
        ledger.accept(make(job_id=f"a{number}", due_at=clock.now - number))
    ledger.accept(make(job_id="a-later", due_at=clock.now + 1))
    ledger.accept(make(job_id="b", due_at=clock.now - 9, due_shard="b"))
    ledger.accept(make(job_id="a-source", due_at=clock.now - 9, due_shard=None))
    assert ledger.due("a", 10).executions.keys() == {"a0", "a1", "a2", "a3"}
    assert ledger.due("a", 2).executions.keys() == {"a3", "a2"}


def test_a_dead_execution_is_due_until_it_is_acknowledged(ledger: Ledger, make: Make) -> None:
    """After that an operator can requeue it, with all its attempts."""
    ledger.accept(make(attempts=3))
    ledger.mark_dead(JOB_ID, "gateway", "outcome_unknown")
    (dead,) = due(ledger, "a", 10)
    assert (dead.state, dead.cause) == ("dead", "outcome_unknown")
    ledger.acknowledge(dead)
    assert due(ledger, "a", 10) == []
    ended = ledger.get(JOB_ID)
    assert ended
    ledger.requeue(ended)
    (requeued,) = due(ledger, "a", 10)
    assert (requeued.state, requeued.attempts, requeued.cause, requeued.expires_at) == (
        "accepted",
        0,
        None,
        None,
    )
    assert requeued.fence == ended.fence


def test_a_cancelled_execution_is_gone(ledger: Ledger, make: Make) -> None:
    """Its key is free at once."""
    ledger.accept(make())
    ledger.cancel(make())
    assert ledger.get(JOB_ID) is None
    assert due(ledger, "a", 10) == []
    assert ledger.accept(make(effect="other")) is None


def test_rows_that_cant_be_read_leave_the_index(ledger: Ledger, client: Any) -> None:
    """An update of a missing key creates a row: the sweeper takes it out of the index."""
    client.update_item(
        TableName="se-executions",
        Key={"job_id": {"S": "a-forged"}},
        UpdateExpression="SET #due_shard = :due_shard, #due_at = :due_at",
        ExpressionAttributeNames={"#due_shard": "due_shard", "#due_at": "due_at"},
        ExpressionAttributeValues={":due_shard": {"S": "a"}, ":due_at": {"N": "1"}},
    )
    assert ledger.due("a", 10).executions == {"a-forged": None}
    ledger.unlist("a-forged", "a")
    assert ledger.due("a", 10).executions == {}


@pytest.mark.parametrize("lease_seconds", [None, 300])
@pytest.mark.parametrize("is_swept", [True, False])
def test_nothing_expires_while_it_may_run(clock: Clock, is_swept: bool, lease_seconds: float | None) -> None:
    """Neither its key nor the row goes before the lease's end, however short results are kept.

    What the sweeper looks after is kept until it has ended, however long that takes.
    """
    tables = MemoryDynamoDB()
    ledger = Ledger(TableReader(lambda: tables, "se-"), TableWriter(lambda: tables, "se-"), clock=clock)
    made = ledger.new(
        function(), "acme", "r", None, principal="p", digest="d", content="{}", on_lost="retry",
        lease_seconds=lease_seconds, keep_seconds=60, is_swept=is_swept,
    )  # fmt: skip
    ledger.accept(made)

    def check(job: ExecutionRef) -> None:
        clock.now += 59
        if lease_seconds is None:
            ledger.begin(job, 300)
        found = ledger.get(made.job_id)
        assert found
        clock.now = (found.due_at or 0) + 5  # a clock that is ahead
        assert ledger.get(made.job_id)
        clock.now += 3600 if is_swept else 0
        assert ledger.get(made.job_id)

    check(job_of(made))
    for _ in range(2):
        lapsed = ledger.get(made.job_id)
        assert lapsed
        if lease_seconds is None:
            check(job_of(ledger.take_over_for_event(lapsed)))
        else:
            check(job_of(ledger.take_over_for_caller(lapsed, "again", None, lease_seconds)))
    ended = ledger.get(made.job_id)
    assert ended
    ledger.settle(job_of(ended), ended.owner, "failed", {"result": "1"})
    clock.now += 60
    assert ledger.get(made.job_id) is None


def test_a_failure_is_kept_for_the_sweeper(clock: Clock) -> None:
    """However late it comes; after that it expires like any other."""
    tables = MemoryDynamoDB()
    ledger = Ledger(TableReader(lambda: tables, "se-"), TableWriter(lambda: tables, "se-"), clock=clock)
    claimed = accepted_execution(clock.now, state="running", attempts=1)
    ledger.accept(claimed)
    ledger.settle(job_of(claimed)._replace(kept_due=True), claimed.owner, "failed", {"result": "1"})
    clock.now += 10_000
    (failed,) = due(ledger, "a", 10)
    ledger.acknowledge(failed)
    clock.now += 100
    assert ledger.get(JOB_ID) is None


def test_what_was_not_started_expires(clock: Clock) -> None:
    """A claim that was undone is the source's: it isn't swept, and goes when the source has given up."""
    tables = MemoryDynamoDB()
    ledger = Ledger(TableReader(lambda: tables, "se-"), TableWriter(lambda: tables, "se-"), clock=clock)
    claimed = accepted_execution(clock.now, state="running", attempts=1)
    ledger.accept(claimed)
    ledger.unclaim(claimed)
    clock.now += 99
    assert due(ledger, "a", 10) == []
    assert ledger.get(JOB_ID)
    clock.now += 1
    assert ledger.get(JOB_ID) is None


def test_pages_follow_one_another(ledger: Ledger, make: Make, clock: Clock) -> None:
    """Each begins after the one before, whatever has become of that one's rows; the last one has no end."""
    for number in range(5):
        ledger.accept(make(job_id=f"a{number}", due_at=clock.now - 9 + number))
    first = ledger.due("a", 2)
    assert list(first.executions) == ["a0", "a1"]
    for execution in filter(None, first.executions.values()):
        ledger.cancel(execution)
    second = ledger.due("a", 2, first.end)
    assert list(second.executions) == ["a2", "a3"]
    third = ledger.due("a", 2, second.end)
    assert (list(third.executions), third.end) == (["a4"], None)


def test_only_inconsistent_reads_lag() -> None:
    """The DynamoDB in memory returns an earlier state unless a read is consistent."""
    clock = Clock()
    client = MemoryDynamoDB(clock, lag=lambda: 2.0)
    writer = TableWriter(lambda: client, "se-")
    writer.put(EXECUTIONS, {"job_id": "j", "n": 1})
    key: dict[str, Any] = {"TableName": "se-executions", "Key": {"job_id": {"S": "j"}}}
    assert client.get_item(**key) == {}
    assert client.get_item(**key, ConsistentRead=True)["Item"]["n"] == {"N": "1"}
    clock.now += 2
    assert client.get_item(**key)["Item"]["n"] == {"N": "1"}


@pytest.mark.parametrize(
    "config",
    [
        {"on_lost": "maybe"},
        {"max_attempts": 21},
        {"max_attempts": True},
        {"keep_seconds": 59},
        {"idempotency": "x"},
    ],
)
def test_a_wrong_policy_is_a_misconfiguration(config: dict[str, Any]) -> None:
    """The error names the member."""
    with pytest.raises(ConfigurationError) as caught:
        ExecutionPolicy.from_config(config)
    assert next(iter(config)) in caught.value.detail


def test_large_values_are_in_the_bucket(aws: str | None) -> None:
    """A value over 180 KB is an object, which its URL can read."""
    s3: Any = Session().create_client("s3", REGION, endpoint_url=aws)
    s3.create_bucket(Bucket="payloads")
    payloads = PayloadStore(lambda: s3, "payloads")
    assert payloads.store("result", "results/a", "small") == {"result": "small"}
    assert payloads.store("result", "results/a", "ä" * 150_001) == {"result_at": "results/a"}
    assert payloads.get("results/a") == "ä" * 150_001
    if aws:
        with urlopen(payloads.url("results/a")) as response:  # noqa: S310 - the engine's address
            assert response.read().decode() == "ä" * 150_001
    with pytest.raises(ConfigurationError):
        PayloadStore(lambda: s3, None).url("a")


def test_digests_need_the_deployments_secret(aws: str | None) -> None:
    """It is read once; other parts, or the same text split elsewhere, have another digest."""
    client: Any = Session().create_client("secretsmanager", REGION, endpoint_url=aws)
    arn = client.create_secret(Name="ledger-key", SecretString="s3cret")["ARN"]
    keys = open_digests(Settings(ledger_secret=arn))
    assert keys.digest("acme", "key") == keys.digest("acme", "key")
    assert len({keys.digest("acme", "key"), keys.digest("acmek", "ey"), keys.digest("acme", None)}) == 3
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    with pytest.raises(ConfigurationError):
        open_digests(Settings()).digest("a")


def test_large_content_is_fetched_by_its_url() -> None:
    """A URL without content is an error."""
    content = {"params": '{"a": 1}', "body": "large"}

    class Bucket(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/there" else 403)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        assert fetch_content({"funct": "f", "content_url": f"{address}/there"})["body"] == "large"
        with pytest.raises(UnavailableError):
            fetch_content({"content_url": f"{address}/gone"})
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
