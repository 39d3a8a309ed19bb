"""What the sweeper does with each kind of execution that is due."""

import json
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, override

import pytest

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.errors import (
    ConditionFailedError,
    ConfigurationError,
    DeadlineError,
    InvocationError,
    NotFoundError,
    UnavailableError,
)
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.messages import Callee
from silvaengine.registry.model import Function, FunctionEntry
from silvaengine.registry.registry import Registry
from silvaengine.tables import EXECUTIONS
from silvaengine_tasks import sweeper
from silvaengine_tasks.canary.watching import Canaries
from silvaengine_tasks.sweeper import SHARDS, SHARE, Sweeper, dead_letter
from silvaengine_tasks.sweeper_app import create_handler

from ...fakes.dynamodb import MemoryDynamoDB
from ...fakes.executions import accepted_execution

NOW = 1_700_000_000


class World(Registry, Invoker):
    """A sweeper, with stand-ins for what it calls."""

    def __init__(self) -> None:
        self.now = NOW
        self.sent: list[dict[str, Any]] = []
        self.letters: list[Execution] = []
        self.notices: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.missing = False
        self.registry_error: Exception | None = None
        self.queue_error: Exception | None = None
        self.broken: dict[str, Exception] = {}
        self.tables = MemoryDynamoDB()
        self.ledger = self.open_ledger("blue")
        self.sweeper = self.open_sweeper(self.ledger)
        reader, writer = TableReader(lambda: self.tables, "se-"), TableWriter(lambda: self.tables, "se-")
        self.canaries = Canaries(reader, writer, AlertPublisher(None), None)

    def open_ledger(self, stack: str) -> Ledger:
        """Return a stack's ledger, on the same table."""
        reader, writer = TableReader(lambda: self.tables, "se-"), TableWriter(lambda: self.tables, "se-")
        return Ledger(reader, writer, clock=lambda: self.now, stack=stack)

    def open_sweeper(self, ledger: Ledger) -> Sweeper:
        """Return the sweeper of a ledger's stack."""
        s3: Any = SimpleNamespace(
            generate_presigned_url=lambda *_, **given: f"https://{given['Params']['Key']}"
        )
        return Sweeper(
            ledger,
            self,
            Dispatcher(self, PayloadStore(lambda: s3, "bucket")),
            self.tell,
            AlertPublisher(lambda _, text: self.notices.append(json.loads(text))),
            lambda: 0.0,
        )

    @override
    def refresh(self, command: object = None) -> None:
        """Change nothing."""

    def tell(self, execution: Execution) -> None:
        """Stand for the dead-letter queue."""
        if self.queue_error:
            raise self.queue_error
        self.letters.append(execution)

    @override
    def function_for_entry(self, entry: FunctionEntry, name: str) -> Function:
        if error := self.broken.get(name) or self.registry_error:
            raise error
        if self.missing:
            raise NotFoundError(f"Function {name!r} does not exist")
        return Function(
            name=name, area="core", aws_lambda_arn=entry.aws_lambda_arn,
            callee=Callee("m", "", name, '{"fresh": 1}'),
            funct_type="Event", methods=(), auth_required=False, graphql=False, settings={},
            configuration={},
        )  # fmt: skip

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        assert event
        if self.error:
            raise self.error
        self.sent.append(json.loads(payload))
        return b""

    def accept(self, **changes: Any) -> Execution:
        """Accept an execution that is due."""
        values = {
            "job_id": "a1",
            "content": '{"params": "{}"}',
            "created_at": NOW - 90,
            "due_at": NOW,
            **changes,
        }
        execution = accepted_execution(NOW, **values)
        self.ledger.accept(execution)
        return execution

    def sweep(self) -> dict[str, int]:
        """Run once."""
        return dict(self.sweeper.run(lambda: True).counts)

    def row(self, job_id: str = "a1") -> Execution:
        """Read an execution."""
        found = self.ledger.get(job_id)
        assert found
        return found


@pytest.fixture
def world() -> World:
    """Return a new sweeper."""
    return World()


def test_a_lost_event_is_sent_again(world: World) -> None:
    """It has the current settings, a larger fencing number, and its first attempt still to come."""
    world.accept()
    assert world.sweep() == {"seen": 1, "dispatched": 1}
    (sent,) = world.sent
    assert (sent["job"]["fence"], sent["job"]["attempt"], sent["setting"]) == (2, 1, '{"fresh": 1}')
    assert sent["job"]["owner"] == world.row().owner
    assert world.sweep() == {}


def test_a_large_content_goes_by_url(world: World) -> None:
    """The sweeper sends its URL, and doesn't read it."""
    world.accept(content=None, content_at="calls/a1/e")
    world.sweep()
    assert world.sent[0]["content_url"] == "https://calls/a1/e"


def test_a_vanished_worker_is_followed_by_another(world: World) -> None:
    """With on_lost retry and attempts left, it is sent again."""
    world.accept(state="running", attempts=1)
    world.sweep()
    assert world.sent[0]["invocation"]["attempt"] == 2


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"state": "running", "attempts": 1, "on_lost": "fail"}, "outcome_unknown"),
        ({"state": "running", "attempts": 3}, "outcome_unknown"),
        ({"created_at": NOW - 90_000}, "never_started"),
    ],
)
def test_an_execution_that_must_not_run_again_is_dead_with_one_letter(
    world: World, changes: dict[str, Any], cause: str
) -> None:
    """Dead letter and alert have tenant, function, cause and attempts, but no content."""
    world.accept(**changes)
    world.sweep()
    world.sweep()
    (letter,) = world.letters
    told = dead_letter(letter)
    assert (told["job_id"], told["endpoint_id"], told["function"], told["cause"]) == (
        "a1",
        "acme",
        "f",
        cause,
    )
    assert "params" not in json.dumps(told)
    assert len(world.notices) == 1
    assert (world.row().state, world.row().is_swept) == ("dead", False)
    assert not world.sent


def test_a_crash_before_the_dead_letter_is_made_good(world: World) -> None:
    """A later run sends the letter of a dead execution that has none."""
    execution = world.accept()
    world.ledger.mark_dead("a1", execution.owner, "RuntimeError")
    assert world.sweep() == {"seen": 1, "buried": 1}
    assert [letter.cause for letter in world.letters] == ["RuntimeError"]


def test_a_function_that_is_gone_ends_its_jobs(world: World) -> None:
    """Dead with a cause that says so; an operator can retry them when it is back."""
    world.accept()
    world.missing = True
    world.sweep()
    assert world.row().cause == "function_missing"


def test_a_setting_that_cant_be_read_ends_no_job(world: World) -> None:
    """A temporary failure, such as a missing right to a secret, is retried."""
    world.accept()
    world.registry_error = ConfigurationError("The service is misconfigured", detail="AccessDenied")
    assert world.sweep() == {"seen": 1, "postponed": 1}
    world.registry_error, world.now = None, NOW + 120
    assert world.sweep() == {"seen": 1, "dispatched": 1}


@pytest.mark.parametrize("error", [TypeError("a malformed row"), UnavailableError("throttled")])
def test_one_bad_row_keeps_no_other_waiting(world: World, error: Exception) -> None:
    """It is set aside, and the rows after it, of other tenants and shards, are taken up in the same run."""
    world.accept(job_id="01", function="bad", due_at=NOW - 10)
    world.accept(job_id="02")
    world.accept(job_id="a1")
    world.broken["bad"] = error
    counts = world.sweep()
    assert counts["dispatched"] == 2
    assert world.row("01").due_at == NOW + 120
    assert world.sweep() == {}
    assert len(world.notices) == isinstance(error, TypeError)


WRONG: dict[str, tuple[object, ...]] = {
    "text": (1, Decimal("1.5"), True, None, b"eA==", ["x"], {"x": 1}),
    "number": ("x", "1", Decimal("1.5"), -1, 10**30, True, None, b"MQ==", [1], {"x": 1}),
}


def malformed_rows(member: str) -> Iterator[dict[str, object]]:
    """Return rows that lack a member or have it in each wrong type, as a function may have left them."""
    row = accepted_execution(NOW, due_at=NOW).to_row()
    if member in row and member not in Execution._field_defaults:
        yield {name: value for name, value in row.items() if name != member}
    is_number = type(row.get(member, 1 if member == "expires_at" else "")) is int
    for wrong in WRONG["number" if is_number else "text"]:
        is_sort_key = member == "due_at"  # DynamoDB takes numbers alone there
        may_be_absent = wrong is None and member in Execution._field_defaults
        if not may_be_absent and not (is_sort_key and wrong not in (Decimal("1.5"), -1)):
            yield {**row, member: wrong}
    if member in {"state", "on_lost"}:
        yield {**row, member: "other"}


@pytest.mark.parametrize(
    "member", [name for name in Execution._fields if name not in {"job_id", "due_shard"}]
)
def test_a_row_that_cant_be_read_leaves_the_index_and_keeps_no_other_waiting(
    world: World, member: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the run that meets it, in any shard; the operator is told once."""
    malformed = list(malformed_rows(member))
    for shard in SHARDS:
        world.accept(job_id=f"{shard}_good")
        for number, row in enumerate(malformed):
            ids = {"job_id": f"{shard}_bad_{number}", "due_shard": shard}
            world.tables.put(EXECUTIONS, **{"due_at": NOW - 10, **row, **ids})
    assert world.sweep() == {"seen": 16, "dispatched": 16, "unreadable": 16 * len(malformed)}
    assert "0_bad_0" in caplog.text
    assert [notice["error"] for notice in world.notices] == ["unreadable"]
    assert world.sweep() == {}


def test_what_was_listed_again_meanwhile_stays(world: World) -> None:
    """A row leaves the index as it was read: one that was moved in between isn't touched."""
    world.tables.put(EXECUTIONS, job_id="0_bad", due_shard="0", due_at=NOW + 60)
    with pytest.raises(ConditionFailedError):
        world.ledger.unlist("0_bad", "0")
    world.now += 60
    assert world.sweep() == {"unreadable": 1}


def test_invented_rows_delay_nobody(world: World) -> None:
    """Thousands of them before a job cost no share of a run: the job is sent in the first one."""
    world.accept()
    for number in range(2000):
        world.tables.put(EXECUTIONS, job_id=f"a_{number}", due_shard="a", due_at=number)
    assert world.sweep() == {"seen": 1, "dispatched": 1, "unreadable": 2000}


def test_a_shard_that_cant_be_read_keeps_no_other_waiting(world: World) -> None:
    """The others are swept, and the run fails at its end, so that the alarms tell of it."""
    world.accept(job_id="01")
    world.accept(job_id="11")
    read = world.tables.query

    def query(**request: Any) -> Any:
        if request["ExpressionAttributeValues"][":h"] == {"S": "0"}:
            raise UnavailableError("throttled")
        return read(**request)

    world.tables.query = query  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        world.sweep()
    assert [sent["job"]["job_id"] for sent in world.sent] == ["11"]


def test_a_tenant_has_a_share_of_a_run(world: World) -> None:
    """Thousands of due rows of one delay no other; what is left of the run's limit is theirs."""
    for number in range(2000):
        world.accept(job_id=f"{number:04x}"[::-1], endpoint_id="noisy", due_at=NOW - 30)
    world.accept(job_id="quiet", due_shard="a", endpoint_id="quiet")
    assert world.sweep() == {"seen": 1000, "dispatched": 1000}
    assert "quiet" in {sent["job"]["job_id"] for sent in world.sent}


def test_what_a_run_has_no_time_to_read_is_read_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of a tenant that had its share don't keep the later ones from being read for ever."""
    monkeypatch.setattr(sweeper, "MAX_READ", 800)
    for number in range(1500):
        world.accept(job_id=f"{number:04x}"[::-1], endpoint_id="noisy", due_at=NOW - 30)
    world.accept(job_id="quiet", due_shard="a", endpoint_id="quiet")
    for _ in range(2):
        world.sweeper.run(lambda: True, limit=SHARE + 50)
    assert "quiet" in {sent["job"]["job_id"] for sent in world.sent}
    assert len(world.sent) == 2 * (SHARE + 50)


def test_a_stack_leaves_anothers_executions_alone(world: World) -> None:
    """For an hour: then that stack's sweeper is gone, and they are anybody's, as those without a stack."""
    other = world.open_sweeper(world.open_ledger("green"))
    world.accept(job_id="01", stack="blue")
    world.accept(job_id="02")
    newer = accepted_execution(NOW, job_id="03", stack="blue", due_at=NOW)._replace(due_shard="0").to_row()
    world.tables.put(EXECUTIONS, **{**newer, "state": "of another version"})
    assert other.run(lambda: True).counts == {"seen": 1, "dispatched": 1}
    assert [sent["job"]["job_id"] for sent in world.sent] == ["02"]
    world.now += 3599
    assert "01" not in {each.job_id for each in swept(world, other)}
    world.now += 1
    assert other.run(lambda: True).counts["unreadable"] == 1
    assert "01" in {sent["job"]["job_id"] for sent in world.sent}


def test_an_accepted_call_names_its_stack(world: World) -> None:
    """So that its own sweeper looks after it."""
    function = world.function_for_entry(FunctionEntry("arn", ""), "f")
    facts: dict[str, Any] = {"principal": "p", "digest": "d", "content": "{}"}
    assert world.ledger.new(function, "acme", "r", None, on_lost="retry", **facts).stack == "blue"


def swept(world: World, by: Sweeper) -> list[Execution]:
    """Let a sweeper run; return the executions that were sent."""
    world.sent.clear()
    by.run(lambda: True)
    return [world.row(sent["job"]["job_id"]) for sent in world.sent]


def test_a_queue_that_takes_nothing_keeps_no_other_waiting(world: World) -> None:
    """A dead execution whose letter can't be sent is due again later; jobs go on meanwhile."""
    world.accept(job_id="01", state="running", on_lost="fail", attempts=1)
    world.accept(job_id="a1")
    world.queue_error = UnavailableError("the queue is gone")
    assert world.sweep() == {"seen": 2, "failed": 1, "dispatched": 1}
    world.queue_error, world.now = None, NOW + 300
    world.sweep()
    assert [letter.job_id for letter in world.letters] == ["01"]


def test_an_end_without_an_answer_keeps_no_other_waiting(world: World) -> None:
    """Whether the event arrived is unknown; the next attempt finds the row as it was left."""
    world.accept(job_id="01")
    world.error = DeadlineError("no response in time")
    assert world.sweep() == {"seen": 1, "postponed": 1}


@pytest.mark.parametrize(
    ("changes", "counts", "cause"),
    [
        ({"attempts": 1}, {"seen": 1, "dispatched": 1}, None),
        ({"attempts": 3}, {"seen": 1, "buried": 1}, "failed"),
        ({"attempts": 1, "on_lost": "fail"}, {"seen": 1, "buried": 1}, "failed"),
    ],
)
def test_a_failure_that_nobody_heard_is_repeated(
    world: World, changes: dict[str, Any], counts: dict[str, int], cause: str | None
) -> None:
    """It is retried as often as its policy allows; then it is dead, with a letter."""
    world.accept(state="failed", result="{}", **changes)
    assert world.sweep() == counts
    assert (world.row().cause, len(world.letters)) == (cause, counts.get("buried", 0))


def test_a_throttled_lambda_is_left_alone(world: World) -> None:
    """After the first refusal its other jobs wait without a try; those of another Lambda go on."""
    for number in range(3):
        world.accept(job_id=f"a{number}", due_at=NOW - 10 + number)
    world.error = UnavailableError("no room")
    assert world.sweep() == {"seen": 3, "postponed": 3}
    assert {world.row(f"a{number}").due_at for number in range(3)} == {NOW + 120}
    world.error = None
    assert world.sweep() == {}
    world.now += 120
    assert world.sweep() == {"seen": 3, "dispatched": 3}


def test_a_lambda_that_cant_be_invoked_is_tried_later(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The operator reads why; the job stays."""
    world.accept()
    world.error = InvocationError("The function can't be invoked", error_type="ResourceNotFoundException")
    assert world.sweep() == {"seen": 1, "postponed": 1}
    assert "ResourceNotFoundException" in caplog.text


def test_a_run_ends_in_time(world: World) -> None:
    """It stops at its limit of executions and of time; the next run does the rest."""
    for number in range(5):
        world.accept(job_id=f"a{number}")
    assert world.sweeper.run(lambda: True, limit=2).counts["seen"] == 2
    assert world.sweeper.run(lambda: False).counts["seen"] == 0


def test_the_log_line_has_lag_and_dead_jobs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The template's filters make metrics of both, for the alarms."""
    world.accept(state="running", on_lost="fail", attempts=1, due_at=NOW - 70)
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, function_name="x-Sweeper")
    assert create_handler(lambda: (world.canaries, world.sweeper))({}, context) == {"seen": 1, "buried": 1}
    told = json.loads(capsys.readouterr().out)
    assert (told["service"], told["status"], told["lag"], told["buried"]) == ("sweeper", 200, 70, 1)


def test_a_run_that_fails_is_a_failure_with_a_line(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarms hear of it: Lambda counts an error, and the lag has no value."""

    def fail(**_: Any) -> None:
        raise UnavailableError("throttled")

    monkeypatch.setattr(world.tables, "query", fail)
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, function_name="x-Sweeper")
    with pytest.raises(UnavailableError):
        create_handler(lambda: (world.canaries, world.sweeper))({}, context)
    told = json.loads(capsys.readouterr().out)
    assert (told["service"], told["status"], "lag" in told) == ("sweeper", 503, False)
