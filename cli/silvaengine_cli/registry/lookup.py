"""The gateways' own look-up, done from the command line: what a request would reach."""

from typing import Any

from silvaengine.dynamodb import TableReader
from silvaengine.registry import Registry
from silvaengine.secrets import Lookup
from silvaengine_cli.target import Target


def open_registry(target: Target, *, secrets: bool = False) -> Registry:
    """Give the deployment's registry.

    Args:
        target: the deployment.
        secrets: put secrets in the place of references to them; otherwise the references stay.
    """
    tables = TableReader(lambda: target.client("dynamodb"), target.table_prefix)
    return Registry(tables, _lookups(target) if secrets else {}, stage="")


def _lookups(target: Target) -> dict[str, Lookup]:
    ssm: Any = target.client("ssm")
    secrets: Any = target.client("secretsmanager")
    return {
        "ssm": lambda name: str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]),
        "secretsmanager": lambda name: str(secrets.get_secret_value(SecretId=name)["SecretString"]),
    }
