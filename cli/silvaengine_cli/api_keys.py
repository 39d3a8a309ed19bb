"""API keys as an operator makes, replaces and ends them: rows of connections, and what each says."""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

from silvaengine.access.api_keys import MAX_SECRETS, PREFIX, key_digest
from silvaengine.registry.registry import ROOT_ENDPOINT
from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    FUNCTIONS,
    key_use_key,
)
from silvaengine_cli.operator import announce
from silvaengine_cli.registry.plan import mask, row_name
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import ConditionFailedError, RegistryTables
from silvaengine_cli.target import Deployment

DAY = 86_400
HOUR = 3_600
ID_BYTES = 10
SECRET_BYTES = 32

type Facts = dict[str, Any]


class Made(NamedTuple):
    """A key with its secret, which is shown once and kept nowhere; and when it ends, in epoch seconds."""

    key_id: str
    api_key: str
    expires_at: int | None


class Keys:
    """Makes, replaces and ends keys of a deployment.

    Args:
        target: the deployment; its stack's output names the pepper.
    """

    def __init__(self, target: Deployment) -> None:
        self._target = target
        self._tables = target.tables()

    def create(self, endpoint: str, row: Row, days: int | None) -> Made:
        """Write a key's row with a first secret.

        Args:
            endpoint: whose key it is, the common connection's for ``1``.
            row: what it opens and may: ``functions``, ``grants``, ``endpoints``, ``whitelist``, ``label``.
            days: until it ends, None for never.

        Raises:
            ClickException: the endpoint isn't there, or uses the common connection; or the key would be good
                for an endpoint that isn't there or has connections of its own.
        """
        self._check_endpoint(endpoint)
        self._check_good_for(row.get("endpoints") or ())
        key_id = PREFIX + secrets.token_hex(ID_BYTES)
        made, key_hash = self._secret(key_id, None if days is None else days * DAY)
        now = int(time.time())
        ours = {"endpoint_id": endpoint, "api_key": key_id, "key_hashes": [key_hash], "created_at": now}
        self._tables.create(CONNECTIONS, {**row, **ours})  # without a revision, so that no `apply` prunes it
        self._publish()
        return made

    def rotate(self, endpoint: str, key_id: str, days: int | None, overlap_hours: int) -> Made:
        """Return a key a new secret; of those before only the latest lives on, until the overlap is over.

        Args:
            endpoint: whose key it is.
            key_id: its id.
            days: until the new secret ends; None for the lifetime of the latest one, from now.
            overlap_hours: how long that one lives on.

        Raises:
            ClickException: there is no such key, or it is revoked.
        """
        before = self.row(endpoint, key_id)
        hashes = before.get("key_hashes") or ()
        made, key_hash = self._secret(key_id, _lifetime(hashes) if days is None else days * DAY)
        end = int(time.time()) + overlap_hours * HOUR
        old = [_ended(each, end) for each in hashes][-(MAX_SECRETS - 1) :]
        self._update(before, {"key_hashes": [*old, key_hash]})
        return made

    def revoke(self, endpoint: str, key_id: str) -> None:
        """End a key; its row stays and says when."""
        before = self.row(endpoint, key_id)
        self._update(before, {"key_hashes": [], "revoked_at": int(time.time())})

    def row(self, endpoint: str, key_id: str) -> Row:
        """Return a key's row; raises ClickException without one, and for a key that is its own secret."""
        row = self._tables.read(CONNECTIONS, [(endpoint, key_id)]).get((endpoint, key_id))
        if row is None or not key_id.startswith(PREFIX):
            raise click.ClickException(
                f"endpoint {endpoint!r} has no key {key_id}: name an id that `silvaengine keys list` shows; "
                "keys that are their own secret end with their row in registry.yaml"
            )
        if row.get("revoked_at"):
            raise click.ClickException(f"{key_id} is revoked")
        return row

    def listed(self, endpoint: str | None) -> Iterator[Facts]:
        """Say of every key whose it is, how it stands and what it may; no secret, and no key that is one."""
        rows = [row for row in self._tables.scan(CONNECTIONS) if endpoint in (None, row["endpoint_id"])]
        uses = self._uses(rows)
        now = time.time()
        for row in sorted(rows, key=CONNECTIONS.key_of):
            yield _facts(row, uses.get(CONNECTIONS.key_of(row)), now)

    def _uses(self, rows: Iterable[Row]) -> Mapping[tuple[str, ...], int]:
        names = {CONNECTIONS.key_of(row): key_use_key(*CONNECTIONS.key_of(row)) for row in rows}
        keys = [CONFIG_DATA.key_of(name) for name in names.values()]
        found = self._tables.read(CONFIG_DATA, keys)
        return {
            key: int(row["value"])
            for key, name in names.items()
            if (row := found.get(CONFIG_DATA.key_of(name))) is not None
        }

    def _secret(self, key_id: str, seconds: int | None) -> tuple[Made, Row]:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = int(time.time())
        key_hash: Row = {"hash": key_digest(self._pepper(), key_id, secret), "created_at": now}
        if seconds is not None:
            key_hash["expires_at"] = now + seconds
        return Made(key_id, f"{key_id}.{secret}", key_hash.get("expires_at")), key_hash

    def _pepper(self) -> bytes:
        answer = self._target.client("secretsmanager").get_secret_value(
            SecretId=self._target.output("KeyPepper")
        )
        return str(answer["SecretString"]).encode()

    def _update(self, before: Row, changes: Row) -> None:
        try:
            self._tables.update(CONNECTIONS, before, {**before, **changes})
        except ConditionFailedError:
            raise click.ClickException("the key was changed by someone else meanwhile; try again") from None
        self._publish()

    def _publish(self) -> None:
        self._tables.bump_generation()
        announce(self._target)

    def _check_endpoint(self, endpoint: str) -> None:
        row = self._tables.read(ENDPOINTS, [(endpoint,)]).get((endpoint,))
        if endpoint != COMMON_ENDPOINT and not (row and row.get("special_connection")):
            raise click.ClickException(
                f"endpoint {endpoint!r} has no connection of its own: make a key of the common connection "
                f"that is good for it alone, by --endpoint {COMMON_ENDPOINT} --only {endpoint}"
            )

    def _check_good_for(self, endpoints: Iterable[str]) -> None:
        named = [name for name in endpoints if name != ROOT_ENDPOINT]
        rows = self._tables.read(ENDPOINTS, [(name,) for name in named])
        for name in named:
            if (name,) not in rows:
                raise click.ClickException(f"there is no endpoint {name!r}")
            if rows[name,].get("special_connection"):
                raise click.ClickException(
                    f"endpoint {name!r} has connections of its own: no common key opens it"
                )


def entries_like(tables: RegistryTables, endpoint: str, api_key: str) -> Row:
    """Return what another key's row of the endpoint opens, and from where; raises ClickException."""
    row = tables.read(CONNECTIONS, [(endpoint, api_key)]).get((endpoint, api_key))
    if row is None:
        raise click.ClickException(f"endpoint {endpoint!r} has no connection {mask(api_key)}")
    return {name: row[name] for name in ("functions", "whitelist") if row.get(name)}


def entries_of(tables: RegistryTables, names: Sequence[str], worker_arn: str) -> list[Row]:
    """Return entries of functions of the stack's worker; raises ClickException for unknown ones."""
    keys = [(worker_arn, name) for name in names]
    found = tables.read(FUNCTIONS, keys)
    if missing := [name for arn, name in keys if (arn, name) not in found]:
        raise click.ClickException(f"the stack's worker has no function {', '.join(missing)}")
    return [{"aws_lambda_arn": arn, "function": name, "setting": ""} for arn, name in keys]


def complaints(tables: RegistryTables) -> Iterator[str]:
    """Name the keys of the common connection that open every endpoint without a connection of its own."""
    for row in tables.scan(CONNECTIONS):
        is_key = row["api_key"] != DEFAULT_API_KEY and not row.get("revoked_at")
        if row["endpoint_id"] == COMMON_ENDPOINT and is_key and row.get("endpoints") is None:
            yield (
                f"{row_name(CONNECTIONS, row)} opens every endpoint that has no connection of its own: "
                "name those that it is good for (`endpoints` in registry.yaml, --only for new keys)"
            )


def _lifetime(key_hashes: Sequence[Row]) -> int | None:
    """Return the seconds that the latest secret was made for."""
    latest = key_hashes[-1] if key_hashes else {}
    return int(latest["expires_at"] - latest["created_at"]) if latest.get("expires_at") else None


def _ended(key_hash: Row, end: int) -> Row:
    return {**key_hash, "expires_at": min(end, int(key_hash.get("expires_at", end)))}


def _facts(row: Row, used_at: int | None, now: float) -> Facts:
    is_hashed = row["api_key"].startswith(PREFIX)
    return {
        "key": row["api_key"] if is_hashed else mask(row["api_key"]),
        "endpoint": row["endpoint_id"],
        "label": row.get("label") or "",
        "state": _state(row, now) if is_hashed else "raw",
        "grants": list(row.get("grants") or ()),
        "endpoints": row.get("endpoints"),
        "functions": len(row.get("functions") or ()),
        "created_at": row.get("created_at"),
        "expires_at": _end(row),
        "last_used_at": used_at,
        "revoked_at": row.get("revoked_at"),
    }


def _state(row: Row, now: float) -> str:
    ends = [each.get("expires_at") for each in row.get("key_hashes") or ()]
    alive = [end for end in ends if end is None or end > now]
    if row.get("revoked_at"):
        return "revoked"
    return {0: "expired", 1: "active"}.get(len(alive), "rotating")


def _end(row: Row) -> int | None:
    ends = [each.get("expires_at") for each in row.get("key_hashes") or ()]
    return None if not ends or None in ends else int(max(ends))
