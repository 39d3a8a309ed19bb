"""The registry's generation: whoever writes rows raises it afterwards, and a new one says that they changed.

With Redis every call checks it there, and one instance reads DynamoDB for all; without it each instance reads
DynamoDB once in some seconds.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.clock import process_clock
from silvaengine.errors import UnavailableError
from silvaengine.redis.breaker import TierError
from silvaengine.tables import CONFIG_DATA, GENERATION_KEY

if TYPE_CHECKING:
    from silvaengine.redis.commands import Command
    from silvaengine.registry.redis_rows import RedisRows, Reply


class RegistryGeneration:
    """The generation as this instance knows it.

    ``current`` is None until it was checked. ``unknown_since`` is when it was last read, by the
    clock, while it can't be read; else None.

    Args:
        tables: reads rows consistently.
        redis_rows: the generation that all instances share in Redis, if any.
        refresh: seconds between two reads of DynamoDB.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        tables: TableReader,
        redis_rows: "RedisRows | None",
        refresh: float,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self._tables = tables
        self._redis_rows = redis_rows
        self._refresh = refresh
        self._clock = clock
        self._confirmed = clock()
        self._next_read = self._confirmed + refresh
        self.current: str | None = None
        self.unknown_since: float | None = None

    def check(self, command: "Command | None" = None) -> "tuple[bool, Reply | None]":
        """Check whether the registry has changed; if the generation can't be read, it counts as unchanged.

        Rows that were read before the first check belong to no generation, so that it is always a change.

        Args:
            command: another command for Redis, sent in the same round trip; its keys are in the slot of the
                generation.

        Returns:
            Whether it has, and Redis's reply to the command; None if that wasn't sent.

        """
        now, generation, reply = self._clock(), None, None
        try:
            if self._redis_rows is not None:
                with suppress(TierError):
                    generation, reply = self._redis_rows.generation(self._read, command)
            if generation is None and now >= self._next_read:
                self._next_read = now + self._refresh
                generation = self._read()
        except UnavailableError:
            self.unknown_since = self._confirmed
            return False, None
        if generation is None:
            return False, reply
        previous, self.current = self.current, generation
        self._confirmed, self.unknown_since = now, None
        return generation != previous, reply

    def announce(self) -> None:
        """Publish the current generation to all instances that share a Redis.

        Raises:
            UnavailableError: Redis or DynamoDB can't be reached.
        """
        if self._redis_rows is None:
            return
        try:
            self._redis_rows.announce(self._read())
        except TierError as error:
            raise UnavailableError("Redis can't be reached; try again", detail=str(error)) from error

    def _read(self) -> str:
        row = self._tables.get(CONFIG_DATA, GENERATION_KEY) or {}
        return str(row.get("value", 0))


def raise_generation(tables: TableWriter) -> None:
    """Announce that rows have changed, after they were written.

    Raises:
        UnavailableError: DynamoDB can't be reached; the generation may have been raised.
    """
    tables.update(CONFIG_DATA, GENERATION_KEY, "ADD #value :one", values={"one": 1})
