"""The ledger's real code among what fails: lossy events, dying processes, lagging tables, skewed clocks."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple, override

from silvaengine.aws.client import percent_encode
from silvaengine.aws.http import NoResponseError, NotSentError, Response, ResponseTimeoutError
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.errors import FunctionError, UnavailableError
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.messages import WorkerCall, WorkerResponse
from silvaengine.redis.commands import Command
from silvaengine.registry.model import Function, FunctionEntry
from silvaengine.registry.packages import Release
from silvaengine.registry.redis_rows import Reply
from silvaengine.registry.registry import Registry
from silvaengine.tables import EXECUTIONS
from silvaengine_http.executions import Executions
from silvaengine_tasks.sweeper import Sweeper
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.results import Outcome

from ..fakes.dynamodb import MemoryDynamoDB
from .account import Account
from .scheduler import KilledError, Process, Scheduler

type FaultKind = Literal["kill_before", "kill_after", "refused", "answer_lost", "resent", "server_error"]

FAULTS: tuple[FaultKind, ...] = (
    "kill_before", "kill_after", "refused", "answer_lost", "resent", "server_error",
)  # fmt: skip
INVOKES = frozenset({"event", "invoke"})  # what Lambda may do and then answer with a server error
# What a client sends again by itself when its response is lost; an Invoke never is.
RESENT = frozenset({"PutItem", "UpdateItem", "queue"})
WORKER_SECONDS = 30.0
CALLER_SECONDS = 27.0
EVENT_SECONDS = 60.0
WAIT_SECONDS = 600  # the longest that an execution may be overdue
SWEPT = 10  # executions in a sweeper's run
SHARE = 3  # of a tenant
NOISY = "noisy"  # a tenant with more to do than a run takes up
PUBLISHED = frozenset({"often", "exact"})  # functions of a package, whose pointer turns each minute


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The classes under test; a test may pass one with a mistake."""

    ledger: type[Ledger] = Ledger
    reader: type[TableReader] = TableReader
    executions: type[Executions] = Executions
    dispatcher: type[Dispatcher] = Dispatcher
    invoker: type[LambdaInvoker] = LambdaInvoker
    jobs: type[ExecutionRunner] = ExecutionRunner
    sweeper: type[Sweeper] = Sweeper


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Probabilities of what goes wrong; ``skew`` and ``lag`` are seconds.

    ``stacks`` serve the same tables, ``noise`` is how many executions of one tenant are due at once, and
    ``vandals`` how many rows a function leaves in the index that can't be read.
    """

    lost: float = 0.2
    duplicated: float = 0.05
    fault: float = 0.01
    zombie: float = 0.01
    slow: float = 0.02
    failing: float = 0.1
    skew: float = 5.0
    lag: float = 2.0
    event_delay: float = 20.0
    stacks: int = 2
    noise: int = 30
    vandals: int = 6


STORM = Weather(lost=0.4, duplicated=0.2, fault=0.08, zombie=0.1, slow=0.3, failing=0.2)
CROWD = Weather(fault=0, noise=500)
CALM = Weather(
    lost=0, duplicated=0, fault=0, zombie=0, slow=0, failing=0, skew=0, lag=0, event_delay=0,
    stacks=1, noise=0, vandals=0,
)  # fmt: skip


@dataclass
class Faults:
    """The faults at boundaries: by number, or by chance."""

    at: Mapping[int, FaultKind] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def next(self, name: str, chance: float, random: Random) -> FaultKind | None:
        """Return the fault of the next boundary."""
        self.seen.append(name)
        if self.at:
            return self.at.get(len(self.seen) - 1)
        return random.choice(FAULTS) if chance and random.random() < chance else None


class Stack(NamedTuple):
    """A stack's parts of the ledger."""

    ledger: Ledger
    executions: Executions
    sweeper: Sweeper


class World:
    """Everything around the ledger, and the ledger's parts.

    Args:
        seed: of the random numbers.
        weather: how much goes wrong.
        parts: the classes under test.
        at: faults by the number of their boundary, instead of by chance.
    """

    def __init__(
        self,
        seed: int,
        weather: Weather = CALM,
        parts: Parts | None = None,
        at: Mapping[int, FaultKind] | None = None,
    ) -> None:
        self.random = Random(seed)  # noqa: S311 - a seed replays a run
        self.weather = weather
        self.faults = Faults(at or {})
        self.scheduler = Scheduler()
        self.account = Account()
        self.notes: Counter[str] = Counter()
        self.functions: dict[str, Function] = {}
        self._parts = parts = parts or Parts()
        self.dynamodb = MemoryDynamoDB(lambda: self.scheduler.now, lambda: self.random.random() * weather.lag)
        reader = TableReader(lambda: self.dynamodb, "se-")
        self.registry = Functions(reader, self.functions, lambda: self.scheduler.now)
        self.invoker = self._invoker()
        self.stacks = [self._open_stack(f"stack {number}") for number in range(weather.stacks)]
        self.ledger = self.stacks[0].ledger
        self.jobs = parts.jobs(self.ledger, PayloadStore(lambda: None, None), self.random.random)

    def _invoker(self, stack: str | None = None) -> LambdaInvoker:
        clock, pause = self.scheduler.clock, self.scheduler.pause
        return self._parts.invoker(lambda: Lambda(self, stack), clock=clock, sleep=pause, attempts=1)

    def _open_stack(self, name: str) -> Stack:
        parts, boundary = self._parts, _Tables(self, self.dynamodb)
        ledger = parts.ledger(
            parts.reader(lambda: boundary, "se-"),
            TableWriter(lambda: boundary, "se-"),
            clock=self.scheduler.clock,
            new_token=self._token,
            stack=name,
        )
        payloads = PayloadStore(lambda: None, None)
        executions = parts.executions(
            ledger,
            parts.dispatcher(self._invoker(), payloads, find_function=self.registry.function_for_entry),
            payloads,
            Digests(lambda: b"secret"),
            WORKER_SECONDS,
        )
        sweeper = parts.sweeper(
            ledger,
            self.registry,
            parts.dispatcher(self._invoker(name), payloads),
            self._dead_letter,
            AlertPublisher(self._notice, clock=self.scheduler.clock),
            self.random.random,
        )
        return Stack(ledger, executions, sweeper)

    def spawn(self, name: str, run: Callable[[], object], after: float = 0.0, **limits: float) -> Process:
        """Start a process with a clock of its own."""
        skew = self.random.uniform(-1, 1) * self.weather.skew
        return self.scheduler.spawn(Process(name, run, skew=skew, **limits), after)

    def boundary[T](self, name: str, apply: Callable[[], T], lost: Exception, refused: Exception) -> T:
        """Do what others can see; the process may die, or get a wrong answer, before or after it."""
        process = self.scheduler.current
        fault = self.faults.next(name, self.weather.fault, self.random)
        if process and fault:
            process.disturbed = process.disturbed or fault != "resent"
        self.scheduler.pause(0.001 + self.random.random() * 0.02)
        if fault == "kill_before":
            raise KilledError
        if fault == "refused":
            raise refused
        result = apply()
        if fault == "resent" and name in RESENT:
            result = apply()
        if fault == "kill_after":
            raise KilledError
        if fault == "answer_lost":
            raise lost
        if fault == "server_error" and name in INVOKES:
            raise ServerError
        return result

    def event(self, payload: str) -> None:
        """Send an event to Lambda's queue, which may lose, repeat, delay and reorder it."""
        copies = 0 if self.random.random() < self.weather.lost else 1
        copies += self.random.random() < self.weather.duplicated
        for _ in range(copies):
            delay = self.random.random() * self.weather.event_delay
            if self.random.random() < self.weather.slow:
                delay = self.random.random() * EVENT_SECONDS
            self.start_worker(payload, delay)

    def start_worker(self, payload: str, delay: float = 0.0) -> Process:
        """Start a worker; it is killed at Lambda's time-out, unless it is a zombie."""
        zombie = self.random.random() < self.weather.zombie
        ends_at = float("inf") if zombie else self.scheduler.now + delay + WORKER_SECONDS
        process = self.spawn("worker", lambda: self._work(payload, zombie=zombie), delay, ends_at=ends_at)
        process.disturbed = zombie
        return process

    def _work(self, payload: str, *, zombie: bool) -> Any:
        call = WorkerCall.decode(json.loads(payload))
        job = call.job
        if job is None:
            raise RuntimeError("a plain call needs no ledger")
        process = self.scheduler.current

        def attempt(_look_for_end: object) -> Outcome:
            if call.invocation and call.invocation.endpoint_id == NOISY:
                return Outcome.of(WorkerResponse("json", None))
            self.account.began(call)
            try:
                return Outcome.of(WorkerResponse("json", self._function(call, zombie=zombie)))
            except FunctionError as error:
                return Outcome.of(WorkerResponse("error", error.message, error.status, "FunctionError"))

        def note(**fields: bool) -> None:
            self.notes.update(fields.keys())
            if "late" in fields and "call" in call.params:
                self.account.late(call, disturbed=bool(process and process.disturbed))

        response = self.jobs.run(job, WORKER_SECONDS, attempt, note)
        return response.encode() if response else None

    def _function(self, call: WorkerCall, *, zombie: bool) -> Any:
        """Take a while, perhaps fail, have the effect, take a while, perhaps fail."""
        number = int(call.params["call"])
        self._take(zombie=zombie)
        self._perhaps_fail(call)
        self.boundary("effect", lambda: self.account.effect(number, call), _lost(), _busy())
        self._take(zombie=zombie)
        if self.random.random() < self.weather.failing / 4:
            raise FunctionError("failed after the effect", 500)
        return {"call": number, "tenant": call.invocation.endpoint_id if call.invocation else ""}

    def _take(self, *, zombie: bool) -> None:
        seconds = self.random.random() * 2
        if self.random.random() < self.weather.slow:
            seconds = self.random.random() * 60
        self.scheduler.pause(seconds + (self.random.random() * 200 if zombie else 0))

    def _perhaps_fail(self, call: WorkerCall) -> None:
        status = call.params.get("fails")
        if status:
            raise FunctionError("fails always", int(status))
        if self.random.random() < self.weather.failing:
            raise FunctionError("failed before the effect", 500)

    def sweep(self) -> None:
        """Run each stack's sweeper once, as the schedules do."""
        deadline = self.scheduler.now + 60

        def has_time() -> bool:
            return self.scheduler.now < deadline - 10

        for stack in self.stacks:
            self.spawn("sweeper", lambda stack=stack: stack.sweeper.run(has_time, SWEPT, SHARE))  # type: ignore[misc]

    def run_to_the_end(self, hours: float = 20.0) -> None:
        """Run, with a sweeper each minute, until no execution is live or due."""
        end = self.scheduler.now + hours * 3600
        while self.scheduler.now < end:
            self.scheduler.run(self.scheduler.now + 60)
            if not self._listed() and self.scheduler.is_idle():
                return
            self._check_waits()
            self.sweep()
        self.account.stuck = self._listed()

    def _check_waits(self) -> None:
        """Record who has waited for a sweeper for too long, unless most sweepers die."""
        for execution in self._read(self._listed()) if self.weather.fault < STORM.fault else ():
            if self.scheduler.now - (execution.due_at or 0) > WAIT_SECONDS:
                self.account.violation(None, f"{execution.job_id} waits for a sweeper")

    def rows(self) -> list[Execution]:
        """Return the ledger's rows that have not expired."""
        return self._read(item["job_id"]["S"] for item in self.dynamodb.items("se-executions"))

    def _read(self, job_ids: Iterable[str]) -> list[Execution]:
        reader = TableReader(lambda: self.dynamodb, "se-")
        executions = []
        for job_id in job_ids:
            if self.dynamodb.stored("se-executions", job_id).get("endpoint_id") == {"S": NOISY}:
                continue
            execution = Execution.from_row(reader.get(EXECUTIONS, {"job_id": job_id}) or {})
            if execution and not execution.is_gone(int(self.scheduler.now)):
                executions.append(execution)
        return executions

    def _listed(self) -> list[str]:
        rows = self.dynamodb.items("se-executions")
        return [row["job_id"]["S"] for row in rows if row.keys() >= {"due_shard", "due_at"}]

    def _dead_letter(self, execution: Execution) -> None:
        letters = [] if execution.endpoint_id == NOISY else self.account.dead_letters
        self.boundary("queue", lambda: letters.append(execution), _lost(), _busy())

    def _notice(self, _subject: str, text: str) -> None:
        self.boundary("notice", lambda: self.account.notices.append(json.loads(text)), _lost(), _busy())

    def _token(self) -> str:
        return f"{self.random.getrandbits(128):032x}"


class _Tables:
    """DynamoDB's API, each call of it a boundary."""

    def __init__(self, world: World, tables: MemoryDynamoDB) -> None:
        self._world = world
        self._tables = tables

    def call(self, operation: str, request: Any, resource: str, *, repeatable: bool = False) -> Any:
        return self._world.boundary(
            operation, lambda: self._tables.call(operation, request, resource), _lost(), _busy()
        )


class ServerError(Exception):
    """A service did what it was asked to, and answers that it failed."""


class Lambda:
    """Lambda's API, as an ``AwsClient``; that of a stack's sweeper reaches no worker of another stack."""

    def __init__(self, world: World, stack: str | None = None) -> None:
        self._world = world
        self._stack = stack

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        payload, lost, refused = body.decode(), NoResponseError("it broke"), NotSentError("no room")
        job_id = json.loads(payload)["job"]["job_id"]
        row = self._world.dynamodb.stored("se-executions", job_id)
        if percent_encode(row["aws_lambda_arn"]["S"]) not in path:
            self._world.account.violation(None, f"{job_id} left the release that accepted it")
        if self._stack not in (None, row["stack"]["S"]):
            self._world.account.violation(None, f"{job_id} was taken up by another stack's sweeper")
            return Response(404, b"\r\nx-amzn-errortype: ResourceNotFoundException")
        try:
            if headers["x-amz-invocation-type"] == "Event":
                self._world.boundary("event", lambda: self._world.event(payload), lost, refused)
                return Response(202, b"")
            worker = self._world.boundary("invoke", lambda: self._world.start_worker(payload), lost, refused)
        except ServerError:
            return Response(500, b"\r\nx-amzn-errortype: ServiceException")
        if not self._world.scheduler.wait(worker, seconds):
            raise ResponseTimeoutError("no response in time")
        if isinstance(worker.error, UnavailableError):
            error = WorkerResponse("error", worker.error.message, worker.error.status, "UnavailableError")
            return Response(200, b"", json.dumps(error.encode()).encode())
        if worker.error:
            return Response(200, b"\r\nx-amz-function-error: Unhandled", b"{}")
        return Response(200, b"", json.dumps(worker.result).encode())


class Functions(Registry):
    """The simulation's functions, some of a package with two releases; they have no hooks."""

    def __init__(
        self, tables: TableReader, functions: Mapping[str, Function], now: Callable[[], float]
    ) -> None:
        super().__init__(tables, {}, stage="")
        self._by_name = functions
        self._now = now

    @override
    def refresh(self, command: Command | None = None) -> Reply | None:
        return None

    @override
    def function_for_entry(self, entry: FunctionEntry, name: str) -> Function:
        _, _, number = entry.aws_lambda_arn.partition(":")
        return self._of_release(name, int(number)) if number else self._by_name[name]

    @override
    def resolve(self, endpoint_id: str, api_key: str, area: str, name: str) -> Function:
        if name not in PUBLISHED:
            return self._by_name[name]
        return self._of_release(name, int(self._now() / 60) % 2 + 1)

    def _of_release(self, name: str, number: int) -> Function:
        function = self._by_name[name]
        release = Release(f"sim:{number}", "sim", number, str(number), is_isolated=False, functions={})
        callee = function.callee._replace(release=release.digest)
        return function._replace(aws_lambda_arn=release.arn, callee=callee, release=release)

    @override
    def hooks(self, endpoint_id: str) -> list[Row]:
        return []

    @override
    def find_settings(self, setting_id: str) -> Row:
        return {}


def _lost() -> Exception:
    return UnavailableError("the response was lost")


def _busy() -> Exception:
    return UnavailableError("busy")
