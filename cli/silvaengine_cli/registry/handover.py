"""Hands functions of a registry file over to a published package: out of the file, and still opened."""

from collections.abc import Collection

import yaml

from silvaengine_cli.registry.document import Path
from silvaengine_cli.registry.editing import add, remove, replace
from silvaengine_cli.registry.file import RegistryFileError, parse
from silvaengine_cli.registry.model import EntrySpec, RegistrySpec


def hand_over(content: bytes, names: Collection[str], package: str) -> bytes | None:
    """Return a valid file without some functions, whose entries at connections name the package's instead.

    The result is None for a file of a form that can't be changed so.
    """
    old = parse(content).spec
    try:
        text = content.decode()
        for at, connection in enumerate(old.connections):
            for number, entry in enumerate(connection.functions):
                if _is_handed_over(entry, names):
                    text = _name_package(text, ("connections", at, "functions", number), entry, package)
        for name in names:
            text = remove(text, ("functions", name))
        new = parse(text.encode()).spec
    except (RegistryFileError, yaml.YAMLError):
        return None
    return text.encode() if new == _expected(old, names, package) else None


def _is_handed_over(entry: EntrySpec, names: Collection[str]) -> bool:
    return entry.package is None and entry.function in names


def _name_package(text: str, path: Path, entry: EntrySpec, package: str) -> str:
    try:
        return replace(text, path, f"{{function: {entry.function}, package: {package}}}")
    except yaml.YAMLError:
        return add(text, path, [f"package: {package}"])


def _expected(old: RegistrySpec, names: Collection[str], package: str) -> RegistrySpec:
    connections = []
    for connection in old.connections:
        entries = tuple(
            entry.model_copy(update={"package": package}) if _is_handed_over(entry, names) else entry
            for entry in connection.functions
        )
        connections.append(connection.model_copy(update={"functions": entries}))
    functions = {label: function for label, function in old.functions.items() if label not in names}
    return old.model_copy(update={"functions": functions, "connections": tuple(connections)})
