"""``secrets``: values to which settings refer, written without being shown."""

import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from secrets import token_urlsafe
from typing import Any

import click

from silvaengine.aws.secrets import STAGE
from silvaengine.tables import CONFIG_DATA
from silvaengine_cli.client_options import checked
from silvaengine_cli.deployment import Deployment, list_options, local_folder, operator_options
from silvaengine_cli.operator import announce_rows
from silvaengine_cli.output import Moment, print_result, print_table
from silvaengine_cli.secrets import (
    RECOVERY_DAYS,
    STORES,
    LocalSecrets,
    SecretStore,
    check_value,
    find_uses,
)

COLUMNS = ("secret", "version", "changed", "used by")
GENERATED_BYTES = 32
MAX_NAME = 200
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)


def _check_name(name: str | None) -> str | None:
    if name is None or (_NAME.fullmatch(name) and len(name) <= MAX_NAME):
        return name
    raise ValueError(
        f"{name!r}: expected 1 to {MAX_NAME} letters, digits, _ . and -, in parts with / between"
    )


def _secret_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add what names a secret; the command gets its store as ``store`` and its whole name as ``name``."""

    @click.argument("name", callback=checked(_check_name))
    @click.option("--endpoint", callback=checked(_check_name), help="The tenant whose secret it is.")
    @click.option("--secrets-manager", is_flag=True, help="In Secrets Manager.  [default: Parameter Store]")
    @operator_options
    @wraps(command)
    def with_secret(
        *,
        deployment: Deployment,
        name: str,
        endpoint: str | None,
        secrets_manager: bool,
        **options: Any,  # noqa: ANN401 - click's values
    ) -> R:
        store = STORES["secretsmanager" if secrets_manager else "ssm"](deployment)
        whole = store.prefix + "/".join(filter(None, (deployment.parameter("Stage"), endpoint, name)))
        return command(deployment=deployment, store=store, name=whole, **options)

    return with_secret


generate_option = click.option(
    "--generate", is_flag=True, help=f"Make a value of {GENERATED_BYTES} random bytes, in base64url."
)


@click.group()
def secrets() -> None:
    """Set, list, rotate and delete secrets of settings.

    No command shows a value. A setting has a reference instead of it. It is asked for, or read from stdin.

    \b
    Examples:
      silvaengine secrets set stripe --endpoint acme --stack silvaengine
      silvaengine secrets list --stack silvaengine
      silvaengine secrets rotate stripe --endpoint acme < new-value
      silvaengine secrets set signing --generate --local
    """


@secrets.command("set")
@generate_option
@_secret_options
def set_(deployment: Deployment, store: SecretStore, name: str, *, generate: bool, as_json: bool) -> None:
    """Set a new secret, and print the reference that a setting has for it.

    \b
    Examples:
      silvaengine secrets set stripe --endpoint acme --stack silvaengine
      silvaengine secrets set database/password --local < password.txt
    """
    if store.find(name):
        raise click.ClickException(
            f"{store.reference(name)} exists: `silvaengine secrets rotate` replaces it"
        )
    _write(deployment, store, name, _read_value(store, generate=generate), exists=False)
    stages = store.prefix + deployment.parameter("Stage")
    reference = store.reference(store.prefix + STAGE + name.removeprefix(stages))
    text = f"set; a setting refers to it by\n{reference}"
    print_result({"secret": reference}, text, as_json=as_json)


@secrets.command()
@generate_option
@_secret_options
def rotate(deployment: Deployment, store: SecretStore, name: str, *, generate: bool, as_json: bool) -> None:
    """Replace the value of a secret. Functions get the new one within seconds, without a publication.

    \b
    Examples:
      silvaengine secrets rotate stripe --endpoint acme --stack silvaengine
      silvaengine secrets rotate signing --generate --local
    """
    _require(store, name)
    _write(deployment, store, name, _read_value(store, generate=generate), exists=True)
    reference = store.reference(name)
    used_by = _uses(deployment).get(reference, [])
    text = f"rotated {reference}, which " + (f"{', '.join(used_by)} use" if used_by else "no setting uses")
    print_result({"secret": reference, "used_by": used_by}, text, as_json=as_json)


@secrets.command("list")
@click.option("--endpoint", callback=checked(_check_name), help="Only this tenant's.")
@list_options
def list_(deployment: Deployment, endpoint: str | None, *, as_json: bool, wide: bool) -> None:
    """List secrets, and the settings that refer to them; a reference that leads nowhere has no time.

    \b
    Examples:
      silvaengine secrets list --stack silvaengine
      silvaengine secrets list --endpoint acme --local --json
    """
    below = "/".join(filter(None, (deployment.parameter("Stage"), endpoint)))
    stores = [kind(deployment) for kind in STORES.values()]
    found = {each.reference: each for store in stores for each in store.below(f"{store.prefix}{below}/")}
    uses = _uses(deployment)
    beginnings = tuple(store.reference(f"{store.prefix}{below}/") for store in stores)
    missing = {name for name in uses.keys() - found.keys() if not endpoint or name.startswith(beginnings)}
    facts, cells = [], []
    for name in sorted(found.keys() | missing):
        secret, used_by = found.get(name), uses.get(name, [])
        known = asdict(secret) if secret else {"reference": name, "version": None, "changed_at": None}
        facts.append({**known, "used_by": used_by})
        changed = Moment(secret.changed_at) if secret else "missing"
        cells.append((name, known["version"] or "", changed, used_by))
    print_table(f"{len(found)} secrets", COLUMNS, cells, facts, as_json=as_json, wide=wide)


@secrets.command()
@_secret_options
def delete(deployment: Deployment, store: SecretStore, name: str, *, as_json: bool) -> None:
    """Delete a secret that no setting uses.

    \b
    Examples:
      silvaengine secrets delete stripe --endpoint acme --stack silvaengine
    """
    _require(store, name)
    reference = store.reference(name)
    if used_by := _uses(deployment).get(reference):
        raise click.ClickException(f"{', '.join(used_by)} use {reference}")
    store.delete(name)
    _keep(deployment, reference, None)
    until = f"; for {RECOVERY_DAYS} days AWS can restore it" if store.scheme == "secretsmanager" else ""
    print_result({"secret": reference}, f"deleted {reference}{until}", as_json=as_json)


def _uses(deployment: Deployment) -> dict[str, list[str]]:
    return find_uses(deployment.tables().scan(CONFIG_DATA), deployment.parameter("Stage"))


def _require(store: SecretStore, name: str) -> None:
    if not store.find(name):
        raise click.ClickException(f"there is no {store.reference(name)}: `silvaengine secrets list` has all")


def _read_value(store: SecretStore, *, generate: bool) -> str:
    if generate:
        return token_urlsafe(GENERATED_BYTES)
    if sys.stdin.isatty():
        value: str = click.prompt("value", hide_input=True, confirmation_prompt=True)
    else:
        value = sys.stdin.read().removesuffix("\n")
    return check_value(store, value)


def _write(deployment: Deployment, store: SecretStore, name: str, value: str, *, exists: bool) -> None:
    store.write(name, value, exists=exists)
    _keep(deployment, store.reference(name), value)
    announce_rows(deployment)


def _keep(deployment: Deployment, reference: str, value: str | None) -> None:
    """Keep a value of the engine's for the next one."""
    if folder := local_folder(deployment):
        LocalSecrets(folder).write(reference, value)
