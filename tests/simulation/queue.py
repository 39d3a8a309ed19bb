"""SQS in front of the tasks Lambda's real code: receives, visibility, duplicates, redrive, dying readers.

Each record of a batch is a process of its own, as the Lambda's threads are; an exception puts the message
back, and a death leaves it hidden until its visibility ends.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.sqs import SqsSource

from .account import Request
from .callers import add_functions
from .world import WORKER_SECONDS, Weather, World

VISIBILITY = 1980.0
MAX_RECEIVES = 5
READER_SECONDS = 330.0
FUNCTIONS = {"once": "fail", "often": "retry", "exact": "retry"}

# Of five calls one fails; readers and workers die, answers are lost, tables lag, clocks are off.
FAULTY = Weather(lost=0, duplicated=0.05, fault=0.02, zombie=0.01, slow=0.02, failing=0.16)


@dataclass
class Message:
    """A message and its state."""

    number: int
    function: str
    receives: int = 0
    visible_at: float = 0.0
    end: str = ""


class ReaderContext:
    """The context of the Lambda that reads a queue or a shard."""

    aws_request_id = function_name = invoked_function_arn = "tasks"

    def get_remaining_time_in_millis(self) -> int:
        """Return all of its time."""
        return int(READER_SECONDS * 1000)


class Queue:
    """A queue with its dead-letter queue, and the Lambda that reads it."""

    def __init__(self, world: World, messages: int) -> None:
        add_functions(world)
        self.world = world
        self.violations: list[str] = []
        names = list(FUNCTIONS)
        self.messages = [Message(number, names[number % len(names)]) for number in range(messages)]
        for message in self.messages:
            world.account.requests[message.number] = _request(message)
        registry, invoker = world.registry, world.invoker
        payloads = PayloadStore(lambda: None, None)
        claims = Claims(world.ledger, Digests(lambda: b"secret"), payloads, WORKER_SECONDS)
        hooks = CallHooks(registry, invoker)
        functions = FunctionCaller(
            registry,
            invoker,
            Dispatcher(invoker, payloads, find_function=registry.function_for_entry),
            claims,
            AlertPublisher(None),
            hooks,
        )
        self.source = SqsSource(functions, Bindings(registry), self)

    def run(self, hours: float = 20.0) -> None:
        """Receive until each message is done or dead."""
        scheduler = self.world.scheduler
        end = scheduler.now + hours * 3600
        while scheduler.now < end and not all(message.end for message in self.messages):
            self._receive()
            scheduler.run(scheduler.now + 10)
        scheduler.run(scheduler.now + VISIBILITY)  # what still runs, such as a duplicate

    def _receive(self) -> None:
        now, random = self.world.scheduler.now, self.world.random
        for message in self.messages:
            again = random.random() < self.world.weather.duplicated / 100 and message.receives
            if message.end == "dead" or (message.end and not again):
                continue
            if message.visible_at > now and not again:
                continue
            if message.receives >= MAX_RECEIVES:
                message.end = message.end or "dead"
                continue
            message.receives += 1
            message.visible_at = now + VISIBILITY
            ends_at = now + READER_SECONDS
            self.world.spawn("reader", lambda message=message: self._read(message), ends_at=ends_at)  # type: ignore[misc]

    def _read(self, message: Message) -> None:
        event = {"Records": [record_of(message)]}
        response = self.source.serve(event, ReaderContext(), InvocationLog("tasks"))
        if response == {"batchItemFailures": []}:
            message.end = message.end or "done"

    def hide(self, _queue_arn: str, receipt: str, seconds: int) -> None:
        """Change a message's visibility."""
        message, now = self.messages[int(receipt)], self.world.scheduler.now
        message.visible_at = max(message.visible_at, now) if message.end else now + seconds

    def max_receives(self, _queue_arn: str) -> int:
        """Return the redrive policy's number."""
        return MAX_RECEIVES

    def check(self) -> list[str]:
        """Compare each message's end with its effects; return the violations."""
        found = list(self.world.account.violations)
        for message in self.messages:
            effects = self.world.account.effects[message.number]
            name = (
                f"message {message.number} ({message.function}, {message.end}, {message.receives} receives)"
            )
            if not message.end:
                found.append(f"{name}: is neither done nor dead")
            if message.end == "done" and not effects:
                found.append(f"{name}: done without an effect")
            if message.function != "often" and effects > 1:
                found.append(f"{name}: {effects} effects")
        return found

    def ends(self) -> Counter[str]:
        """Count the messages' ends."""
        return Counter(message.end for message in self.messages)


def _request(message: Message) -> Request:
    return Request(
        number=message.number, tenant="acme", principal="", function=message.function,
        on_lost=FUNCTIONS[message.function], conditional=message.function == "exact",  # type: ignore[arg-type]
        key=None, is_async=False,
    )  # fmt: skip


def record_of(message: Message) -> dict[str, Any]:
    """Return a message as Lambda hands it over."""
    return {
        "messageId": f"m{message.number}",
        "receiptHandle": str(message.number),
        "body": json.dumps({"params": {"call": message.number}}),
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:work",
        "messageAttributes": {
            "endpoint_id": {"stringValue": "acme"},
            "funct": {"stringValue": message.function},
        },
    }
