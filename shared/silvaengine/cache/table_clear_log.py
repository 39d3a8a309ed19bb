"""Clear logs in the table `se-configdata`: for deployments without Redis."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from silvaengine.aws.json_api import JsonApi
from silvaengine.aws.table_client import Key, Row, TableReader, TableWriter, open_dynamodb
from silvaengine.cache.clear_log import ALL_TENANTS, MAX_PATTERNS, ClearLog, ClearState, new_epoch
from silvaengine.clock import process_clock
from silvaengine.errors import ConditionFailedError, SilvaEngineError
from silvaengine.redis.breaker import Breaker
from silvaengine.tables import CONFIG_DATA, cache_generation_key

_ADD_PATTERN = "SET #markers = list_append(#markers, :pattern), #sequence = #sequence + :one"
_HAS_ROOM = "attribute_exists(#markers) AND size(#markers) < :limit"
_RENEW = "SET #epoch = :epoch, #sequence = :zero, #cleared = :zero, #markers = :none"
_CLEAR = (
    "SET #cleared = if_not_exists(#sequence, :zero) + :one,"
    " #sequence = if_not_exists(#sequence, :zero) + :one,"
    " #epoch = if_not_exists(#epoch, :epoch), #markers = :none"
)


class TableClearLogs:
    """A ``silvaengine.cache.clear_log.ClearLogStore`` in DynamoDB; each clear is one conditional write.

    Its reads are consistent: an eventual one could miss a clear that was acknowledged.
    """

    def __init__(
        self,
        reader: TableReader,
        writer: TableWriter,
        fresh_seconds: float,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.fresh_seconds = fresh_seconds
        self._breaker = Breaker(clock)

    def read(self, name: str, tenant: str) -> ClearState:
        """See ``ClearLogStore``."""
        tenants = (ALL_TENANTS, tenant)
        with self._guard():
            rows = self._reader.batch_get(
                [(CONFIG_DATA, cache_generation_key(name, each)) for each in tenants]
            )
            return ClearState(
                *(
                    _to_log(row or self._create(name, each)) or self._renew_log(name, each)
                    for each, row in zip(tenants, rows, strict=True)
                )
            )

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """See ``ClearLogStore``; a full clear where the log is missing or has too many patterns."""
        key = cache_generation_key(name, tenant)
        with self._guard():
            if pattern == "*" or not self._add_pattern(key, pattern):
                values = {"zero": 0, "one": 1, "epoch": new_epoch(), "none": []}
                self._writer.update(CONFIG_DATA, key, _CLEAR, values=values)

    def renew(self, name: str, tenant: str) -> None:
        """See ``ClearLogStore``."""
        with self._guard():
            for each in (ALL_TENANTS, tenant):
                self._renew_log(name, each)

    def exists(self, name: str) -> bool:
        """See ``ClearLogStore``."""
        with self._guard():
            return self._reader.get(CONFIG_DATA, cache_generation_key(name, ALL_TENANTS)) is not None

    def _guard(self) -> AbstractContextManager[None]:
        """Skip the table for a while after a failure; raises TierError."""
        return self._breaker.guard("The caches' clear logs can't be read", (SilvaEngineError,))

    def _add_pattern(self, key: Key, pattern: str) -> bool:
        """Add a pattern to a log; return whether there was room for it."""
        values = {"pattern": [pattern], "one": 1, "limit": MAX_PATTERNS}
        try:
            self._writer.update(CONFIG_DATA, key, _ADD_PATTERN, condition=_HAS_ROOM, values=values)
        except ConditionFailedError:
            return False
        return True

    def _renew_log(self, name: str, tenant: str) -> ClearLog:
        log = ClearLog(new_epoch())
        values = {"epoch": log.epoch, "zero": 0, "none": []}
        self._writer.update(CONFIG_DATA, cache_generation_key(name, tenant), _RENEW, values=values)
        return log

    def _create(self, name: str, tenant: str) -> Row:
        """Create and return a log's row, or return the one that was created meanwhile."""
        key = cache_generation_key(name, tenant)
        row = {**key, "epoch": new_epoch(), "sequence": 0, "cleared": 0, "markers": []}
        try:
            self._writer.put(CONFIG_DATA, row, condition="attribute_not_exists(#variable)")
        except ConditionFailedError:
            return self._reader.get(CONFIG_DATA, key) or row
        return row


def _to_log(row: Row) -> ClearLog | None:
    """Parse a row; None if it holds something else."""
    match row:
        case {"epoch": str(epoch), "cleared": int(full_clear), "markers": [*patterns]}:
            return ClearLog(epoch, full_clear, tuple(map(str, patterns)))
    return None


def open_table_clear_logs(region: str, prefix: str, fresh_seconds: float) -> TableClearLogs:
    """Return the store in the account's table; one short attempt, since every cached call may wait for it."""

    def open_api() -> JsonApi:
        return open_dynamodb(region, read_seconds=1.0, attempts=1)

    return TableClearLogs(TableReader(open_api, prefix), TableWriter(open_api, prefix), fresh_seconds)
