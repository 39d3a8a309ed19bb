"""Merges a row of the file into the existing one without losing what others wrote.

Rows may come from the predecessor or from another tool: unknown attributes stay, and so do the functions and
addresses of a connection and the functions of a source that the file doesn't name, unless they are pruned.
What a function's row says about executions doesn't stay: a line less in the file is a right less. Nor does
the name of what it calls, which a file leaves out where it is the function's own.
"""

from collections.abc import Sequence

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, FUNCTIONS, Table
from silvaengine_cli.registry.bindings import is_binding, is_of_package, merge_targets, target_identity
from silvaengine_cli.registry.equality import same
from silvaengine_cli.registry.model import EXECUTION, METHODS
from silvaengine_cli.registry.rows import Row

# The lists of a connection's row whose entries have a name, and its member.
ENTRIES = {"functions": "function", "packages": "package"}
# The meaning of an absent, null or empty attribute; for all others that is false or empty.
_ABSENT_MEANS: Row = {"methods": list(METHODS), "funct_type": "RequestResponse"}


def merge(table: Table, existing: Row, desired: Row, *, prune: bool = False) -> Row:
    """Return the row to write; it equals ``existing`` if nothing changes.

    ``prune`` drops a connection's functions, packages, addresses and grants that the file doesn't name. A
    whitelist, endpoints or a limit that it leaves out stay even then: an omission must not let everybody in.
    """
    if table is CONFIG_DATA and is_binding(desired) and is_binding(existing):
        targets = merge_targets(existing["value"], desired["value"], prune=prune)
        return existing if same(existing["value"], targets) else existing | {"value": targets}
    if table is CONFIG_DATA:
        return existing if same(existing.get("value"), desired["value"]) else existing | desired
    if table is CONNECTIONS:
        return _merge_connection(existing, desired, prune=prune)
    if table is FUNCTIONS:
        existing = _without_dropped(existing, desired["config"])
    return _overlay(existing, desired)


def beyond_file(existing: Row, desired: Row) -> list[str]:
    """Return a connection's functions, packages and addresses, or a source's functions, beyond the file."""
    if "functions" not in desired:
        names = {target_identity(target) for target in desired["value"]}
        return [
            "/".join(target_identity(target)[:2])
            for target in existing["value"]
            if target_identity(target) not in names and not is_of_package(target)
        ]
    entries = [
        name
        for attribute, member in ENTRIES.items()
        for name in _names(existing, attribute, member)
        if name not in _names(desired, attribute, member)
    ]
    addresses = [one for one in existing.get("whitelist") or () if one not in desired.get("whitelist", [one])]
    return entries + addresses


def _names(row: Row, attribute: str, member: str) -> list[str]:
    return [entry.get(member) for entry in row.get(attribute) or ()]


def _without_dropped(row: Row, desired: Row) -> Row:
    config = row.get("config") or {}
    dropped = {name for name in (*EXECUTION, "function_name") if config.get(name) and name not in desired}
    rest = {name: value for name, value in config.items() if name not in dropped}
    return row | {"config": rest} if dropped else row


def _overlay(existing: Row, desired: Row) -> Row:
    changed = {}
    for name, value in desired.items():
        before = existing.get(name)
        is_one_value = name == "rate_limit" or not isinstance(value, dict)
        after = value if is_one_value else _overlay(before or {}, value)
        if not _means_the_same(name, before, after):
            changed[name] = after
    return existing | changed


def _means_the_same(name: str, left: object, right: object) -> bool:
    default = _ABSENT_MEANS.get(name)
    left, right = left or default, right or default
    return (not left and not right) or same(left, right)


def _merge_connection(existing: Row, desired: Row, *, prune: bool) -> Row:
    row = dict(existing)
    for attribute, member in ENTRIES.items():
        before, after = existing.get(attribute) or [], desired.get(attribute, [])
        _put(row, attribute, _merge_entries(before, after, member, prune=prune))
    if "whitelist" in desired:
        _put(row, "whitelist", _join(existing.get("whitelist") or [], desired["whitelist"], prune=prune))
    if "rate_limit" in desired and not same(row.get("rate_limit"), desired["rate_limit"]):
        row["rate_limit"] = desired["rate_limit"]
    if "endpoints" in desired:
        _put(row, "endpoints", desired["endpoints"])
    if "grants" in desired or prune:
        _put(row, "grants", desired.get("grants", []))
    return row


def _put(row: Row, name: str, value: Sequence[object]) -> None:
    """Set a list unless the row has it already, or both are empty."""
    if not same(row.get(name) or [], value):
        row[name] = value


def _merge_entries(existing: Sequence[Row], desired: Sequence[Row], member: str, *, prune: bool) -> list[Row]:
    """Return entries in their existing order; of two with one name the first counts and is changed."""
    missing = {entry[member]: entry for entry in desired}
    names = frozenset(missing)
    entries = []
    for entry in existing:
        name = entry.get(member)
        if name in missing:
            entries.append(_overlay(entry, missing.pop(name)))
        elif not prune or name in names:
            entries.append(entry)
    return entries + list(missing.values())


def _join(existing: Sequence[str], desired: Sequence[str], *, prune: bool) -> list[str]:
    stay = [one for one in existing if not prune or one in desired]
    return stay + [one for one in desired if one not in existing]
