"""The registry: which function a request means.

The look-up is the contract's (docs/contract.md): endpoint, key row, function, settings. A cold one reads the
endpoint and both candidate key rows at once, then the gateway's settings, the function, its settings and the
key row's, over one connection: a second one's handshake would cost more than parallel reads save. A warm one
reads nothing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from silvaengine.access.api_keys import ApiKeyVerifier, KeyUsage, open_api_key_verifier, open_key_usage
from silvaengine.aws.secrets import SecretLookup, open_lookups, resolve_references
from silvaengine.aws.table_client import Row, TableReader, open_table_reader
from silvaengine.clock import process_clock
from silvaengine.errors import ConfigurationError, NotFoundError, RequestError
from silvaengine.lru import Budget, LruCache
from silvaengine.registry.generation import RegistryGeneration
from silvaengine.registry.keys import Keys
from silvaengine.registry.model import (
    Function,
    FunctionEntry,
    KeyAccess,
    Values,
    function_config,
    read_function,
)
from silvaengine.registry.rows import RegistryRows
from silvaengine.settings import KEPT_BYTES, PACKAGE_MARK, Settings

if TYPE_CHECKING:
    from silvaengine.redis.commands import Command
    from silvaengine.registry.outcomes import Outcomes
    from silvaengine.registry.packages import Release
    from silvaengine.registry.redis_rows import RedisRows, Reply
    from silvaengine.registry.releases import Releases
    from silvaengine.registry.routes import RouteTable


class Registry:
    """Resolves requests, and keeps the values until the registry's generation changes.

    Args:
        tables: reads rows consistently.
        lookups: the readers of referenced secrets, by scheme.
        stage: the deployment's stage, for requests that name none.
        ttl: seconds for which a resolved value is kept at the most.
        refresh: seconds between two reads of the generation, which bounds how stale a response may be.
        redis_rows: what all instances share in Redis, if anything; then every request checks it.
        api_keys: verifies secrets; without it no hashed key is accepted.
        key_usage: records when keys are used.
        package_prefix: the beginning of the ARNs of published packages' Lambdas, if there can be any.
        open_outcomes: returns what counts how published functions' calls end; without it nothing does.
        budget: bounds what is kept in memory, here and by whom else it is given to.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        tables: TableReader,
        lookups: Mapping[str, SecretLookup],
        *,
        stage: str,
        ttl: float = 600.0,
        refresh: float = 5.0,
        redis_rows: "RedisRows | None" = None,
        api_keys: ApiKeyVerifier | None = None,
        key_usage: KeyUsage | None = None,
        package_prefix: str | None = None,
        open_outcomes: "Callable[[], Outcomes] | None" = None,
        budget: Budget | None = None,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self._lookups = lookups
        self._open_outcomes = open_outcomes
        self._ttl = ttl
        self._clock = clock
        self.budget = budget or Budget(KEPT_BYTES, in_bytes=True)
        self._generation = RegistryGeneration(tables, redis_rows, refresh, clock)
        self._rows = RegistryRows(tables, redis_rows, self._generation, ttl, self.budget, clock)
        self._memory = LruCache(ttl, self.budget, clock)
        self._keys = Keys(
            self._rows,
            self._generation,
            self._memory,
            self.budget,
            lookups,
            stage=stage,
            ttl=ttl,
            check_area=self.check_area,
            api_keys=api_keys,
            key_usage=key_usage,
            package_prefix=package_prefix,
            clock=clock,
        )
        self.recent_limits = self._keys.recent_limits

    def refresh(self, command: "Command | None" = None) -> "Reply | None":
        """Forget everything if the registry has changed; see ``RegistryGeneration.check``.

        If the generation can't be read, values are served until their TTL ends; API keys only for a minute,
        then their rows are read for each request.
        """
        has_changed, reply = self._generation.check(command)
        if has_changed:
            self._rows.clear()  # first: what is made of rows in another thread must not be of old ones
            self._memory.clear()
            self._keys.clear()
        return reply

    def announce(self) -> None:
        """Publish the current generation to all instances that share a Redis; raises UnavailableError."""
        self._generation.announce()

    def resolve(self, endpoint_id: str, api_key: str, area: str, name: str) -> Function:
        """Return the function that a key may call at an endpoint.

        Raises:
            NotFoundError: no such endpoint, or no such function for this key.
            RequestError: 403, the endpoint requires an API key.
            ConfigurationError: a row that another one names is missing or malformed.
            UnavailableError: DynamoDB throttles or can't be reached.
        """
        return self.function(self.key_access(endpoint_id, api_key, area), name)

    def key_access(self, endpoint_id: str, api_key: str, area: str, stage: str | None = None) -> KeyAccess:
        """Return what a key opens at an endpoint; see ``Keys.find``."""
        return self._keys.find(endpoint_id, api_key, area, stage)

    def key_access_by_row(
        self, endpoint_id: str, row_key: str, area: str, stage: str | None = None
    ) -> KeyAccess:
        """Return what a key opens that was verified before; see ``Keys.find_by_row``."""
        return self._keys.find_by_row(endpoint_id, row_key, area, stage)

    def check_area(self, key_access: KeyAccess, area: str) -> None:
        """Check that a key opens a function of this area; raises RequestError 403, and like ``resolve``."""
        if area not in self.areas(key_access):
            raise RequestError(f"This API key has no functions in area {area!r}", status=403)

    def gateway_settings(self, endpoint_id: str, area: str, stage: str | None = None) -> Values:
        """Return the gateway's own settings of an endpoint as they are stored; see ``Keys.settings``."""
        return self._keys.settings(endpoint_id, area, stage)

    def function(self, key_access: KeyAccess, name: str) -> Function:
        """Return one of the functions that a key opens; raises like ``resolve``."""
        entry = key_access.functions.get(name)
        if entry is not None:
            key = ("function", key_access.key_row_endpoint, key_access.api_key, name)
            return self._memory.get_or_load(key, self._load_function, entry, name)
        if not key_access.packages:
            raise _not_listed(key_access, name)
        # Of this endpoint, where the key row may be common: it may be pinned to a release.
        key = ("published", key_access.endpoint_id, key_access.api_key, name)
        return self._memory.get_or_load(key, self._load_published, key_access, name)

    def client_function(self, key_access: KeyAccess, name: str) -> Function:
        """Return one of the functions that a key opens to clients; raises like ``resolve``."""
        function = self.function(key_access, name)
        if function.internal:
            raise _not_listed(key_access, name)
        return function

    def routes(self, key_access: KeyAccess) -> "RouteTable | None":
        """Return the routes of the functions that a key opens, None if they have none."""

        def load() -> "RouteTable | None":
            entries = reversed([*key_access.functions.items()])  # so in the key row's order
            routes = [(name, entry.route) for name, entry in entries if entry.route]
            with suppress(ConfigurationError):  # of a package; the others' functions have their routes
                for name, row, _ in self._published(key_access):
                    if route := row["config"].get("route"):
                        routes.append((name, route))
            if not routes:
                return None
            from silvaengine.registry.routes import RouteTable  # lazy: only functions with routes need it

            return RouteTable(routes)

        owner = key_access.endpoint_id if key_access.packages else key_access.key_row_endpoint
        return self._memory.get_or_load(("routes", owner, key_access.api_key), load)

    def function_rows(self, key_access: KeyAccess) -> list[Row]:
        """Return the rows of the functions that a key opens, and in each ``description``, which may be empty.

        It reads a row for each function; only a description of them all needs it. Raises like ``resolve``.
        """
        rows = [
            {**row, "description": json.loads(row.get("description") or "{}")}
            for row in self._rows.functions(key_access.functions)
        ]
        if key_access.packages:
            rows.extend(self._releases.described_rows(key_access))
        return rows

    @property
    def generation(self) -> str | None:
        """The registry's generation, None until it was read."""
        return self._generation.current

    def accepted_function(self, key_access: KeyAccess, version_arn: str, name: str) -> Function:
        """Return a published function as the release has it that accepted a call, if the key opens it.

        Raises like ``function_for_entry``.
        """
        function_arn = version_arn.rpartition(":")[0]
        for entry in key_access.packages:
            if entry.function_arn in {function_arn, version_arn} and entry.function in {"", name}:
                return self.function_for_entry(FunctionEntry(version_arn, entry.setting_id), name)
        raise _not_listed(key_access, name)

    def areas(self, key_access: KeyAccess) -> frozenset[str]:
        """Return the areas of the functions that a key opens; raises like ``resolve``.

        It reads a row for each function of a worker; only a handshake needs it, no message.
        """

        def load() -> frozenset[str]:
            rows = self._rows.functions(key_access.functions)
            return frozenset(row["area"] for row in rows if row.get("area"))

        areas: frozenset[str] = self._memory.get_or_load(
            ("areas", key_access.key_row_endpoint, key_access.api_key), load
        )
        published = {row["area"] for _, row, _ in self._published(key_access) if row.get("area")}
        return areas | published

    def function_for_entry(self, entry: FunctionEntry, name: str) -> Function:
        """Return the function of a key row's entry as it was stored when a call was accepted.

        The ARN of a version of a package's Lambda pins a published one to that release. Raises like
        ``resolve``; also NotFoundError where the release is gone.
        """
        return self._memory.get_or_load(("entry", entry, name), self._load_function, entry, name)

    def _load_function(self, entry: FunctionEntry, name: str) -> Function:
        arn = entry.aws_lambda_arn
        if PACKAGE_MARK in arn and (version := arn.rpartition(":"))[2].isdecimal():
            release = self._releases.get(version[0], int(version[2]))
            return self._read_function(entry, name, release.functions.get(name), release)
        return self._read_function(entry, name, self._rows.function(arn, name))

    def _load_published(self, key_access: KeyAccess, name: str) -> Function:
        found = self._releases.find(key_access, name)
        if found is None:
            raise _not_listed(key_access, name)
        package, release, pointer = found
        entry = FunctionEntry(release.arn, package.setting_id)
        function = self._read_function(entry, name, release.functions[name], release)
        if self._outcomes is None or pointer is None:
            return function
        return function._replace(outcome=self._outcomes.begin(release, pointer, key_access.endpoint_id))

    def _published(self, key_access: KeyAccess) -> "Iterable[tuple[str, Row, Release]]":
        return self._releases.functions(key_access) if key_access.packages else ()

    @cached_property
    def _outcomes(self) -> "Outcomes | None":
        return self._open_outcomes() if self._open_outcomes else None

    @cached_property
    def _releases(self) -> "Releases":
        from silvaengine.registry.releases import Releases  # lazy: only published functions need it

        return Releases(self._rows, self._memory, self.budget, self._ttl, self._clock)

    def _read_function(
        self, entry: FunctionEntry, name: str, row: Row | None, release: "Release | None" = None
    ) -> Function:
        if row is None:
            raise NotFoundError(f"Function {name!r} does not exist")
        config = function_config(name, row, entry)
        settings: Row = {}
        for setting_id in filter(None, (config.get("setting"), entry.setting_id)):
            settings |= self.settings(setting_id)
        return read_function(name, row, entry, config, settings, release)

    def hooks(self, endpoint_id: str) -> list[Row]:
        """Return the rows of an endpoint's hooks, whether active or not."""
        return self._memory.get_or_load(("hooks", endpoint_id), self._rows.hooks, endpoint_id)

    def find_settings(self, setting_id: str) -> Row:
        """Return what ``settings`` returns, an empty row if the id has no rows; it is kept in memory."""

        def load() -> Row:
            return resolve_references(self._rows.settings(setting_id), self._lookups)

        return self._memory.get_or_load(("settings", setting_id), load)

    def settings(self, setting_id: str) -> Row:
        """Return the variables and values of a setting id, references to secrets resolved.

        Raises:
            ConfigurationError: the id has no rows.
        """
        rows = self._rows.settings(setting_id)
        if not rows:
            raise ConfigurationError(
                "The function is misconfigured", detail=f"setting id {setting_id!r} has no rows"
            )
        return resolve_references(rows, self._lookups)


def open_registry(settings: Settings) -> Registry:
    """Return the registry in the deployment's tables."""
    lookups = open_lookups(settings.region, settings.stage)
    budget = Budget(settings.kept_bytes, in_bytes=True)
    return Registry(
        open_table_reader(settings),
        lookups,
        stage=settings.stage,
        ttl=settings.registry_ttl_seconds,
        refresh=settings.registry_refresh_seconds,
        redis_rows=_open_redis_rows(settings),
        api_keys=open_api_key_verifier(settings.key_pepper, lookups),
        key_usage=open_key_usage(settings, budget),
        package_prefix=settings.package_prefix,
        open_outcomes=lambda: _open_outcomes(settings),
        budget=budget,
    )


def _open_outcomes(settings: Settings) -> "Outcomes":
    from silvaengine.registry.outcomes import open_outcomes  # lazy: only published functions need it

    return open_outcomes(settings)


def _open_redis_rows(settings: Settings) -> "RedisRows | None":
    if settings.cache.redis is None:
        return None
    from silvaengine.redis.client import process_redis  # lazy: only a deployment with Redis needs it
    from silvaengine.registry.redis_rows import RedisRows

    return RedisRows(
        process_redis(settings.cache.redis).of("registry"),
        settings.table_prefix,
        refresh=settings.registry_refresh_seconds,
        keeps_rows=settings.registry_in_redis,
    )


def _not_listed(key_access: KeyAccess, name: str) -> NotFoundError:
    return NotFoundError(f"Function {name!r} does not exist at endpoint {key_access.endpoint_id!r}")
