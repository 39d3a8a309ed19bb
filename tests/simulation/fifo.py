"""A FIFO queue in front of the tasks Lambda's real code: receive counts, groups that wait, redrive.

docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide: FIFO-queues-understanding-logic.html (a
receive takes a group's messages in order, and none of a group of which one is still in flight) and
sqs-dead-letter-queues.html (a message that was received so often as ``maxReceiveCount`` says is moved at the
next receive). docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: of a batch those that are
not reported as failed are deleted, and the others stay hidden until their visibility ends.
"""

import json
from typing import Any, override

from silvaengine.observability.logging import InvocationLog

from .queue import (
    FUNCTIONS,
    MAX_RECEIVES,
    READER_SECONDS,
    VISIBILITY,
    Message,
    Queue,
    ReaderContext,
    record_of,
)
from .world import World

GROUPS = 4


class FifoQueue(Queue):
    """A queue of message groups, whose poisoned messages fail each time; a batch is of one group."""

    def __init__(self, world: World, messages: int, *, batch_size: int, poison: set[int]) -> None:
        super().__init__(world, messages)
        self.poison = poison
        self._batch_size = batch_size
        self._groups = [self.messages[first::GROUPS] for first in range(GROUPS)]

    @override
    def _receive(self) -> None:
        now = self.world.scheduler.now
        for group in self._groups:
            waiting = [message for message in group if not message.end]
            if any(message.visible_at > now for message in waiting):
                continue
            for message in waiting:
                message.end = "dead" if message.receives >= MAX_RECEIVES else ""
            batch = [message for message in waiting if not message.end][: self._batch_size]
            for message in batch:
                message.receives += 1
                message.visible_at = now + VISIBILITY
            if batch:
                ends_at = now + READER_SECONDS
                self.world.spawn("reader", lambda batch=batch: self._read_batch(batch), ends_at=ends_at)  # type: ignore[misc]

    def _read_batch(self, batch: list[Message]) -> None:
        event = {"Records": [self._record(message) for message in batch]}
        response = self.source.serve(event, ReaderContext(), InvocationLog("tasks"))
        failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        for message in batch:
            message.end = "" if f"m{message.number}" in failed else "done"

    def _record(self, message: Message) -> dict[str, Any]:
        params = {"call": message.number} | ({"fails": 500} if message.number in self.poison else {})
        record = record_of(message)
        return record | {
            "body": json.dumps({"params": params}),
            "eventSourceARN": record["eventSourceARN"] + ".fifo",
            "attributes": {
                "MessageGroupId": str(message.number % GROUPS),
                "ApproximateReceiveCount": str(message.receives),
            },
        }

    @override
    def check(self) -> list[str]:
        """Compare also the order of effects with each group's; return the violations."""
        found, order = super().check(), list(self.world.account.effects)
        for group in self._groups:
            done = [message.number for message in group if message.end == "done"]
            if (first := [number for number in order if number in done]) != done:
                found.append(f"out of order: {first}")
        return found

    def never_called(self) -> list[int]:
        """Return the messages that are dead and were never called, though nothing forbade it.

        Of one that may run once at most, nobody knows that it was not called when its reader died.
        """
        attempts = self.world.account.attempts
        dead = [each for each in self.messages if each.end == "dead" and FUNCTIONS[each.function] != "fail"]
        return [message.number for message in dead if not attempts[message.number]]
