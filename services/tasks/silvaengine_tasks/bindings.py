"""Which functions a source is bound to (``events:`` in registry.yaml), whatever its records say themselves.

A binding is a value of settings id ``silvaengine_events`` under ``{kind}:{name}``, a table's under its name
in the contract's ``dynamodb_stream_config``: a list of ``{endpoint_id, funct}``, with ``batch``, and for a
bucket ``prefix`` and ``suffix`` of its keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError
from silvaengine.registry.registry import Registry
from silvaengine.tables import EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_tasks.records import CallRecord, text


class Binding(NamedTuple):
    """One function that a record goes to; with ``batch`` all records of an event go to it in one call."""

    endpoint_id: str
    function: str
    batch: bool = False


class Bindings(NamedTuple):
    """Finds bindings, which the registry remembers.

    Args:
        registry: holds them.
    """

    registry: Registry

    def to(self, kind: str, name: str, key: str = "") -> list[Binding]:
        """Return the functions that a source is bound to, none where it isn't bound.

        Args:
            kind: ``queue``, ``bucket``, ``table``, ``topic``, ``rule`` or ``schedule``.
            name: the source's, without its account and region.
            key: an object's, as it was stored.

        Raises:
            RequestError, ConfigurationError: the binding is malformed.
        """
        setting_id = STREAMS_SETTING_ID if kind == "table" else EVENTS_SETTING_ID
        variable = name if kind == "table" else f"{kind}:{name}"
        return list(_routes(self._variables(setting_id).get(variable) or [], key))

    def _variables(self, setting_id: str) -> Mapping[str, Any]:
        try:
            return self.registry.settings(setting_id)
        except ConfigurationError:  # it has no rows
            return {}


def calls_of(
    routes: Sequence[Binding],
    like: CallRecord,
    name: str,
    raw: Any,  # noqa: ANN401 - a source's record
) -> list[CallRecord]:
    """Return the calls of a record that is bound to functions.

    Args:
        routes: to these.
        like: the calls' members; its params go to a function that gets one record a call.
        name: the record's id for a function that gets many.
        raw: the record as AWS sent it, for the same.
    """
    return [
        like._replace(
            endpoint_id=route.endpoint_id,
            function=route.function,
            params={"records": [raw]} if route.batch else like.params,
            batch_name=name if route.batch else None,
        )
        for route in routes
    ]


def _routes(bound: Any, key: str) -> Iterator[Binding]:  # noqa: ANN401 - a row may hold anything
    if not isinstance(bound, list):
        raise ConfigurationError("A binding of events is malformed", detail="its value is not a list")
    for each in bound:
        route = Binding(text(each, "endpoint_id"), text(each, "funct"), bool(each.get("batch")))
        if key.startswith(each.get("prefix") or "") and key.endswith(each.get("suffix") or ""):
            yield route
