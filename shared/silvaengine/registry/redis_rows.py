"""What the gateways share of the registry through Redis: its generation, and rows that one of them has read.

DynamoDB has the truth. Redis holds a copy of its generation for some seconds, so that one look serves every
instance; `silvaengine apply` puts the new one there at once. Rows lie under the generation in which they were
read: a new one leaves them behind.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClient
from silvaengine.redis.commands import Command


class RedisRows:
    """Generation and rows in Redis.

    Args:
        client: sends the commands.
        prefix: what the keys begin with, such as ``se-``.
        refresh: seconds that the copy of the generation lives.
        keeps_rows: whether rows may lie in Redis: only where no function can read them there.
    """

    def __init__(self, client: RedisClient, prefix: str, *, refresh: float, keeps_rows: bool) -> None:
        self._client = client
        self._prefix = f"{prefix}registry:"
        self._refresh = refresh
        self._keeps_rows = keeps_rows

    def generation(self, read: Callable[[], str], command: Command | None = None) -> tuple[str, Any]:
        """Return the registry's generation, read from DynamoDB when no instance did lately.

        Args:
            read: reads it there.
            command: something else, sent in the same round trip.

        Returns:
            The generation, and the reply to the command.

        Raises:
            TierError: Redis is away.
        """
        key = f"{self._prefix}generation"
        text, *replies = self._client.execute(key, ("GET", key), *(() if command is None else (command,)))
        generation = text.decode() if text is not None else self._shown(read(), "NX")
        return generation, replies[0] if replies else None

    def announce(self, generation: str) -> None:
        """Show everybody a new generation; raises TierError."""
        self._shown(generation)

    def get_or_load(
        self, generation: str, name: tuple[str, ...], seconds: float, load: Callable[[], Any]
    ) -> Any:  # noqa: ANN401 - rows
        """Return rows that another instance has read in this generation, or read and share them.

        Args:
            generation: as ``generation`` gave it.
            name: what the rows are; it may hold an API key, so that Redis sees a digest alone.
            seconds: how long they are kept.
            load: reads them.
        """
        if not self._keeps_rows:
            return load()
        from silvaengine.cache import codec  # few deployments share rows

        key = f"{self._prefix}{generation}:{sha256(repr(name).encode()).hexdigest()}"
        with suppress(TierError, codec.NotDecodableError):
            (data,) = self._client.execute(key, ("GET", key))
            if data is not None:
                return codec.decode(data)
        rows = load()
        with suppress(TierError):
            self._client.execute(key, ("SET", key, codec.encode(rows), "PX", int(seconds * 1000)))
        return rows

    def _shown(self, generation: str, *condition: str) -> str:
        """Put a generation into Redis; an instance that read it just before an `apply` doesn't undo that."""
        if self._refresh > 0:
            key = f"{self._prefix}generation"
            self._client.execute(key, ("SET", key, generation, "PX", int(self._refresh * 1000), *condition))
        return generation
