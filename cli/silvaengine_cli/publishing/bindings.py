"""A package's bindings of event sources: its publications own them, and leave others' alone."""

from collections.abc import Iterable
from typing import Any

from silvaengine.tables import CONFIG_DATA, EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_cli.registry.bindings import is_binding, target_identity
from silvaengine_cli.registry.equality import same
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import RegistryTables


def write_bindings(tables: RegistryTables, package: str, rows: Iterable[Row]) -> bool:
    """Let the bindings of event sources be a package's and those of others; return whether any has changed.

    Args:
        tables: the registry's.
        package: whose bindings they are.
        rows: one for each source, with all that the package binds to it.

    Raises:
        ConditionFailedError: somebody else has changed one of the rows meanwhile.
    """
    wanted = {CONFIG_DATA.key_of(row): row["value"] for row in rows}
    found = {
        CONFIG_DATA.key_of(row): row
        for setting_id in (EVENTS_SETTING_ID, STREAMS_SETTING_ID)
        for row in tables.query(CONFIG_DATA, setting_id)
        if is_binding(row)
    }
    changed = False
    for key in sorted(found.keys() | wanted.keys()):
        before = found.get(key)
        own = [each | {"package": package} for each in wanted.get(key, ())]
        targets = _of_others(before["value"] if before else [], package, own) + own
        if before is None:
            row = dict(zip(CONFIG_DATA.key_names, key, strict=True))
            tables.create(CONFIG_DATA, row | {"value": targets, "revision": 1})
        elif not targets:
            tables.delete(CONFIG_DATA, before)
        elif same(before["value"], targets):
            continue
        else:
            revision = int(before.get("revision", 0)) + 1
            tables.update(CONFIG_DATA, before, before | {"value": targets, "revision": revision})
        changed = True
    return changed


def _of_others(targets: list[Any], package: str, own: list[Row]) -> list[Any]:
    """Return the targets that aren't the package's, nor what it binds now."""
    taken = {target_identity(each) for each in own}
    return [
        each
        for each in targets
        if target_identity(each) not in taken
        and not (isinstance(each, dict) and each.get("package") == package)
    ]
