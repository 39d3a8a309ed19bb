"""Which function a request means: rows of the registry turned into immutable values.

The look-up is the contract's (docs/contract.md): endpoint, connection, function, settings. A cold one takes
endpoint and both candidate connections in one read, then the gateway's settings, the function, its settings
and the connection's, over one connection: a second one's handshake would cost more than reading side by side
saves.
A warm one reads nothing.
"""

import time
from collections.abc import Callable, Mapping
from itertools import batched
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from silvaengine.access.api_keys import (
    PREFIX,
    ApiKeyVerifier,
    KeyUsage,
    key_id_of,
    open_api_key_verifier,
    open_key_usage,
    read_key_hashes,
    split_key,
)
from silvaengine.aws.secrets import SecretLookup, open_lookups, resolve_references
from silvaengine.aws.table_client import BATCH_ROWS, Row, TableReader, open_table_reader
from silvaengine.errors import ConfigurationError, NotFoundError, RequestError
from silvaengine.lru import LruCache
from silvaengine.registry.generation import RegistryGeneration
from silvaengine.registry.model import (
    Function,
    FunctionEntry,
    KeyAccess,
    Values,
    function_config,
    read_entries,
    read_function,
)
from silvaengine.settings import Settings, require
from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    FUNCTIONS,
    HOOKS,
)

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimit
    from silvaengine.redis.commands import Command
    from silvaengine.registry.redis_rows import RedisRows

ROOT_ENDPOINT = "0"  # has no row of its own and is served by the common connection
MAX_ENTRIES = 4096
UNFENCED_SECONDS = 60.0  # how long a key is taken for good when nobody can tell whether it still is
SETTINGS_TTLS = 3  # settings are kept three times as long as connections and functions: 30 minutes


class Registry:
    """Resolves requests, and remembers what it read until the registry's generation changes.

    Args:
        tables: reads rows consistently.
        lookups: what resolves references to secrets, by scheme.
        stage: the deployment's stage, used where a request names none.
        ttl: seconds that a resolved value lives at the most.
        refresh: seconds between two looks at the generation, which bounds how stale an answer may be.
        shared: what Redis keeps for all instances, if there is one; then every request looks there.
        api_keys: tells whether a secret opens a key; without it none does.
        key_uses: notes when keys are used.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tables: TableReader,
        lookups: Mapping[str, SecretLookup],
        *,
        stage: str,
        ttl: float = 600.0,
        refresh: float = 5.0,
        shared: "RedisRows | None" = None,
        api_keys: ApiKeyVerifier | None = None,
        key_uses: KeyUsage | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tables = tables
        self._shared = shared
        self._api_keys = api_keys
        self._key_uses = key_uses
        self._ttl = ttl
        self._lookups = lookups
        self._stage = stage
        self._generation = RegistryGeneration(tables, shared, refresh, clock)
        self._memory = LruCache(ttl, MAX_ENTRIES, clock)
        self._settings = LruCache(SETTINGS_TTLS * ttl, MAX_ENTRIES, clock)
        self._limits: dict[tuple[str, str], tuple[RateLimit, ...]] = {}

    def refresh(self, command: "Command | None" = None) -> Any:  # noqa: ANN401 - Redis's reply
        """Forget everything when the registry has changed; see ``RegistryGeneration.look``.

        If that can't be read, what is known is served until its end, but for API keys: from a minute on their
        rows are read for each request.
        """
        has_changed, reply = self._generation.look(command)
        if has_changed:
            self._memory.clear()
            self._settings.clear()
            self._limits.clear()
        return reply

    def known_limits(self, endpoint_id: str, api_key: str) -> "tuple[RateLimit, ...]":
        """Return the limits of a key that was valid before; () where it has none, or none are known.

        A hashed key is known with its secret alone: whoever knows its id spends nothing of its rate.
        """
        return self._limits.get((endpoint_id, api_key), ()) if self._limits else ()

    def announce(self) -> None:
        """Show all instances that share a Redis the present generation; raises UnavailableError."""
        self._generation.announce()

    def resolve(self, endpoint_id: str, api_key: str, area: str, name: str) -> Function:
        """Return the function that a key may call at an endpoint.

        Raises:
            NotFoundError: no such endpoint, or no such function for this key.
            RequestError: 403, the key is not one of the endpoint's.
            ConfigurationError: rows that are named are missing or malformed.
            UnavailableError: DynamoDB can't answer at the moment.
        """
        return self.function(self.key_access(endpoint_id, api_key, area), name)

    def key_access(self, endpoint_id: str, api_key: str, area: str, stage: str | None = None) -> KeyAccess:
        """Return what a key opens at an endpoint; raises what ``resolve`` raises.

        Args:
            endpoint_id: the tenant.
            api_key: the caller's key, or the contract's default one.
            area: with stage and endpoint it names the gateway's own settings.
            stage: the API's stage; the deployment's when absent.
        """
        row_key, secret = split_key(api_key)
        if secret is None:
            key_access = self._key_access(endpoint_id, row_key, area, stage)
        else:
            key_access = self._hashed_access(endpoint_id, row_key, secret, area, stage)
        if key_access.limits:
            self._limits[endpoint_id, api_key] = key_access.limits
        return key_access

    def _hashed_access(
        self, endpoint_id: str, row_key: str, secret: str, area: str, stage: str | None
    ) -> KeyAccess:
        api_keys = require(self._api_keys, "KEY_PEPPER")
        try:
            key_access = self._key_access(endpoint_id, row_key, area, stage)
        except NotFoundError:
            api_keys.opens((), row_key, secret)  # the same work as for a key that is there
            raise
        if not api_keys.opens(key_access.key_hashes or (), row_key, secret):
            raise _not_opened(endpoint_id)
        if self._key_uses is not None:
            self._key_uses.note(key_access.owner, row_key)
        return key_access

    def known_key_access(
        self, endpoint_id: str, row_key: str, area: str, stage: str | None = None
    ) -> KeyAccess:
        """Return what a key opens that was checked before, as a socket's was; raises like ``key_access``.

        Args:
            endpoint_id: the tenant.
            row_key: the connection's ``api_key`` of then.
            area: as for ``connection``.
            stage: likewise.
        """
        key_access = self._key_access(endpoint_id, row_key, area, stage)
        hashes = key_access.key_hashes
        if hashes is None and key_access.limits:
            self._limits[endpoint_id, row_key] = key_access.limits
        elif hashes is not None and not (self._api_keys and self._api_keys.is_alive(hashes)):
            raise _not_opened(endpoint_id)
        return key_access

    def _key_access(self, endpoint_id: str, row_key: str, area: str, stage: str | None) -> KeyAccess:
        def load() -> KeyAccess:
            return self._load_key_access(endpoint_id, row_key, f"{stage or self._stage}_{area}_{endpoint_id}")

        if row_key != DEFAULT_API_KEY and self._generation.is_unknown_for(UNFENCED_SECONDS):
            return load()
        return self._memory.get_or_load(("connection", endpoint_id, row_key, area, stage), load)

    def _load_key_access(self, endpoint_id: str, api_key: str, settings_id: str) -> KeyAccess:
        wanted = [
            (ENDPOINTS, {"endpoint_id": endpoint_id}),
            (CONNECTIONS, {"endpoint_id": endpoint_id, "api_key": api_key}),
            (CONNECTIONS, {"endpoint_id": COMMON_ENDPOINT, "api_key": api_key}),
        ]
        endpoint, own, common = self._read(
            ("connection", endpoint_id, api_key), self._ttl, lambda: self._tables.batch_get(wanted)
        )
        settings = self._settings_rows(settings_id)
        if endpoint is None and endpoint_id != ROOT_ENDPOINT:
            raise _not_opened(endpoint_id)
        special = bool(endpoint and endpoint.get("special_connection"))
        row, owner = (own, endpoint_id) if special else (common, COMMON_ENDPOINT)
        if row is None or not _is_good_for(row, endpoint_id):
            if api_key != DEFAULT_API_KEY:
                raise _not_opened(endpoint_id)
            raise RequestError(f"Endpoint {endpoint_id!r} requires an API key", status=403)
        return KeyAccess(
            endpoint_id=endpoint_id,
            owner=owner,
            api_key=api_key,
            limits=_limits(endpoint or {}, row, endpoint_id, api_key),
            functions=self._memory.get_or_load(("functions", owner, api_key), lambda: read_entries(row)),
            settings=MappingProxyType(resolve_references(settings, self._lookups)),
            grants=frozenset(row.get("grants") or ()),
            whitelist=tuple(row.get("whitelist") or ()),
            key_id=key_id_of(api_key),
            key_hashes=read_key_hashes(row) if api_key.startswith(PREFIX) else None,
        )

    def gateway_settings(self, endpoint_id: str, area: str, stage: str | None = None) -> Values:
        """Return the gateway's own settings of an endpoint as they are stored, for callers without a key.

        No secret is put in the place of its name, and an unknown endpoint has none. Raises UnavailableError.
        """
        return self._settings_rows(f"{stage or self._stage}_{area}_{endpoint_id}")

    def function(self, key_access: KeyAccess, name: str) -> Function:
        """Return one of the connection's functions; raises what ``resolve`` raises."""
        entry = key_access.functions.get(name)
        if entry is None:
            raise NotFoundError(f"Function {name!r} does not exist at endpoint {key_access.endpoint_id!r}")
        key = ("function", key_access.owner, key_access.api_key, name)
        return self._memory.get_or_load(key, lambda: self._load_function(entry, name))

    def areas(self, key_access: KeyAccess) -> frozenset[str]:
        """Return the areas in which a connection has functions; raises what ``resolve`` raises.

        It reads a row for each function, a hundred at a time; a handshake asks, no message.
        """
        key = ("areas", key_access.owner, key_access.api_key)
        return self._memory.get_or_load(key, lambda: self._load_areas(key_access.functions))

    def _load_areas(self, functions: Mapping[str, FunctionEntry]) -> frozenset[str]:
        wanted = [
            (FUNCTIONS, {"aws_lambda_arn": entry.aws_lambda_arn, "function": name})
            for name, entry in functions.items()
        ]
        rows = [
            row
            for batch in batched(wanted, BATCH_ROWS, strict=False)
            for row in self._tables.batch_get(batch)
        ]
        return frozenset(row["area"] for row in rows if row and row.get("area"))

    def function_of(self, entry: FunctionEntry, name: str) -> Function:
        """Return what an entry named when a call of it was accepted; raises what ``resolve`` raises."""
        return self._memory.get_or_load(("entry", entry, name), lambda: self._load_function(entry, name))

    def _load_function(self, entry: FunctionEntry, name: str) -> Function:
        key = {"aws_lambda_arn": entry.aws_lambda_arn, "function": name}
        row = self._read(
            ("function", entry.aws_lambda_arn, name), self._ttl, lambda: self._tables.get(FUNCTIONS, key)
        )
        if row is None:
            raise NotFoundError(f"Function {name!r} does not exist")
        config = function_config(name, row, entry)
        settings = self._merged_settings(config.get("setting"), entry.setting)
        return read_function(name, row, entry, config, settings)

    def hooks(self, endpoint_id: str) -> list[Row]:
        """Return the rows of an endpoint's hooks, whether active or not."""

        def load() -> list[Row]:
            return self._tables.query(HOOKS, endpoint_id)

        rows: list[Row] = self._memory.get_or_load(
            ("hooks", endpoint_id), lambda: self._read(("hooks", endpoint_id), self._ttl, load)
        )
        return rows

    def settings(self, setting_id: str) -> Row:
        """Return a settings id's variables and values, references to secrets resolved.

        Raises:
            ConfigurationError: the id has no rows.
        """
        rows = self._settings_rows(setting_id)
        if not rows:
            raise ConfigurationError(
                "The function is misconfigured", detail=f"setting id {setting_id!r} has no rows"
            )
        return resolve_references(rows, self._lookups)

    def _merged_settings(self, *setting_ids: str | None) -> Row:
        merged: Row = {}
        for setting_id in filter(None, setting_ids):
            merged |= self.settings(setting_id)
        return merged

    def _settings_rows(self, setting_id: str) -> Row:
        def load() -> list[Row]:
            return self._tables.query(CONFIG_DATA, setting_id)

        rows: list[Row] = self._settings.get_or_load(
            setting_id, lambda: self._read(("settings", setting_id), SETTINGS_TTLS * self._ttl, load)
        )
        return {row["variable"]: row.get("value") for row in rows}

    def _read(self, name: tuple[str, ...], seconds: float, load: Callable[[], Any]) -> Any:  # noqa: ANN401 - rows
        """Read rows, unless another instance has and shares them."""
        if self._shared is None or self._generation.known is None:
            return load()
        return self._shared.get_or_load(self._generation.known, name, seconds, load)


def open_registry(settings: Settings) -> Registry:
    """Return the registry in the account's tables."""
    lookups = open_lookups(settings.region)
    return Registry(
        open_table_reader(settings.region, settings.table_prefix),
        lookups,
        stage=settings.stage,
        ttl=settings.registry_ttl_seconds,
        refresh=settings.registry_refresh_seconds,
        shared=_open_shared(settings),
        api_keys=open_api_key_verifier(settings.key_pepper, lookups),
        key_uses=open_key_usage(settings),
    )


def _open_shared(settings: Settings) -> "RedisRows | None":
    if settings.cache.redis is None:
        return None
    from silvaengine.redis.client import process_redis  # many deployments have no Redis
    from silvaengine.registry.redis_rows import RedisRows

    return RedisRows(
        process_redis(settings.cache.redis).of("registry"),
        settings.table_prefix,
        refresh=settings.registry_refresh_seconds,
        keeps_rows=settings.registry_in_redis,
    )


def _not_opened(endpoint_id: str) -> NotFoundError:
    """Return one answer for what isn't there and what isn't the caller's, so that it tells neither."""
    return NotFoundError(f"Endpoint {endpoint_id!r} does not exist or is not opened by this API key")


def _is_good_for(key_access: Row, endpoint_id: str) -> bool:
    """Return whether a key opens an endpoint: any where its row has no list, none where that is empty."""
    endpoints = key_access.get("endpoints")
    return endpoints is None or endpoint_id in endpoints


def _limits(endpoint: Row, key_access: Row, endpoint_id: str, api_key: str) -> "tuple[RateLimit, ...]":
    if "rate_limit" not in endpoint and "rate_limit" not in key_access:
        return ()
    from silvaengine.access.rate_limits import rate_limits_of  # most tenants have none

    return rate_limits_of(endpoint, key_access, endpoint_id, key_id_of(api_key))
