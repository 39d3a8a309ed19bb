"""API keys as an operator creates, rotates and revokes them: rows of the table of connections."""

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import click

from silvaengine.access.api_keys import IMPLIED_SCOPES, MAX_SECRETS, PREFIX, key_digest
from silvaengine.errors import ConditionFailedError
from silvaengine.ledger.execution import DAY
from silvaengine.registry.keys import ROOT_ENDPOINT
from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    FUNCTIONS,
    key_use_key,
)
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import announce_rows
from silvaengine_cli.output import utc_time
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.registry.routes import routes_of, with_routes
from silvaengine_cli.registry.rows import Row, mask, row_name
from silvaengine_cli.registry.tables import RegistryTables

HOUR = 3_600
ID_BYTES = 10
SECRET_BYTES = 32

type Facts = dict[str, Any]


class NewKey(NamedTuple):
    """A key with its secret, which is shown once and stored nowhere, and its end in epoch seconds."""

    key_id: str
    api_key: str
    expires_at: int | None

    def told(self) -> str:
        """Return what its owner has to know of it."""
        end = "never ends" if self.expires_at is None else f"ends at {utc_time(self.expires_at, 'minutes')}"
        return f"Save it now: it is shown only once. It {end}."

    def shown(self) -> str:
        """Return it with what its owner has to know of it."""
        return f"{self.api_key}\n{self.told()}"


class ApiKeyAdmin:
    """Creates, rotates and revokes the keys of a deployment, whose stack's output names the pepper."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._tables = deployment.tables()

    def create(self, endpoint: str, row: Row, days: int | None) -> NewKey:
        """Write a key's row, in which its rights are, with a first secret for some days or for ever.

        Raises:
            ClickException: the endpoint doesn't exist or uses the common key row, or one of ``endpoints``
                doesn't exist or has key rows of its own.
        """
        self._check_endpoint(endpoint)
        self._check_endpoints(row.get("endpoints") or ())
        key_id = PREFIX + secrets.token_hex(ID_BYTES)
        key, key_hash = self._new_secret(key_id, None if days is None else days * DAY)
        now = int(time.time())
        identity = {"endpoint_id": endpoint, "api_key": key_id, "key_hashes": [key_hash], "created_at": now}
        self._tables.create(CONNECTIONS, {**row, **identity})  # no revision, so that no `apply` prunes it
        announce_rows(self._deployment)
        return key

    def rights(
        self,
        endpoint: str,
        *,
        functions: Sequence[str] = (),
        packages: Sequence[str] = (),
        like: str | None = None,
        endpoints: Sequence[str] = (),
        whitelist: Sequence[str] = (),
        grants: Sequence[str] = (),
        label: str = "",
    ) -> Row:
        """Return the rights that ``create`` writes: functions and packages, or those of another key.

        Raises:
            UsageError: it opens nothing, or the common key row's names no endpoints, or another's does.
            ClickException: there is no such function, package or key.
        """
        if bool(functions or packages) == bool(like):
            raise click.UsageError(
                "name its functions with --function or --package, or another key with --like"
            )
        if endpoint == COMMON_ENDPOINT and not endpoints:
            raise click.UsageError("a key of the common key row needs the endpoints that it may open: --only")
        if endpoint != COMMON_ENDPOINT and endpoints:
            raise click.UsageError(f"--only is for keys of the common key row; this one is for {endpoint!r}")
        worker = self._deployment.worker_arn
        row: Row = rights_of(self._tables, endpoint, like) if like else {}
        if functions:
            row["functions"] = function_entries(self._tables, functions, worker)
        if packages:
            row["packages"] = [{"package": package, "setting": ""} for package in packages]
            known = Packages(self._tables, worker)
            if complaints := list(known.unpublished(row)):
                raise click.ClickException("\n".join(complaints))
            known.check_key_row({}, {"endpoint_id": endpoint, **row})
        row |= {"grants": list(grants) or sorted(IMPLIED_SCOPES), "label": label}
        row |= {"endpoints": list(endpoints)} if endpoints else {}
        return row | ({"whitelist": list(whitelist)} if whitelist else {})

    def rotate(self, endpoint: str, key_id: str, days: int | None, overlap_hours: int) -> NewKey:
        """Add a new secret to a key; of the older ones only the latest stays valid, until the overlap ends.

        Without ``days`` the new one has the lifetime of the latest one. Raises what ``row`` raises.
        """
        before = self.row(endpoint, key_id)
        key_id = before["api_key"]
        hashes = before.get("key_hashes") or ()
        key, key_hash = self._new_secret(key_id, lifetime(hashes) if days is None else days * DAY)
        end = int(time.time()) + overlap_hours * HOUR
        old = [_end_by(each, end) for each in hashes][-(MAX_SECRETS - 1) :]
        self._update(before, {"key_hashes": [*old, key_hash]})
        return key

    def revoke(self, endpoint: str, key_id: str) -> str:
        """End a key; its row stays, with the time. Return the whole id."""
        before = self.row(endpoint, key_id)
        self._update(before, {"key_hashes": [], "revoked_at": int(time.time())})
        return str(before["api_key"])

    def row(self, endpoint: str, key_id: str) -> Row:
        """Return the row of a key by its id or the beginning of it that `keys list` shows.

        Raises:
            ClickException: there is none, or several begin so, or the key is its own secret or revoked.
        """
        key_id = self._full_id(endpoint, key_id)
        row = self._tables.get(CONNECTIONS, endpoint, key_id)
        if row is None or not key_id.startswith(PREFIX):
            raise click.ClickException(
                f"endpoint {endpoint!r} has no key {key_id}: name an id that `silvaengine keys list` shows; "
                "keys that are their own secret end with their row in registry.yaml"
            )
        if row.get("revoked_at"):
            raise click.ClickException(f"{key_id} is revoked")
        return row

    def _full_id(self, endpoint: str, key_id: str) -> str:
        beginning = key_id.rstrip("…")
        if len(beginning) >= len(PREFIX) + 2 * ID_BYTES or beginning in ("", PREFIX):
            return key_id
        keys = [row["api_key"] for row in self._tables.query(CONNECTIONS, endpoint)]
        found = [key for key in keys if key.startswith(PREFIX) and key.startswith(beginning)]
        if len(found) > 1:
            raise click.ClickException(f"{len(found)} keys begin with {beginning}: name more of the id")
        return found[0] if found else key_id

    def facts(self, rows: Sequence[Row]) -> Iterator[Facts]:
        """Return endpoint, state, rights and times of each key row, without secrets and keys that are."""
        keys = [CONFIG_DATA.key_of(key_use_key(*CONNECTIONS.key_of(row))) for row in rows]
        uses = self._tables.read(CONFIG_DATA, keys)
        now = time.time()
        for row, key in sorted(zip(rows, keys, strict=True), key=lambda pair: CONNECTIONS.key_of(pair[0])):
            yield _facts(row, uses.get(key), now)

    def _new_secret(self, key_id: str, seconds: int | None) -> tuple[NewKey, Row]:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = int(time.time())
        key_hash: Row = {"hash": key_digest(self._pepper(), key_id, secret), "created_at": now}
        if seconds is not None:
            key_hash["expires_at"] = now + seconds
        return NewKey(key_id, f"{key_id}.{secret}", key_hash.get("expires_at")), key_hash

    def _pepper(self) -> bytes:
        response = self._deployment.client("secretsmanager").get_secret_value(
            SecretId=self._deployment.output("KeyPepper")
        )
        return str(response["SecretString"]).encode()

    def _update(self, before: Row, changes: Row) -> None:
        try:
            self._tables.update(CONNECTIONS, before, {**before, **changes})
        except ConditionFailedError:
            raise click.ClickException("the key was changed meanwhile; try again") from None
        announce_rows(self._deployment)

    def _check_endpoint(self, endpoint: str) -> None:
        row = self._tables.get(ENDPOINTS, endpoint)
        if endpoint != COMMON_ENDPOINT and not (row and row.get("special_connection")):
            raise click.ClickException(
                f"endpoint {endpoint!r} has no key row of its own: create a key of the common key row "
                f"for it alone, with --endpoint {COMMON_ENDPOINT} --only {endpoint}"
            )

    def _check_endpoints(self, endpoints: Iterable[str]) -> None:
        named = [name for name in endpoints if name != ROOT_ENDPOINT]
        rows = self._tables.read(ENDPOINTS, [(name,) for name in named])
        for name in named:
            if (name,) not in rows:
                raise click.ClickException(f"there is no endpoint {name!r}")
            if rows[name,].get("special_connection"):
                raise click.ClickException(
                    f"endpoint {name!r} has key rows of its own: no common key opens it"
                )


def rights_of(tables: RegistryTables, endpoint: str, api_key: str) -> Row:
    """Return the functions, packages and addresses of a key's row; raise ClickException if there is none."""
    row = tables.get(CONNECTIONS, endpoint, api_key)
    if row is None:
        raise click.ClickException(f"endpoint {endpoint!r} has no connection {mask(api_key)}")
    return {name: row[name] for name in ("functions", "packages", "whitelist") if row.get(name)}


def function_entries(tables: RegistryTables, names: Sequence[str], worker_arn: str) -> list[Row]:
    """Return a key row's entries for functions of a worker; raise ClickException for unknown ones."""
    keys = [(worker_arn, name) for name in names]
    rows = tables.read(FUNCTIONS, keys)
    if missing := [name for arn, name in keys if (arn, name) not in rows]:
        raise click.ClickException(f"the stack's worker has no function {', '.join(missing)}")
    entries = [{"aws_lambda_arn": arn, "function": name, "setting": ""} for arn, name in keys]
    return list(with_routes({"functions": entries}, routes_of(rows))["functions"])


def find_unrestricted_keys(tables: RegistryTables) -> Iterator[str]:
    """Return a complaint for each common key that opens every endpoint without a key row of its own."""
    for row in tables.scan(CONNECTIONS):
        is_key = row["api_key"] != DEFAULT_API_KEY and not row.get("revoked_at")
        if row["endpoint_id"] == COMMON_ENDPOINT and is_key and row.get("endpoints") is None:
            yield (
                f"{row_name(CONNECTIONS, row)} opens every endpoint that has no key row of its own: "
                "name those that it may open (`endpoints` in registry.yaml, --only for new keys)"
            )


def lifetime(key_hashes: Sequence[Row]) -> int | None:
    """Return the seconds for which the latest secret was created, None for no end."""
    latest = key_hashes[-1] if key_hashes else {}
    return int(latest["expires_at"] - latest["created_at"]) if latest.get("expires_at") else None


def _end_by(key_hash: Row, end: int) -> Row:
    return {**key_hash, "expires_at": min(end, int(key_hash.get("expires_at", end)))}


def _facts(row: Row, use: Row | None, now: float) -> Facts:
    is_hashed = row["api_key"].startswith(PREFIX)
    return {
        "key": row["api_key"] if is_hashed else mask(row["api_key"]),
        "endpoint": row["endpoint_id"],
        "label": row.get("label") or "",
        "state": _state(row, now) if is_hashed else "raw",
        "grants": list(row.get("grants") or ()),
        "endpoints": row.get("endpoints"),
        "functions": len(row.get("functions") or ()),
        "packages": [entry["package"] for entry in row.get("packages") or ()],
        "created_at": row.get("created_at"),
        "expires_at": _end(row),
        "last_used_at": int(use["value"]) if use else None,
        "revoked_at": row.get("revoked_at"),
    }


def _state(row: Row, now: float) -> str:
    alive = [end for end in _ends(row) if end is None or end > now]
    if row.get("revoked_at"):
        return "revoked"
    return {0: "expired", 1: "active"}.get(len(alive), "rotating")


def _end(row: Row) -> int | None:
    ends = _ends(row)
    return None if not ends or None in ends else int(max(ends))


def _ends(row: Row) -> list[Any]:
    return [each.get("expires_at") for each in row.get("key_hashes") or ()]
