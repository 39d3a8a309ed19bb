"""The settings that a tenant's calls have, and which of several setting ids each value comes from."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from silvaengine.registry.model import KeyAccess
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.output import HIDDEN
from silvaengine_cli.registry.lookup import open_registry, read_key_access
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.secrets import find_uses

PARALLEL = 8  # reads of settings


class Setting(NamedTuple):
    """A setting with the id that it comes from; of its value only references to secrets are shown."""

    variable: str
    shown: str
    setting_id: str


class Scope(NamedTuple):
    """Functions, or gateways as ``/area/endpoint``, that have the same settings."""

    names: list[str]
    settings: list[Setting]


def effective_settings(deployment: Deployment, endpoint_id: str, row_key: str) -> list[Scope]:
    """Return the settings of what a key opens, by who has them; raises what ``Registry.resolve`` raises."""
    registry = open_registry(deployment)
    access = read_key_access(registry, endpoint_id, row_key)
    stage, names = deployment.parameter("Stage", ""), defaultdict[tuple[str, ...], set[str]](set)
    for row in registry.function_rows(access):
        own = str((row.get("config") or {}).get("setting") or "")
        names[own, _entry_setting(access, row)].add(str(row["function"]))
        if area := row.get("area"):
            names[(f"{stage}_{area}_{endpoint_id}",)].add(f"/{area}/{endpoint_id}")
    with ThreadPoolExecutor(PARALLEL) as pool:
        needed = {each for ids in names for each in ids if each}
        found = dict(zip(needed, pool.map(registry.find_settings, needed), strict=True))
    scopes = []
    for ids, having in names.items():
        settings = dict[str, Setting]()
        for setting_id in filter(None, ids):  # a later one overrides
            for name, value in found[setting_id].items():
                row = {"setting_id": setting_id, "variable": name, "value": value}
                settings[name] = Setting(name, " ".join(find_uses([row], stage)) or HIDDEN, setting_id)
        if settings:
            scopes.append(Scope(sorted(having), sorted(settings.values())))
    return sorted(scopes)


def _entry_setting(access: KeyAccess, row: Row) -> str:
    """Return the setting id of the key row's entry that opens a function, often empty."""
    name, arn = row["function"], row["aws_lambda_arn"]
    if entry := access.functions.get(name):
        return entry.setting_id
    arns = {arn, arn.rpartition(":")[0]}
    packages = (each for each in access.packages if each.function_arn in arns and each.function in ("", name))
    return next((each.setting_id for each in packages), "")
