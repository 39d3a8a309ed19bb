"""A row that is there and a row that is wanted, laid over one another without losing what others wrote.

Rows may come from the predecessor or from another tool: attributes that we don't know stay, and so do a
connection's functions and addresses and a source's functions that the file doesn't name, unless they are to
be pruned. What a function's row says of its executions doesn't: a line less in the file is a right less.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, FUNCTIONS, Table
from silvaengine_cli.registry.bindings import identity, is_binding, merged_targets
from silvaengine_cli.registry.model import EXECUTION, METHODS
from silvaengine_cli.registry.rows import Row

# What an absent, null or empty attribute means; for all others, absent means what false and empty mean.
_ABSENT_MEANS: Row = {"methods": list(METHODS), "funct_type": "RequestResponse"}


def merged(table: Table, existing: Row, wanted: Row, *, prune: bool = False) -> Row:
    """Return the row that should be there; equal to ``existing`` when nothing is to be done.

    Args:
        table: which table the rows are of.
        existing: the row as it was read.
        wanted: what the file says.
        prune: drop a connection's functions, addresses and grants that the file doesn't name. A whitelist,
            endpoints or a limit that it leaves out stay even then: an omission must not let everybody in.
    """
    if table is CONFIG_DATA and is_binding(wanted) and is_binding(existing):
        targets = merged_targets(existing["value"], wanted["value"], prune=prune)
        return existing if same(existing["value"], targets) else existing | {"value": targets}
    if table is CONFIG_DATA:
        return existing if same(existing.get("value"), wanted["value"]) else existing | wanted
    if table is CONNECTIONS:
        return _merged_connection(existing, wanted, prune=prune)
    if table is FUNCTIONS:
        existing = _without_lost_execution(existing, wanted["config"])
    return _overlaid(existing, wanted)


def kept(existing: Row, wanted: Row) -> list[str]:
    """Name what a connection or a source has and the file doesn't: its functions and addresses."""
    if "functions" not in wanted:
        names = {identity(target) for target in wanted["value"]}
        return [
            "/".join(identity(target)[:2]) for target in existing["value"] if identity(target) not in names
        ]
    names = {entry["function"] for entry in wanted["functions"]}
    functions = [
        name for entry in existing.get("functions") or () if (name := entry.get("function")) not in names
    ]
    addresses = [one for one in existing.get("whitelist") or () if one not in wanted.get("whitelist", [one])]
    return functions + addresses


def same(left: Any, right: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Compare JSON values; unlike ``==`` it tells true from 1."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
        case list() | tuple(), list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case (bool(), _) | (_, bool()):
            return left is right
        case (int() | Decimal(), int() | Decimal()):
            return left == right
        case _:
            return type(left) is type(right) and bool(left == right)


def _without_lost_execution(row: Row, wanted: Row) -> Row:
    config = row.get("config") or {}
    lost = {name for name in EXECUTION if config.get(name) and name not in wanted}
    left = {name: value for name, value in config.items() if name not in lost}
    return row | {"config": left} if lost else row


def _overlaid(existing: Row, wanted: Row) -> Row:
    changed = {}
    for name, value in wanted.items():
        before = existing.get(name)
        is_one_value = name == "rate_limit" or not isinstance(value, dict)
        after = value if is_one_value else _overlaid(before or {}, value)
        if not _means_the_same(name, before, after):
            changed[name] = after
    return existing | changed


def _means_the_same(name: str, left: object, right: object) -> bool:
    default = _ABSENT_MEANS.get(name)
    left, right = left or default, right or default
    return (not left and not right) or same(left, right)


def _merged_connection(existing: Row, wanted: Row, *, prune: bool) -> Row:
    row = dict(existing)
    _put(row, "functions", _merged_entries(existing.get("functions") or [], wanted["functions"], prune=prune))
    if "whitelist" in wanted:
        _put(row, "whitelist", _joined(existing.get("whitelist") or [], wanted["whitelist"], prune=prune))
    if "rate_limit" in wanted and not same(row.get("rate_limit"), wanted["rate_limit"]):
        row["rate_limit"] = wanted["rate_limit"]
    if "endpoints" in wanted:
        _put(row, "endpoints", wanted["endpoints"])
    if "grants" in wanted or prune:
        _put(row, "grants", wanted.get("grants", []))
    return row


def _put(row: Row, name: str, value: list[Any]) -> None:
    """Set a list unless the row has it, or has nothing and needs nothing."""
    if not same(row.get(name) or [], value):
        row[name] = value


def _merged_entries(existing: Sequence[Row], wanted: Sequence[Row], *, prune: bool) -> list[Row]:
    """Keep the order of what is there; of two entries with one name the first counts and is changed."""
    missing = {entry["function"]: entry for entry in wanted}
    names = frozenset(missing)
    entries = []
    for entry in existing:
        name = entry.get("function")
        if name in missing:
            entries.append(_overlaid(entry, missing.pop(name)))
        elif not prune or name in names:
            entries.append(entry)
    return entries + list(missing.values())


def _joined(existing: Sequence[str], wanted: Sequence[str], *, prune: bool) -> list[str]:
    stay = [one for one in existing if not prune or one in wanted]
    return stay + [one for one in wanted if one not in existing]
