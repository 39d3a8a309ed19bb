"""The functions of a deployment: all, those that a tenant's key opens, and what one says of itself."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import click

from silvaengine.access.api_keys import PREFIX, ApiKeyVerifier, key_id_of, read_key_hashes
from silvaengine.registry.model import opens_endpoint
from silvaengine.registry.packages import call_of
from silvaengine.tables import CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.function_rows import function_rows
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.registry.lookup import open_registry, read_key_access
from silvaengine_cli.registry.packages import Packages, version_of
from silvaengine_cli.registry.rows import Row, key_row_endpoint, mask
from silvaengine_cli.registry.tables import Key

LISTED = (*FUNCTIONS.key_names, "area", "config", "package", "release")


class Found(NamedTuple):
    """Functions' rows, and the key after which there may be more, None after the last ones."""

    rows: list[Row]
    after: Key | None


def find_functions(
    deployment: Deployment, most: int, text: str, equal: Mapping[str, str], after: Key | None
) -> Found:
    """Return functions whose names contain a text, in the order of the table: by Lambda and name.

    Where few match, fewer than ``most`` come back, although there may be more; see ``RegistryTables.part``,
    also for ``equal``.
    """
    containing = {"function": text} if text else {}
    return Found(*deployment.tables().part(FUNCTIONS, most, after, LISTED, equal, containing))


def read_endpoint(deployment: Deployment, endpoint_id: str) -> Row:
    """Return an endpoint's row; raise ClickException where there is none."""
    row = deployment.tables().get(ENDPOINTS, endpoint_id)
    if row is None:
        raise click.ClickException(f"there is no endpoint {endpoint_id!r}: `silvaengine list endpoints`")
    return row


def read_key_rows(deployment: Deployment, endpoint: Row) -> list[Row]:
    """Return the key rows that open the endpoint of a row, or opened it before they ended."""
    rows = deployment.tables().query(CONNECTIONS, key_row_endpoint(endpoint))
    return [row for row in rows if opens_endpoint(row, endpoint["endpoint_id"])]


def keys_of(key_rows: Iterable[Row]) -> dict[str, str]:
    """Return the keys of rows that still open something, as these have them, by names that are no secrets."""
    return {key_id_of(row["api_key"]): row["api_key"] for row in key_rows if _is_current(row)}


def masked(keys: Mapping[str, str]) -> dict[str, str]:
    """Return how the keys of ``keys_of`` are shown, by the same names."""
    return {name: "no key" if key == DEFAULT_API_KEY else mask(key) for name, key in keys.items()}


def _is_current(key_row: Row) -> bool:
    is_own_secret = not key_row["api_key"].startswith(PREFIX)
    return is_own_secret or ApiKeyVerifier(bytes).is_current(read_key_hashes(key_row))


def functions_of_key(deployment: Deployment, endpoint_id: str, row_key: str) -> list[Row]:
    """Return the rows of the functions that a key opens, by name, each with its ``description``.

    Of a published one it is that of the release that serves the endpoint, whose version the ARN names.
    Raises what ``Registry.resolve`` raises.
    """
    registry = open_registry(deployment)
    rows = registry.function_rows(read_key_access(registry, endpoint_id, row_key))
    return sorted(rows, key=lambda row: str(row["function"]))


def read_function(deployment: Deployment, arn: str, name: str) -> Row:
    """Return a function's row with its ``description``; of a package by the release that the ARN names.

    Without a version it is the release that serves all tenants but those that have another one.

    Raises:
        ClickException: there is no such function, or no such release.
    """
    tables = deployment.tables()
    package = Packages(tables, deployment.worker_arn).owner({FUNCTIONS.hash_key: arn})
    row = _published(deployment, package, arn, name) if package else tables.get(FUNCTIONS, arn, name)
    if row is None:
        raise click.ClickException(f"{arn} has no function {name!r}")
    return row | {"description": json.loads(row.get("description") or "{}")}


def _published(deployment: Deployment, package: str, arn: str, name: str) -> Row | None:
    releases = PackageReleases(deployment, package)
    release = releases.release(version_of(arn) or releases.pointer()["release"])
    row = function_rows(release).get(name)
    if row is None:
        return None
    said = json.loads(release.get("descriptions") or "{}").get(call_of(name, row["config"]))
    limits = {limit: release[limit] for limit in ("memory", "timeout")}
    return row | limits | {"description": json.dumps(said or {})}
