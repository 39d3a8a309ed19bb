"""Secrets to which settings refer, in Parameter Store or Secrets Manager below the stage's name.

Gateways, tasks and the sweeper may read what is there; here values are written and never read.
"""

import json
import os
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, override

import click

from silvaengine.aws.secrets import STAGE, resolve_references
from silvaengine.aws.table_client import Row
from silvaengine_cli.deployment import Deployment

LOCAL_FILE = Path(".silvaengine") / "secrets.toml"
RECOVERY_DAYS = 30


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret without its value.

    Args:
        reference: what a setting has instead of the value.
        version: how often a value was set, None where the store doesn't count.
        changed_at: when the latest was, in epoch seconds.
    """

    reference: str
    version: int | None
    changed_at: int


class SecretStore(ABC):
    """Where secrets are: the AWS service ``scheme``.

    ``prefix`` begins their names, ``max_bytes`` is the largest value.
    """

    scheme: ClassVar[str]
    prefix: ClassVar[str]
    max_bytes: ClassVar[int]

    def __init__(self, deployment: Deployment) -> None:
        self._client = deployment.client(self.scheme)

    def reference(self, name: str) -> str:
        """Return what a setting has instead of a secret's value."""
        return f"{self.scheme}:{name}"

    @abstractmethod
    def write(self, name: str, value: str, *, exists: bool) -> None:
        """Write a new secret, or another value of one that exists."""

    @abstractmethod
    def find(self, name: str) -> Secret | None:
        """Return a secret, None if there is none."""

    @abstractmethod
    def below(self, name: str) -> Iterator[Secret]:
        """Return all secrets whose names begin so, with a slash at the end."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a secret."""


class ParameterStore(SecretStore):
    """Parameters of the standard tier, which cost nothing, encrypted with the account's `aws/ssm` key."""

    scheme = "ssm"
    prefix = "/silvaengine/"
    max_bytes = 4096

    @override
    def write(self, name: str, value: str, *, exists: bool) -> None:
        self._client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=exists)

    @override
    def find(self, name: str) -> Secret | None:
        return next(self._list({"Key": "Name", "Option": "Equals", "Values": [name]}), None)

    @override
    def below(self, name: str) -> Iterator[Secret]:
        return self._list({"Key": "Path", "Option": "Recursive", "Values": [name.rstrip("/")]})

    @override
    def delete(self, name: str) -> None:
        self._client.delete_parameter(Name=name)

    def _list(self, which: Mapping[str, object]) -> Iterator[Secret]:
        pages = self._client.get_paginator("describe_parameters").paginate(ParameterFilters=[which])
        for each in (parameter for page in pages for parameter in page["Parameters"]):
            changed_at = int(each["LastModifiedDate"].timestamp())
            yield Secret(self.reference(each["Name"]), each["Version"], changed_at)


class SecretsManager(SecretStore):
    """AWS Secrets Manager, for large values and for those that AWS rotates; it keeps what was deleted."""

    scheme = "secretsmanager"
    prefix = "silvaengine/"
    max_bytes = 65_536

    @override
    def write(self, name: str, value: str, *, exists: bool) -> None:
        if exists:
            self._client.put_secret_value(SecretId=name, SecretString=value)
        else:
            self._client.create_secret(Name=name, SecretString=value)

    @override
    def find(self, name: str) -> Secret | None:
        reference = self.reference(name)
        return next((each for each in self.below(name) if each.reference == reference), None)

    @override
    def below(self, name: str) -> Iterator[Secret]:
        filters = [{"Key": "name", "Values": [name]}]
        pages = self._client.get_paginator("list_secrets").paginate(Filters=filters)
        for each in (secret for page in pages for secret in page["SecretList"]):
            changed = each.get("LastChangedDate", each["CreatedDate"])
            yield Secret(self.reference(each["Name"]), None, int(changed.timestamp()))

    @override
    def delete(self, name: str) -> None:
        self._client.delete_secret(SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS)


STORES: Mapping[str, type[SecretStore]] = {each.scheme: each for each in (ParameterStore, SecretsManager)}


def check_value(store: SecretStore, value: str) -> str:
    """Return a value that a store takes; raise ClickException, which doesn't quote it, otherwise."""
    size = len(value.encode())
    if not value:
        raise click.ClickException("the value is empty: expected at least one character")
    if size > store.max_bytes:
        hint = ": --secrets-manager takes more" if store.max_bytes < SecretsManager.max_bytes else ""
        raise click.ClickException(f"the value has {size} bytes, at most {store.max_bytes} are taken{hint}")
    return value


def find_uses(rows: Iterable[Row], stage: str) -> dict[str, list[str]]:
    """Return which settings refer to secrets: ``setting id/variable`` by reference, in a stage."""
    uses: dict[str, list[str]] = {}

    def note(where: str, scheme: str, name: str) -> str:
        uses.setdefault(f"{scheme}:{name.replace(STAGE, stage)}", []).append(where)
        return ""

    for row in rows:
        where = f"{row['setting_id']}/{row['variable']}"
        lookups = {scheme: partial(note, where, scheme) for scheme in STORES}
        resolve_references({"": row.get("value")}, lookups)
    return uses


class LocalSecrets:
    """Values for the local engine, in a file that git ignores and only its owner reads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCAL_FILE

    def read(self) -> dict[str, str]:
        """Return the values by reference.

        Raises:
            ClickException: the file isn't TOML of references and values; no value is quoted.
        """
        try:
            content = tomllib.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except tomllib.TOMLDecodeError as error:
            raise click.ClickException(f"{self._path}: {error}") from None
        for reference, value in content.items():
            if reference.partition(":")[0] not in STORES or not isinstance(value, str):
                expected = '"ssm:/silvaengine/…" or "secretsmanager:silvaengine/…" = "value"'
                raise click.ClickException(f"{self._path}: {reference!r}: expected {expected}")
        return content

    def write(self, reference: str, value: str | None) -> None:
        """Keep a value; None forgets it."""
        values: dict[str, str | None] = {**self.read(), reference: value}
        lines = [f"{_quote(name)} = {_quote(kept)}\n" for name, kept in values.items() if kept is not None]
        with os.fdopen(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(lines)

    def restore(self, deployment: Deployment) -> None:
        """Write all values into the engine's stores."""
        for reference, value in self.read().items():
            scheme, _, name = reference.partition(":")
            store = STORES[scheme](deployment)
            store.write(name, value, exists=store.find(name) is not None)


def _quote(text: str) -> str:
    """Return TOML's basic string, which is JSON's but for what only the latter takes unescaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
