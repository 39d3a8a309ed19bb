"""Whether the registry has changed: its generation, which every ``silvaengine apply`` raises.

With Redis every call looks there, and one instance at DynamoDB for all; without it each looks at DynamoDB
once in some seconds.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from silvaengine.aws.table_client import TableReader
from silvaengine.errors import UnavailableError
from silvaengine.redis.breaker import TierError
from silvaengine.tables import CONFIG_DATA, GENERATION_KEY

if TYPE_CHECKING:
    from silvaengine.redis.commands import Command
    from silvaengine.registry.redis_rows import RedisRows


class RegistryGeneration:
    """The generation as it is known here.

    Args:
        tables: reads rows consistently.
        shared: what Redis keeps for all instances, if there is one.
        refresh: seconds between two looks at DynamoDB.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tables: TableReader,
        shared: "RedisRows | None",
        refresh: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tables = tables
        self._shared = shared
        self._refresh = refresh
        self._clock = clock
        self._next_look = clock() + refresh
        self._confirmed = clock()
        self._is_unread = False
        self.known: str | None = None

    def look(self, command: "Command | None" = None) -> tuple[bool, Any]:
        """Look whether the registry has changed; where that can't be read, it counts as unchanged.

        What was read before the first look belongs to no generation, so that the first one is a change.

        Args:
            command: something else for Redis, sent in the same round trip; it reads and writes the slot of
                the generation.

        Returns:
            Whether it has, and what Redis replied to the command; None when that wasn't sent.

        """
        try:
            generation, reply = self._looked_up(command)
        except UnavailableError:
            self._is_unread = True
            return False, None
        if generation is None:
            return False, reply
        before, self.known = self.known, generation
        self._confirmed = self._clock()
        self._is_unread = False
        return generation != before, reply

    def is_unknown_for(self, seconds: float) -> bool:
        """Return whether nobody could tell for so long whether the registry has changed."""
        return self._is_unread and self._clock() - self._confirmed >= seconds

    def announce(self) -> None:
        """Show all instances that share a Redis the present generation.

        Raises:
            UnavailableError: Redis or DynamoDB can't be reached.
        """
        if self._shared is None:
            return
        try:
            self._shared.announce(self._read())
        except TierError as error:
            raise UnavailableError("Redis can't be reached at the moment", detail=str(error)) from error

    def _looked_up(self, command: "Command | None") -> tuple[str | None, Any]:
        if self._shared is not None:
            with suppress(TierError):
                return self._shared.generation(self._read, command)
        now = self._clock()
        if now < self._next_look:
            return None, None
        self._next_look = now + self._refresh
        return self._read(), None

    def _read(self) -> str:
        row = self._tables.get(CONFIG_DATA, GENERATION_KEY) or {}
        return str(row.get("value", 0))
