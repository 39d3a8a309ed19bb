"""A shard of a DynamoDB stream in front of the tasks Lambda's real code, as Lambda's mapping reads it.

docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html: after a failure it goes on from
the record that was named; a batch that failed as a whole is cut in half; a record that fails too often, alone
in its batch, is given up and reported.
"""

from collections import Counter
from typing import Any, override

from silvaengine.errors import FunctionError
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import WorkerCall
from silvaengine_tasks.bindings import Binding
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.streams import StreamSource

from .account import Account
from .callers import add_functions
from .queue import READER_SECONDS, ReaderContext
from .world import WORKER_SECONDS, Weather, World

RETRIES = 10
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/1"


class RecordAccount(Account):
    """An account of calls without a caller."""

    @override
    def began(self, call: WorkerCall) -> None:
        """Check nothing."""


class ShardWorld(World):
    """A world whose function works on a stream's records, one after the other."""

    def __init__(self, seed: int, weather: Weather, poison: set[int]) -> None:
        super().__init__(seed, weather)
        self.account = RecordAccount()
        self.poison = poison
        self.effects: list[int] = []

    @override
    def _function(self, call: WorkerCall, *, zombie: bool) -> Any:
        """Stop at a poisoned record and name it; fail at any by chance, named or not."""
        for record in call.params["records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            self.scheduler.pause(self.random.random())
            if number in self.poison:
                return [str(number)]
            if self.random.random() < self.weather.failing / 10:
                raise FunctionError("failed before the effect", 500)
            self.effects.append(number)
        return None


class Targets:
    """Binds the table to functions."""

    def __init__(self, *functions: str) -> None:
        self._bindings = [Binding("acme", name) for name in functions]

    def find(self, _kind: str, _name: str, _key: str = "") -> list[Binding]:
        """Return them."""
        return self._bindings


class Shard:
    """A shard, its reader, and the records that were given up."""

    def __init__(self, world: ShardWorld, records: int) -> None:
        add_functions(world)
        self.world = world
        self.records = [_record(number) for number in range(1, records + 1)]
        self.given_up: list[int] = []
        registry, invoker = world.registry, world.invoker
        bindings: Any = Targets("often")
        payloads = PayloadStore(lambda: None, None)
        claims = Claims(world.ledger, Digests(lambda: b"secret"), payloads, WORKER_SECONDS)
        functions = FunctionCaller(
            registry,
            invoker,
            Dispatcher(invoker, payloads, find_function=registry.function_for_entry),
            claims,
            AlertPublisher(None),
            CallHooks(registry, invoker),
        )
        self._streams = StreamSource(functions, bindings, None, world.scheduler.pause)

    def run(self) -> None:
        """Read to the end, as a mapping with ten retries does."""
        position, size, tries = 0, 10, 0
        while position < len(self.records):
            batch = self.records[position : position + size]
            gone = self._deliver(batch)
            tries = 0 if gone else tries + 1
            size = min(10, size + 1) if gone else max(1, size // 2)
            if tries > RETRIES and len(batch) == 1:
                self.given_up.append(_number(batch[0]))
                gone, tries = 1, 0
            position += gone

    def _deliver(self, batch: list[Any]) -> int:
        """Invoke the tasks Lambda; return how many records of the batch are done with."""
        scheduler, responses = self.world.scheduler, list[Any]()

        def read() -> None:
            responses.append(self._streams.serve({"Records": batch}, ReaderContext(), InvocationLog("tasks")))

        self.world.spawn("reader", read, ends_at=scheduler.now + READER_SECONDS)
        scheduler.run(scheduler.now + READER_SECONDS + 1)
        if not responses:
            return 0
        failed = [int(each["itemIdentifier"]) for each in responses[0]["batchItemFailures"]]
        return [_number(record) for record in batch].index(failed[0]) if failed else len(batch)

    def check(self) -> list[str]:
        """Compare effects with the shard's records; return the violations."""
        counts, found = Counter(self.world.effects), []
        first = list(dict.fromkeys(self.world.effects))
        if first != sorted(first):
            found.append(f"out of order: {first}")
        for record in self.records:
            number = _number(record)
            if number in self.given_up:
                continue
            if number in self.world.poison:
                found.append(f"{number} was poisoned and counted as done")
            elif not counts[number]:
                found.append(f"{number} was lost")
        return found


def _record(number: int) -> dict[str, Any]:
    return {"eventSource": "aws:dynamodb", "eventSourceARN": ARN, "dynamodb": {"SequenceNumber": str(number)}}


def _number(record: Any) -> int:
    return int(record["dynamodb"]["SequenceNumber"])
