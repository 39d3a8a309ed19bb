"""The functions that sources are bound to (``events:`` in registry.yaml), whatever their records name.

A binding is a value of setting id ``silvaengine_events`` under ``{kind}:{name}``, a table's under its name
in the contract's ``dynamodb_stream_config``: a list of ``{endpoint_id, funct}``, with ``batch``, and for a
bucket ``prefix`` and ``suffix`` of its keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from silvaengine.errors import ConfigurationError
from silvaengine.protocol.json_codec import Json
from silvaengine.registry.registry import Registry
from silvaengine.tables import EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_tasks.records import RecordCall, member, text


class Binding(NamedTuple):
    """A function that a source calls; with ``batch`` one call gets all records of an event."""

    endpoint_id: str
    function: str
    batch: bool = False


class Bindings(NamedTuple):
    """The bindings in the registry.

    Args:
        registry: reads and caches them.
    """

    registry: Registry

    def find(self, kind: str, name: str, key: str = "") -> list[Binding]:
        """Return the functions that a source is bound to, an empty list for an unbound source.

        Args:
            kind: ``queue``, ``bucket``, ``table``, ``topic``, ``rule`` or ``schedule``.
            name: the source's name, without account and region.
            key: an object's key, decoded.

        Raises:
            RequestError, ConfigurationError: the binding is malformed.
        """
        setting_id = STREAMS_SETTING_ID if kind == "table" else EVENTS_SETTING_ID
        variable = name if kind == "table" else f"{kind}:{name}"
        return list(_read(self._variables(setting_id).get(variable) or [], key))

    def _variables(self, setting_id: str) -> Mapping[str, Json]:
        try:
            return self.registry.settings(setting_id)
        except ConfigurationError:  # it has no rows
            return {}


def bound_calls(
    bindings: Sequence[Binding], template: RecordCall, batch_item_id: str, record: Json
) -> list[RecordCall]:
    """Return a record's call of each function that its source is bound to.

    Args:
        bindings: of the source.
        template: the call's other members; its params go to functions that get one record a call.
        batch_item_id: the record's id for functions with ``batch``.
        record: as AWS sent it, for functions with ``batch``.
    """
    return [
        template._replace(
            endpoint_id=binding.endpoint_id,
            function=binding.function,
            params={"records": [record]} if binding.batch else template.params,
            batch_item_id=batch_item_id if binding.batch else None,
        )
        for binding in bindings
    ]


def _read(value: Json, key: str) -> Iterator[Binding]:
    if not isinstance(value, list):
        raise ConfigurationError("An event binding is malformed", detail="its value is not a list")
    for item in value:
        binding = Binding(text(item, "endpoint_id"), text(item, "funct"), bool(member(item, "batch")))
        prefix, suffix = str(member(item, "prefix") or ""), str(member(item, "suffix") or "")
        if key.startswith(prefix) and key.endswith(suffix):
            yield binding
