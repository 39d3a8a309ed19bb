"""What API keys open: the rows of endpoint and key, checked and read together."""

from collections.abc import Callable, Mapping
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from silvaengine.access.api_keys import (
    PREFIX,
    ApiKeyVerifier,
    KeyUsage,
    key_id_of,
    read_key_hashes,
    split_key,
)
from silvaengine.aws.secrets import SecretLookup, resolve_references
from silvaengine.errors import NotFoundError, RequestError
from silvaengine.lru import Budget, LruCache
from silvaengine.registry.generation import RegistryGeneration
from silvaengine.registry.model import KeyAccess, Values, opens_endpoint, read_entries, read_limits
from silvaengine.registry.rows import RegistryRows
from silvaengine.settings import require
from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimit

ROOT_ENDPOINT = "0"  # has no row of its own and is served by the common key rows
REFUSED_SECONDS = 5.0  # how long the rows of a refused endpoint and key aren't read again
NO_SETTINGS: Values = MappingProxyType({})
UNCHECKED_KEY_SECONDS = 60.0  # how long keys are served from memory while the generation can't be read


class Keys:
    """Finds what a key opens, and keeps it in memory.

    Args:
        rows: reads the rows of endpoints, keys and settings.
        generation: says whether what is in memory could be checked.
        memory: keeps what keys open until the generation changes.
        budget: bounds what is kept.
        lookups: the readers of referenced secrets, by scheme.
        stage: the deployment's stage, for requests that name none.
        ttl: seconds for which what a key opens is kept at the most.
        check_area: raises where a key has no functions in an area.
        api_keys: verifies secrets; without it no hashed key is accepted.
        key_usage: records when keys are used.
        package_prefix: the beginning of the ARNs of published packages' Lambdas, if there can be any.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        rows: RegistryRows,
        generation: RegistryGeneration,
        memory: LruCache,
        budget: Budget,
        lookups: Mapping[str, SecretLookup],
        *,
        stage: str,
        ttl: float,
        check_area: Callable[[KeyAccess, str], None],
        api_keys: ApiKeyVerifier | None,
        key_usage: KeyUsage | None,
        package_prefix: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._generation = generation
        self._memory = memory
        self._lookups = lookups
        self._stage = stage
        self._check_area = check_area
        self._api_keys = api_keys
        self._key_usage = key_usage
        self._package_prefix = package_prefix
        self._clock = clock
        self._refusals = LruCache(min(REFUSED_SECONDS, ttl), budget, clock)
        # By endpoint and key, of keys that were valid before. A hashed key is found only with its secret, so
        # that nobody who knows only its id can use up its rate.
        self.recent_limits = LruCache(inf, budget, clock)

    def clear(self) -> None:
        """Forget refusals and limits; ``memory`` is cleared by who made it."""
        self._refusals.clear()
        self.recent_limits.clear()

    def find(self, endpoint_id: str, api_key: str, area: str, stage: str | None = None) -> KeyAccess:
        """Return what a key opens at an endpoint; raises like ``Registry.resolve``.

        Area, stage (the deployment's by default) and endpoint name the gateway's own settings.
        """
        if api_key.startswith(PREFIX):
            key_access = self._hashed_access(endpoint_id, api_key, area, stage)
        else:
            key_access = self._key_access(endpoint_id, api_key, area, stage)
        self._remember_limits(endpoint_id, api_key, key_access.limits)
        return key_access

    def _remember_limits(self, endpoint_id: str, api_key: str, limits: "tuple[RateLimit, ...]") -> None:
        if limits and self.recent_limits.get((endpoint_id, api_key)) != limits:
            self.recent_limits.put((endpoint_id, api_key), limits)

    def _hashed_access(self, endpoint_id: str, api_key: str, area: str, stage: str | None) -> KeyAccess:
        row_key, secret = split_key(api_key)
        api_keys = require(self._api_keys, "KEY_PEPPER")
        try:
            key_access = self._key_access(endpoint_id, row_key, area, stage)
        except NotFoundError:
            api_keys.verify((), row_key, secret)  # the same work as for a key that exists
            raise
        if not api_keys.verify(key_access.key_hashes or (), row_key, secret):
            raise _not_opened(endpoint_id)
        if self._key_usage is not None:
            self._key_usage.record(key_access.key_row_endpoint, row_key)
        return key_access

    def find_by_row(self, endpoint_id: str, row_key: str, area: str, stage: str | None = None) -> KeyAccess:
        """Return what a key opens that was verified before, as a socket's was; raises as ``find``.

        ``row_key`` is the ``api_key`` of the key row.
        """
        key_access = self._key_access(endpoint_id, row_key, area, stage)
        hashes = key_access.key_hashes
        if hashes is None:
            self._remember_limits(endpoint_id, row_key, key_access.limits)
        elif not (self._api_keys and self._api_keys.is_current(hashes)):
            raise _not_opened(endpoint_id)
        return key_access

    def _key_access(self, endpoint_id: str, row_key: str, area: str, stage: str | None) -> KeyAccess:
        since = self._generation.unknown_since
        is_unchecked = since is not None and self._clock() >= since + UNCHECKED_KEY_SECONDS
        if is_unchecked and row_key != DEFAULT_API_KEY:
            return self._load_key_access(endpoint_id, row_key, area, stage)
        key = ("connection", endpoint_id, row_key, area, stage)
        return self._memory.get_or_load(key, self._load_unrefused, endpoint_id, row_key, area, stage)

    def _load_unrefused(self, endpoint_id: str, row_key: str, area: str, stage: str | None) -> KeyAccess:
        is_known: bool | None = self._refusals.get((endpoint_id, row_key))
        if is_known is not None:
            raise _refusal(endpoint_id, row_key, is_known=is_known)
        return self._load_key_access(endpoint_id, row_key, area, stage)

    def _load_key_access(self, endpoint_id: str, api_key: str, area: str, stage: str | None) -> KeyAccess:
        endpoint, own, common = self._rows.endpoint_and_keys(endpoint_id, api_key)
        has_own_keys = bool(endpoint and endpoint.get("special_connection"))
        row, key_row_endpoint = (own, endpoint_id) if has_own_keys else (common, COMMON_ENDPOINT)
        is_known = endpoint is not None or endpoint_id == ROOT_ENDPOINT
        if not is_known or row is None or not opens_endpoint(row, endpoint_id):
            self._refusals.put((endpoint_id, api_key), is_known)
            raise _refusal(endpoint_id, api_key, is_known=is_known)
        key_id = key_id_of(api_key)
        functions, packages = self._memory.get_or_load(
            ("functions", key_row_endpoint, api_key), lambda: read_entries(row, self._package_prefix)
        )
        key_access = KeyAccess(
            endpoint_id=endpoint_id,
            key_row_endpoint=key_row_endpoint,
            api_key=api_key,
            limits=read_limits(endpoint or {}, row, endpoint_id, key_id),
            functions=functions,
            settings=NO_SETTINGS,
            scopes=frozenset(row.get("grants") or ()),
            allowlist=tuple(row.get("whitelist") or ()),
            key_id=key_id,
            key_hashes=read_key_hashes(row) if api_key.startswith(PREFIX) else None,
            packages=packages,
        )
        if area and _may_share_settings(endpoint_id, area):
            self._check_area(key_access, area)
        settings = self._settings_of(endpoint_id, area, stage)
        return key_access._replace(settings=MappingProxyType(resolve_references(settings, self._lookups)))

    def settings(self, endpoint_id: str, area: str, stage: str | None = None) -> Values:
        """Return the gateway's own settings of an endpoint as they are stored, for callers without a key.

        References to secrets are not resolved. An unknown endpoint has none, nor has one whose settings may
        be another's, which only a key tells. Raises UnavailableError.
        """
        if _may_share_settings(endpoint_id, area):
            return NO_SETTINGS
        return self._settings_of(endpoint_id, area, stage)

    def _settings_of(self, endpoint_id: str, area: str, stage: str | None) -> Values:
        return self._rows.settings(f"{stage or self._stage}_{area}_{endpoint_id}")


def _may_share_settings(endpoint_id: str, area: str) -> bool:
    """Return whether another endpoint and area may have the same setting id."""
    return "_" in area + endpoint_id


def _not_opened(endpoint_id: str) -> NotFoundError:
    """Return the same error for a wrong key as for a missing endpoint.

    Only a caller without a key learns, by 403, that the endpoint exists.
    """
    return NotFoundError(f"Endpoint {endpoint_id!r} does not exist, or this API key has no access to it")


def _refusal(endpoint_id: str, api_key: str, *, is_known: bool) -> RequestError:
    if is_known and api_key == DEFAULT_API_KEY:
        return RequestError(f"Endpoint {endpoint_id!r} requires an API key", status=403)
    return _not_opened(endpoint_id)
