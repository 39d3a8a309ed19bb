"""The records of what was cleared, in `se-configdata`: where a deployment has no Redis."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from silvaengine.aws.json_api import JsonApi
from silvaengine.aws.table_client import Key, Row, TableReader, TableWriter, open_dynamodb
from silvaengine.cache.generations import (
    ALL_TENANTS,
    MARKER_LIMIT,
    Generation,
    Record,
    new_epoch,
)
from silvaengine.errors import ConditionFailedError, SilvaEngineError
from silvaengine.redis.breaker import Breaker, TierError
from silvaengine.tables import CONFIG_DATA, cache_generation_key

_logger = logging.getLogger(__name__)

_MARK = "SET #markers = list_append(#markers, :pattern), #sequence = #sequence + :one"
_ROOM = "attribute_exists(#markers) AND size(#markers) < :limit"
_RENEW = "SET #epoch = :epoch, #sequence = :zero, #cleared = :zero, #markers = :none"
_CLEAR = (
    "SET #cleared = if_not_exists(#sequence, :zero) + :one,"
    " #sequence = if_not_exists(#sequence, :zero) + :one,"
    " #epoch = if_not_exists(#epoch, :epoch), #markers = :none"
)


class TableGenerations:
    """See ``silvaengine.cache.generations.GenerationStore``; each clear is one conditional write.

    Args:
        reader: reads consistently: an eventual read could miss a clear that was acknowledged.
        writer: writes.
        fresh_seconds: how long what was read may be relied on.
        clock: monotonic seconds, of the breaker.
    """

    def __init__(
        self,
        reader: TableReader,
        writer: TableWriter,
        fresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.fresh_seconds = fresh_seconds
        self._breaker = Breaker(clock)

    def read(self, name: str, tenant: str) -> Generation:
        """Read both records, made with a new epoch where there is none."""
        owners = (ALL_TENANTS, tenant)
        with self._watched():
            rows = self._reader.batch_get(
                [(CONFIG_DATA, cache_generation_key(name, owner)) for owner in owners]
            )
            return Generation(
                *(
                    _record(row or self._made(name, owner)) or self._renewed(name, owner)
                    for owner, row in zip(owners, rows, strict=True)
                )
            )

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """Add a clear to a record, a whole one where its patterns are too many or it isn't there."""
        key = cache_generation_key(name, tenant)
        with self._watched():
            if pattern == "*" or not self._marked(key, pattern):
                values = {"zero": 0, "one": 1, "epoch": new_epoch(), "none": []}
                self._writer.update(CONFIG_DATA, key, _CLEAR, values=values)

    def renew(self, name: str, tenant: str) -> None:
        """Return both records new epochs."""
        with self._watched():
            for owner in (ALL_TENANTS, tenant):
                self._renewed(name, owner)

    def knows(self, name: str) -> bool:
        """Return whether the cache was ever used."""
        with self._watched():
            return self._reader.get(CONFIG_DATA, cache_generation_key(name, ALL_TENANTS)) is not None

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if not self._breaker.allows():
            raise TierError("the table is passed over for a moment")
        try:
            yield
        except SilvaEngineError as error:
            if self._breaker.state == "closed":
                _logger.warning("The caches' generations can't be read: %s", error.detail or error.message)
            self._breaker.record_failure()
            raise TierError(error.detail or error.message) from error
        self._breaker.record_success()

    def _marked(self, key: Key, pattern: str) -> bool:
        values = {"pattern": [pattern], "one": 1, "limit": MARKER_LIMIT}
        try:
            self._writer.update(CONFIG_DATA, key, _MARK, condition=_ROOM, values=values)
        except ConditionFailedError:
            return False
        return True

    def _renewed(self, name: str, owner: str) -> Record:
        record = Record(new_epoch())
        values = {"epoch": record.epoch, "zero": 0, "none": []}
        self._writer.update(CONFIG_DATA, cache_generation_key(name, owner), _RENEW, values=values)
        return record

    def _made(self, name: str, owner: str) -> Row:
        """Make a record, or give the one that somebody else made in the meantime."""
        key = cache_generation_key(name, owner)
        row = {**key, "epoch": new_epoch(), "sequence": 0, "cleared": 0, "markers": []}
        try:
            self._writer.put(CONFIG_DATA, row, condition="attribute_not_exists(#variable)")
        except ConditionFailedError:
            return self._reader.get(CONFIG_DATA, key) or row
        return row


def _record(row: Row) -> Record | None:
    """Read a row, None where something else lies in a record's place."""
    match row:
        case {"epoch": str(epoch), "cleared": int(cleared), "markers": [*markers]}:
            return Record(epoch, cleared, tuple(map(str, markers)))
    return None


def open_table_generations(region: str, prefix: str, fresh_seconds: float) -> TableGenerations:
    """Return the records in the account's table; one short attempt, for every cached call may wait for it."""

    def open_api() -> JsonApi:
        return open_dynamodb(region, read_seconds=1.0, attempts=1)

    return TableGenerations(TableReader(open_api, prefix), TableWriter(open_api, prefix), fresh_seconds)
