"""Streams of the registry's tables (parameter ``RegistryStreams``): they announce what other tools write.

A batch of records raises the generation once, as ``silvaengine apply`` does after its rows.
"""

from collections.abc import Callable

from silvaengine.context import LambdaContext
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, HOOKS, is_internal
from silvaengine_tasks.records import Event, are_records_of, member, records_of, table_of

TABLES = (ENDPOINTS, CONNECTIONS, FUNCTIONS, HOOKS, CONFIG_DATA)


class RegistrySource:
    """Records of the registry's tables.

    Args:
        prefix: the prefix of the tables' names.
        announce: raises the generation, or UnavailableError.
    """

    def __init__(self, prefix: str, announce: Callable[[], None]) -> None:
        self._names = {prefix + table.name for table in TABLES}
        self._announce = announce

    def matches(self, event: Event) -> bool:
        """Return whether an event is from a stream of one of these tables."""
        return are_records_of(event, "aws:dynamodb") and table_of(records_of(event)[0]) in self._names

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> None:  # noqa: ARG002 - a source's
        """Announce the rows, whatever they are; raises UnavailableError, and the batch comes again."""
        records = records_of(event)
        log.add(source="registry", records=len(records))
        if any(map(_is_row, records)):
            self._announce()


def _is_row(record: Json) -> bool:
    """Return whether a record is about a row of the registry: the framework's own settings are none.

    The generation is among those, so that an announcement doesn't lead to the next one.
    """
    setting_id = member(record, "dynamodb", "Keys", CONFIG_DATA.hash_key, "S")
    return not is_internal(str(setting_id))
