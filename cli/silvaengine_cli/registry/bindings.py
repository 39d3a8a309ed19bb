"""The bindings of events, from a function's ``events`` to the rows that the tasks Lambda reads, and back.

A row belongs to a source and lists the functions of all tenants that it calls, so that rows are laid over one
another by their members, as connections are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from silvaengine.tables import EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_cli.registry.model import SOURCES, Binding, RegistrySpec, function_name

type Row = dict[str, Any]

_OPTIONS = ("prefix", "suffix", "batch")


def binding_rows(spec: RegistrySpec) -> Iterator[Row]:
    """Return one row for each source that a function is bound to."""
    found: dict[tuple[str, str], Row] = {}
    for label, function in spec.functions.items():
        for binding in function.events:
            setting_id, variable = _key(binding)
            first: Row = {"setting_id": setting_id, "variable": variable, "value": []}
            row = found.setdefault((setting_id, variable), first)
            row["value"].append(_target(label, binding))
    yield from found.values()


def is_binding(row: Mapping[str, Any]) -> bool:
    """Return whether a row of settings says which functions a source calls."""
    return row["setting_id"] in (EVENTS_SETTING_ID, STREAMS_SETTING_ID) and isinstance(row.get("value"), list)


def merged_targets(existing: list[Row], wanted: list[Row], *, prune: bool) -> list[Row]:
    """Lay what the file wants over what is there; what the file doesn't name stays unless pruned."""
    missing = {identity(target): target for target in wanted}
    targets = []
    for target in existing:
        if identity(target) in missing:
            targets.append(missing.pop(identity(target)))
        elif not prune:
            targets.append(target)
    return targets + list(missing.values())


def identity(target: Any) -> tuple[str, ...]:  # noqa: ANN401 - a row may hold anything
    """Return what makes two members of a binding one: who is called, and for which objects."""
    names = ("endpoint_id", "funct", "prefix", "suffix")
    return tuple(str(target.get(name) or "") for name in names) if isinstance(target, Mapping) else ("",)


def exported(
    row: Mapping[str, Any], label_of: Callable[[str, str], str | None]
) -> list[tuple[str, Row]] | None:
    """Return what a row says as functions' labels and their bindings; None when no file can say it.

    Args:
        row: of a source.
        label_of: returns the label of an endpoint's function.
    """
    kind, name = "table", str(row["variable"])
    if row["setting_id"] == EVENTS_SETTING_ID:
        kind, _, name = name.partition(":")
    found = []
    for target in row["value"]:
        label = label_of(*identity(target)[:2]) if isinstance(target, Mapping) else None
        if label is None or kind not in SOURCES or target.keys() - {"endpoint_id", "funct", *_OPTIONS}:
            return None
        options = {option: target[option] for option in _OPTIONS if target.get(option)}
        found.append((label, {"endpoint": target["endpoint_id"], kind: name, **options}))
    return found


def _key(binding: Binding) -> tuple[str, str]:
    kind, name = binding.source
    return (STREAMS_SETTING_ID, name) if kind == "table" else (EVENTS_SETTING_ID, f"{kind}:{name}")


def _target(label: str, binding: Binding) -> Row:
    target: Row = {"endpoint_id": binding.endpoint, "funct": function_name(label)}
    return target | {name: value for name in _OPTIONS if (value := getattr(binding, name))}
