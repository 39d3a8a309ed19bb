"""The ledger's real code among what fails: lossy events, dying processes, lagging tables, skewed clocks."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, cast, override

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.errors import (
    DeadlineError,
    FunctionError,
    InvocationError,
    UnavailableError,
)
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import WorkerCall, WorkerResponse
from silvaengine.redis.commands import Command
from silvaengine.registry.model import Function, FunctionEntry
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

type FaultKind = Literal["kill_before", "kill_after", "refused", "answer_lost", "resent"]

FAULTS: tuple[FaultKind, ...] = ("kill_before", "kill_after", "refused", "answer_lost", "resent")
# What a client sends again by itself when its response is lost; an Invoke never is.
RESENT = frozenset({"PutItem", "UpdateItem", "queue"})
WORKER_SECONDS = 30.0
CALLER_SECONDS = 27.0
EVENT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The classes under test; a test may pass one with a mistake."""

    ledger: type[Ledger] = Ledger
    reader: type[TableReader] = TableReader
    executions: type[Executions] = Executions
    dispatcher: type[Dispatcher] = Dispatcher
    jobs: type[ExecutionRunner] = ExecutionRunner
    sweeper: type[Sweeper] = Sweeper


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Probabilities of what goes wrong; ``skew`` and ``lag`` are seconds."""

    lost: float = 0.2
    duplicated: float = 0.05
    fault: float = 0.01
    zombie: float = 0.01
    slow: float = 0.02
    failing: float = 0.1
    skew: float = 5.0
    lag: float = 2.0
    event_delay: float = 20.0


STORM = Weather(lost=0.4, duplicated=0.2, fault=0.08, zombie=0.1, slow=0.3, failing=0.2)
CALM = Weather(lost=0, duplicated=0, fault=0, zombie=0, slow=0, failing=0, skew=0, lag=0, event_delay=0)


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
        boundary = _Tables(self, self.dynamodb)
        reader = parts.reader(lambda: boundary, "se-")
        clock = self.scheduler.clock
        new_token = self._token
        self.ledger = parts.ledger(
            reader, TableWriter(lambda: boundary, "se-"), clock=clock, new_token=new_token
        )
        payloads = PayloadStore(lambda: None, None)
        dispatcher = parts.dispatcher(WorkerInvoker(self), payloads)
        self.executions = parts.executions(
            self.ledger, dispatcher, payloads, Digests(lambda: b"secret"), WORKER_SECONDS
        )
        self.jobs = parts.jobs(self.ledger, payloads, self.random.random)
        alerts = AlertPublisher(self._notice, clock=clock)
        self.registry = Functions(reader, self.functions)
        self.sweeper = parts.sweeper(
            self.ledger,
            self.registry,
            dispatcher,
            self._dead_letter,
            alerts,
            self.random.random,
        )

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

        def attempt() -> Outcome:
            self.account.began(call)
            try:
                return Outcome.of(WorkerResponse("json", self._function(call, zombie=zombie)))
            except FunctionError as error:
                return Outcome.of(WorkerResponse("error", error.message, error.status, "FunctionError"))

        def note(name: str) -> None:
            self.notes[name] += 1
            if name == "LateWrites":
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
        """Run the sweeper once, as the schedule does."""
        deadline = self.scheduler.now + 60
        self.spawn("sweeper", lambda: self.sweeper.run(lambda: self.scheduler.now < deadline - 10))

    def run_to_the_end(self, hours: float = 20.0) -> None:
        """Run, with a sweeper each minute, until no execution is live or due."""
        end = self.scheduler.now + hours * 3600
        while self.scheduler.now < end:
            self.scheduler.run(self.scheduler.now + 60)
            if not self._unsettled() and self.scheduler.is_idle():
                return
            self.sweep()
        self.account.stuck = [execution.job_id for execution in self.rows() if execution.due_shard]

    def rows(self) -> list[Execution]:
        """Return the ledger's rows that have not expired."""
        reader = TableReader(lambda: self.dynamodb, "se-")
        executions = []
        for item in self.dynamodb.items("se-executions"):
            row = reader.get(EXECUTIONS, {"job_id": item["job_id"]["S"]})
            execution = Execution.from_row(row or {})
            if execution and not execution.is_gone(int(self.scheduler.now)):
                executions.append(execution)
        return executions

    def _unsettled(self) -> bool:
        return any("due_shard" in item for item in self.dynamodb.items("se-executions"))

    def _dead_letter(self, execution: Execution) -> None:
        self.boundary("queue", lambda: self.account.dead_letters.append(execution), _lost(), _busy())

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


class WorkerInvoker(Invoker):
    """Lambda's client."""

    def __init__(self, world: World) -> None:
        self._world = world

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, deadline: float | None = None) -> Json:
        refused, lost = UnavailableError("no room"), InvocationError("The connection broke")
        if event:
            return self._world.boundary("event", lambda: self._world.event(payload), lost, refused)
        worker = self._world.boundary("invoke", lambda: self._world.start_worker(payload), lost, refused)
        if not self._world.scheduler.wait(worker, CALLER_SECONDS):
            raise DeadlineError("no response in time")
        if isinstance(worker.error, UnavailableError):
            return WorkerResponse(
                "error", worker.error.message, worker.error.status, "UnavailableError"
            ).encode()
        if worker.error:
            raise InvocationError("The function failed", error_type="Unhandled")
        return cast("Json", worker.result)


class Functions(Registry):
    """The simulation's functions; they have no hooks."""

    def __init__(self, tables: TableReader, functions: Mapping[str, Function]) -> None:
        super().__init__(tables, {}, stage="")
        self._by_name = functions

    @override
    def refresh(self, command: Command | None = None) -> Reply | None:
        return None

    @override
    def function_for_entry(self, entry: FunctionEntry, name: str) -> Function:
        return self._by_name[name]

    @override
    def resolve(self, endpoint_id: str, api_key: str, area: str, name: str) -> Function:
        return self._by_name[name]

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
