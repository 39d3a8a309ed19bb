"""The gateways' own look-up, done from the command line: what a request would reach."""

from typing import Any

from silvaengine.access.api_keys import ApiKeyVerifier, split_key
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.secrets import SecretLookup
from silvaengine.aws.table_client import TableReader
from silvaengine.registry.model import KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine_cli.target import Deployment


def open_registry(target: Deployment, *, secrets: bool = False) -> Registry:
    """Return the deployment's registry.

    Args:
        target: the deployment.
        secrets: put secrets in the place of references to them; otherwise the references stay.
    """
    tables = TableReader(lambda: BotocoreApi(target.client("dynamodb")), target.table_prefix)
    # A key's secret is the gateway's to check; only whether any is still good is told here.
    api_keys = ApiKeyVerifier(bytes)
    return Registry(tables, _lookups(target) if secrets else {}, stage="", api_keys=api_keys)


def connection_of(registry: Registry, endpoint: str, api_key: str) -> KeyAccess:
    """Return what a key's row opens, whatever its secret; raises what ``Registry.connection`` raises."""
    row_key, _ = split_key(api_key)
    return registry.known_key_access(endpoint, row_key, "")


def _lookups(target: Deployment) -> dict[str, SecretLookup]:
    ssm: Any = target.client("ssm")
    secrets: Any = target.client("secretsmanager")
    return {
        "ssm": lambda name: str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]),
        "secretsmanager": lambda name: str(secrets.get_secret_value(SecretId=name)["SecretString"]),
    }
