"""The gateways' own look-up, from the command line."""

from typing import NamedTuple

import click

from silvaengine.access.api_keys import ApiKeyVerifier, split_key
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.secrets import STAGE, SecretLookup
from silvaengine.aws.table_client import TableReader
from silvaengine.registry.model import KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine.settings import package_prefix
from silvaengine_cli.deployment import Deployment


def open_registry(deployment: Deployment, *, secrets: bool = False) -> Registry:
    """Return the deployment's registry, which replaces references to secrets by the secrets if asked to."""
    tables = TableReader(lambda: BotocoreApi(deployment.client("dynamodb")), deployment.table_prefix)
    # Only the gateway checks a key's secret; here it matters only whether one is still valid.
    api_keys = ApiKeyVerifier(bytes)
    return Registry(
        tables,
        _lookups(deployment) if secrets else {},
        stage="",
        api_keys=api_keys,
        package_prefix=package_prefix(deployment.worker_arn_or_empty),
    )


def read_key_access(
    registry: Registry, endpoint: str, api_key: str, area: str = "", stage: str | None = None
) -> KeyAccess:
    """Return what a key's row opens, whatever its secret; raise what ``key_access_by_row`` raises.

    Area and stage name the gateway's settings.
    """
    row_key, _ = split_key(api_key)
    return registry.key_access_by_row(endpoint, row_key, area, stage)


class KeyArea(NamedTuple):
    """An area of an endpoint as a key opens it; ``address`` is its URL, with no slash at the end."""

    registry: Registry
    name: str
    key_access: KeyAccess
    address: str


def read_key_area(
    deployment: Deployment, endpoint: str, area: str | None, api_key: str, url: str | None
) -> KeyArea:
    """Return what a key opens in an area: the only one, unless one is named.

    Raises:
        ClickException: the key opens functions in no area or in several, and none is named.
    """
    registry = open_registry(deployment)
    name = area or _only_area(registry, read_key_access(registry, endpoint, api_key))
    key_access = read_key_access(registry, endpoint, api_key, name, deployment.output("Stage"))
    address = f"{(url or deployment.output('ApiUrl')).rstrip('/')}/{name}/{endpoint}"
    return KeyArea(registry, name, key_access, address)


def _only_area(registry: Registry, key_access: KeyAccess) -> str:
    """Return the area of all functions that a key opens; raises ClickException where there isn't one."""
    areas = sorted(registry.areas(key_access))
    if len(areas) != 1:
        found = f"it has functions in {', '.join(areas)}" if areas else "it has no functions"
        raise click.ClickException(f"--area says which area of the key is meant: {found}")
    return areas[0]


def _lookups(deployment: Deployment) -> dict[str, SecretLookup]:
    ssm, secrets = deployment.client("ssm"), deployment.client("secretsmanager")

    def whole(name: str) -> str:
        return name.replace(STAGE, deployment.parameter("Stage")) if STAGE in name else name

    def parameter(name: str) -> str:
        return str(ssm.get_parameter(Name=whole(name), WithDecryption=True)["Parameter"]["Value"])

    def secret(name: str) -> str:
        return str(secrets.get_secret_value(SecretId=whole(name))["SecretString"])

    return {"ssm": parameter, "secretsmanager": secret}
