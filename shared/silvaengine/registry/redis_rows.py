"""What the instances share of the registry through Redis: its generation, and rows that one of them has read.

DynamoDB has the truth. Redis holds a copy of its generation for some seconds, so that one read serves all
instances; `silvaengine apply` writes the new one there at once. Rows are stored under the generation in which
they were read, so that a new one leaves them behind.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import cast

from silvaengine.context import read_from
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClient, reads_replies
from silvaengine.redis.commands import Command

type Reply = Sequence[int]  # to the rate limiter's command


class RedisRows:
    """Generation and rows in Redis.

    Args:
        client: sends the commands.
        prefix: the prefix of keys, such as ``se-``.
        refresh: seconds for which the copy of the generation is kept.
        keeps_rows: whether rows may be stored: only where no function can read them.
    """

    def __init__(self, client: RedisClient, prefix: str, *, refresh: float, keeps_rows: bool) -> None:
        self._client = client
        self._prefix = f"{prefix}registry:"
        self._refresh = refresh
        self._keeps_rows = keeps_rows

    def generation(self, read: Callable[[], str], command: Command | None = None) -> tuple[str, Reply | None]:
        """Return the registry's generation, read from DynamoDB if no instance has done so lately.

        Args:
            read: reads it from DynamoDB.
            command: another command, sent in the same round trip.

        Returns:
            The generation, and the reply to the command.

        Raises:
            TierError: Redis can't be reached.
        """
        key = f"{self._prefix}generation"
        text, *replies = self._client.execute(key, ("GET", key), *(() if command is None else (command,)))
        generation = _text(text) if text is not None else self._publish(read(), "NX")
        return generation, replies[0] if replies else None

    def announce(self, generation: str) -> None:
        """Publish a new generation to all instances; raises TierError."""
        self._publish(generation)

    def get_or_load[Rows](
        self, generation: str, name: tuple[str, ...], seconds: float, load: Callable[[], Rows]
    ) -> Rows:
        """Return rows that another instance has read in this generation, or read and share them.

        Args:
            generation: the registry's current generation.
            name: identifies the rows; it may hold an API key, so that Redis gets only a digest of it.
            seconds: how long the rows are kept.
            load: reads them.
        """
        if not self._keeps_rows:
            return load()
        from silvaengine.cache import codec  # lazy: only a deployment that shares rows needs it

        key = f"{self._prefix}rows:{generation}:{sha256(repr(name).encode()).hexdigest()}"
        with suppress(TierError, ValueError, TypeError):
            (data,) = self._client.execute(key, ("GET", key))
            if data is not None:
                owner, shared = codec.decode(data)
                if owner == key:  # else it is the reply to another request
                    read_from.add("redis")
                    return cast("Rows", shared)
        rows = load()
        with suppress(TierError):
            self._client.execute(key, ("SET", key, codec.encode((key, rows)), "PX", int(seconds * 1000)))
        return rows

    def _publish(self, generation: str, *condition: str) -> str:
        """Write a generation; ``NX`` keeps an instance that read it before an `apply` from undoing that."""
        if self._refresh > 0:
            key = f"{self._prefix}generation"
            self._client.execute(key, ("SET", key, generation, "PX", int(self._refresh * 1000), *condition))
        return generation


@reads_replies
def _text(value: bytes) -> str:
    return value.decode()
