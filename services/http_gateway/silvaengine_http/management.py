"""The cache management API: the operations ``cache_clear`` and ``cache_stats``, called like functions."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from silvaengine.cache.clear_log import tenant_or_all
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.keys import NAME_RULE, is_name
from silvaengine.cache.process import process_cache
from silvaengine.cache.stats import availability, stats
from silvaengine.errors import NotFoundError, RequestError, UnavailableError
from silvaengine.redis.breaker import TierError
from silvaengine.registry.model import KeyAccess

SCOPE = "cache:admin"
SCOPE_ALL = "cache:admin:all"
OPEN_SETTING = "cache_admin_open"
DEFAULT_CACHE = "method"
DEFAULT_KEY = "*"
KEYS_LIMIT = 1_000


def managed_tenant(key_access: KeyAccess) -> str | None:
    """Return the tenant whose entries a key may manage, None for all.

    Raises:
        RequestError: 403, the key has no scope for it.

    """
    if SCOPE_ALL in key_access.scopes:
        return None
    if key_access.may(SCOPE) or key_access.settings.get(OPEN_SETTING) is True:
        return key_access.endpoint_id
    raise RequestError("This API key is not allowed to manage caches", status=403)


def management_params(query: Mapping[str, Any], body: str | None) -> dict[str, Any]:
    """Return the query's parameters, overlaid by a JSON object's; raises RequestError for another body."""
    if body is None:
        return dict(query)
    try:
        members = json.loads(body)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise RequestError("The body must be a JSON object")
    return {**query, **members}


def manage_cache(
    operation: str,
    params: Mapping[str, Any],
    tenant: str | None = None,
    cache: HybridCache | None = None,
) -> dict[str, Any]:
    """Clear a cache's entries, return its statistics, or list its keys.

    Args:
        operation: ``cache_clear``, ``cache_stats``, or, for operators, ``cache_keys``.
        params: ``cache_name`` (``method`` when absent) and, to clear, ``cache_key``, a pattern (``*`` when
            absent).
        tenant: only this tenant's entries; None for all.
        cache: the process's own when absent.

    Raises:
        NotFoundError: there is no such operation, or no function has ever used a cache of that name.
        RequestError: a parameter is not valid.
        UnavailableError: the clear isn't known everywhere; it has to be repeated.

    """
    handle = {"cache_clear": _clear, "cache_stats": _stats, "cache_keys": _keys}.get(operation)
    if handle is None:
        raise NotFoundError(f"Cache operation {operation!r} does not exist")
    cache = cache or process_cache()
    return handle(cache, _cache_name(cache, params), tenant, params)


def _cache_name(cache: HybridCache, params: Mapping[str, Any]) -> str:
    name = params.get("cache_name") or DEFAULT_CACHE
    if not isinstance(name, str) or not is_name(name):
        raise RequestError(f"cache_name must be {NAME_RULE}")
    with suppress(TierError):
        if name != DEFAULT_CACHE and not cache.fence.exists(name):
            raise NotFoundError(f"Cache {name!r} does not exist: no function has used it yet")
    return name


def _clear(cache: HybridCache, name: str, tenant: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
    pattern = params.get("cache_key") or DEFAULT_KEY
    if not isinstance(pattern, str):
        raise RequestError("cache_key must be a string")
    try:
        is_known = cache.clear(name, tenant, pattern)
    except ValueError as error:
        raise RequestError(f"cache_key: {error}") from None
    if not is_known:
        raise UnavailableError("The cache could not be cleared on all instances; try again")
    return {"success": True, **availability(cache, name), "cache_key": pattern}


def _stats(cache: HybridCache, name: str, tenant: str | None, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"success": True, **availability(cache, name), **stats(cache, name, tenant)}


def _keys(cache: HybridCache, name: str, tenant: str | None, _: Mapping[str, Any]) -> dict[str, Any]:
    if cache.tiers.redis is None:
        raise RequestError("Only a deployment with Redis can list keys")
    try:
        return {"cache_name": name, "keys": cache.tiers.redis.keys(name, tenant_or_all(tenant), KEYS_LIMIT)}
    except TierError as error:
        raise UnavailableError("Redis can't be reached; try again", detail=str(error)) from error
