"""The registry's rows: read from DynamoDB, or from Redis if another instance has read them."""

from collections.abc import Callable, Iterable, Mapping
from itertools import batched
from typing import TYPE_CHECKING

from silvaengine.aws.table_client import BATCH_ROWS, Key, Row, TableReader
from silvaengine.clock import process_clock
from silvaengine.context import read_from
from silvaengine.lru import Budget, LruCache
from silvaengine.registry.generation import RegistryGeneration
from silvaengine.registry.model import FunctionEntry
from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    ENDPOINTS,
    FUNCTIONS,
    HOOKS,
    PACKAGES,
    Table,
)

if TYPE_CHECKING:
    from silvaengine.registry.redis_rows import RedisRows

SETTINGS_TTLS = 3  # settings are kept three times as long as other rows: 30 minutes


class RegistryRows:
    """Reads rows of one generation; settings are also kept in memory.

    Args:
        tables: reads rows consistently.
        redis_rows: the rows that all instances share in Redis, if any.
        generation: the registry's generation.
        ttl: seconds for which Redis keeps a row.
        budget: what the registry may keep in memory.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        tables: TableReader,
        redis_rows: "RedisRows | None",
        generation: RegistryGeneration,
        ttl: float,
        budget: Budget,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self._tables = tables
        self._redis_rows = redis_rows
        self._generation = generation
        self._ttl = ttl
        self._settings = LruCache(SETTINGS_TTLS * ttl, budget, clock)

    def clear(self) -> None:
        """Forget the settings."""
        self._settings.clear()

    def endpoint_and_keys(self, endpoint_id: str, api_key: str) -> list[Row | None]:
        """Return the rows of the endpoint, its own key and the common key; None for a missing one."""
        keys = [
            (ENDPOINTS, {"endpoint_id": endpoint_id}),
            (CONNECTIONS, {"endpoint_id": endpoint_id, "api_key": api_key}),
            (CONNECTIONS, {"endpoint_id": COMMON_ENDPOINT, "api_key": api_key}),
        ]
        return self._read(("connection", endpoint_id, api_key), self._ttl, self._tables.batch_get, keys)

    def function(self, aws_lambda_arn: str, name: str) -> Row | None:
        """Return a function's row, None if there is none."""
        key = {"aws_lambda_arn": aws_lambda_arn, "function": name}
        return self._read(("function", aws_lambda_arn, name), self._ttl, self._tables.get, FUNCTIONS, key)

    def functions(self, entries: Mapping[str, FunctionEntry]) -> list[Row]:
        """Return the rows of all functions of a key row, read a hundred at a time."""
        return self._batch(
            (FUNCTIONS, {"aws_lambda_arn": entry.aws_lambda_arn, "function": name})
            for name, entry in entries.items()
        )

    def packages(self, item: str, *function_arns: str) -> list[Row]:
        """Return an item of each of these packages that has it, read a hundred at a time."""
        keys = [(PACKAGES, {"function_arn": arn, "item": item}) for arn in function_arns]
        return self._read(("packages", item, *function_arns), self._ttl, self._batch, keys)

    def hooks(self, endpoint_id: str) -> list[Row]:
        """Return the rows of an endpoint's hooks."""
        return self._read(("hooks", endpoint_id), self._ttl, self._tables.query, HOOKS, endpoint_id)

    def settings(self, setting_id: str) -> Row:
        """Return the variables and values of a setting id; empty if it has no rows."""
        name, seconds = ("settings", setting_id), SETTINGS_TTLS * self._ttl
        rows: list[Row] = self._settings.get_or_load(
            setting_id, lambda: self._read(name, seconds, self._tables.query, CONFIG_DATA, setting_id)
        )
        return {row["variable"]: row.get("value") for row in rows}

    def _batch(self, keys: Iterable[tuple[Table, Key]]) -> list[Row]:
        return [
            row
            for batch in batched(keys, BATCH_ROWS, strict=False)
            for row in self._tables.batch_get(batch)
            if row
        ]

    def _read[*Args, Rows](
        self, name: tuple[str, ...], seconds: float, load: Callable[[*Args], Rows], *args: *Args
    ) -> Rows:
        """Return rows from Redis, or load and share them there."""

        def load_noted() -> Rows:
            read_from.add("dynamodb")
            return load(*args)

        if self._redis_rows is None or self._generation.current is None:
            return load_noted()
        return self._redis_rows.get_or_load(self._generation.current, name, seconds, load_noted)
