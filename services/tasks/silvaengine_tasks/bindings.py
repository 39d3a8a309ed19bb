"""The functions that sources are bound to (``events:`` in registry.yaml), whatever function a record names.

A binding is a value of setting id ``silvaengine_events`` under ``{kind}:{name}``, a table's under its name
in the contract's ``dynamodb_stream_config``: a list of ``{endpoint_id, funct}``, with ``batch``, and for a
bucket ``prefix`` and ``suffix`` of its keys.
"""

from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import Json
from silvaengine.registry.registry import Registry
from silvaengine.tables import EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_tasks.records import RecordCall, member, text


class Binding(NamedTuple):
    """A function that a source calls; with ``batch`` one call gets all records of an event."""

    endpoint_id: str
    function: str
    batch: bool = False


class Bindings:
    """The bindings in the registry, which reads and caches them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def find(self, kind: str, name: str, key: str = "") -> list[Binding] | None:
        """Return the functions that a source is bound to, None for an unbound source.

        A bound bucket has none for an object that no binding's ``prefix`` and ``suffix`` match.

        Args:
            kind: ``queue``, ``bucket``, ``table``, ``topic``, ``rule`` or ``schedule``.
            name: the source's name, without account and region.
            key: an object's key, decoded.

        Raises:
            RequestError, ConfigurationError: the binding is malformed.
        """
        setting_id = STREAMS_SETTING_ID if kind == "table" else EVENTS_SETTING_ID
        variable = name if kind == "table" else f"{kind}:{name}"
        bound = self._registry.find_settings(setting_id).get(variable)
        if not bound:
            return None
        if not isinstance(bound, list):
            raise ConfigurationError("An event binding is malformed", detail="its value is not a list")
        return [_read(item) for item in bound if not key or _matches(item, key)]

    def calls(
        self, kind: str, name: str, call: RecordCall, record: Json, key: str = "", tenant: Json = None
    ) -> list[RecordCall] | None:
        """Return a record's call of each function that ``find`` finds, or None; raises like it.

        A record that names a tenant is for this one's functions alone, and for nobody's if it has none.

        Args:
            kind: as for ``find``, like ``name`` and ``key``.
            name: likewise.
            call: the call's other members; its params go to functions that get one record a call.
            record: as AWS sent it, for functions with ``batch``, which know it by its key or last id.
            key: likewise.
            tenant: whom the record names, None if it names nobody.

        Raises:
            RequestError: no function is bound for the tenant that the record names.
        """
        bound = self.find(kind, name, key)
        if bound is None:
            return None
        if tenant is not None:
            bound = [binding for binding in bound if binding.endpoint_id == tenant]
            if not bound:
                raise RequestError(f"The {kind} {name} is bound to no function of the tenant that is named")
        return [
            call._replace(
                endpoint_id=binding.endpoint_id,
                function=binding.function,
                params={"records": [record]} if binding.batch else call.params,
                batch_item_id=(key or call.record_id[-1]) if binding.batch else None,
            )
            for binding in bound
        ]


def _matches(item: Json, key: str) -> bool:
    prefix, suffix = str(member(item, "prefix") or ""), str(member(item, "suffix") or "")
    return key.startswith(prefix) and key.endswith(suffix)


def _read(item: Json) -> Binding:
    return Binding(text(item, "endpoint_id"), text(item, "funct"), bool(member(item, "batch")))
