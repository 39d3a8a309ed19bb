"""Bindings of event sources: from a function's ``events`` to the rows that the tasks Lambda reads, and back.

A row belongs to a source and lists the functions of all tenants that it calls, so that rows are merged by
their members, as connections are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from silvaengine.tables import EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_cli.registry.model import SOURCES, BindingSpec, RegistrySpec, function_name

type Row = dict[str, Any]
type FindLabel = Callable[[str, str], str | None]  # of an endpoint's function

_OPTIONS = ("prefix", "suffix", "batch")


def binding_rows(spec: RegistrySpec) -> Iterator[Row]:
    """Return one row for each source that a function is bound to."""
    rows: dict[tuple[str, str], Row] = {}
    for label, function in spec.functions.items():
        for binding in function.events:
            setting_id, variable = _key(binding)
            empty: Row = {"setting_id": setting_id, "variable": variable, "value": []}
            row = rows.setdefault((setting_id, variable), empty)
            row["value"].append(_target(label, binding))
    yield from rows.values()


def is_binding(row: Mapping[str, object]) -> bool:
    """Return whether a row of settings lists the functions that a source calls."""
    return row["setting_id"] in (EVENTS_SETTING_ID, STREAMS_SETTING_ID) and isinstance(row.get("value"), list)


def merge_targets(existing: list[Row], desired: list[Row], *, prune: bool) -> list[Row]:
    """Return the targets of a source: the file's, the packages' and, unless pruned, all others."""
    missing = {target_identity(target): target for target in desired}
    targets = []
    for target in existing:
        if target_identity(target) in missing:
            targets.append(missing.pop(target_identity(target)))
        elif not prune or is_of_package(target):
            targets.append(target)
    return targets + list(missing.values())


def is_of_package(target: object) -> bool:
    """Return whether a target is a package's, of whose bindings its publication is the owner."""
    return isinstance(target, Mapping) and bool(target.get("package"))


def target_identity(target: object) -> tuple[str, ...]:
    """Return what identifies a target: the function called, and for which objects."""
    names = ("endpoint_id", "funct", "prefix", "suffix")
    return tuple(str(target.get(name) or "") for name in names) if isinstance(target, Mapping) else ("",)


def bindings_of(row: Mapping[str, Any], find_label: FindLabel) -> list[tuple[str, Row]] | None:
    """Return a source's functions, by label, and their bindings; None if no file can express its row.

    Packages' functions are left out: their bindings are in no registry file.
    """
    kind, name = "table", str(row["variable"])
    if row["setting_id"] == EVENTS_SETTING_ID:
        kind, _, name = name.partition(":")
    pairs = []
    for target in row["value"]:
        if is_of_package(target):
            continue
        label = find_label(*target_identity(target)[:2]) if isinstance(target, Mapping) else None
        if label is None or kind not in SOURCES or target.keys() - {"endpoint_id", "funct", *_OPTIONS}:
            return None
        options = {option: target[option] for option in _OPTIONS if target.get(option)}
        pairs.append((label, {"endpoint": target["endpoint_id"], kind: name, **options}))
    return pairs


def _key(binding: BindingSpec) -> tuple[str, str]:
    kind, name = binding.source
    return (STREAMS_SETTING_ID, name) if kind == "table" else (EVENTS_SETTING_ID, f"{kind}:{name}")


def _target(label: str, binding: BindingSpec) -> Row:
    target: Row = {"endpoint_id": binding.endpoint, "funct": function_name(label)}
    return target | {name: value for name in _OPTIONS if (value := getattr(binding, name))}
