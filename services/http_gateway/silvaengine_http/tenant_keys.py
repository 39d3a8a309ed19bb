"""The operator's operation ``tenant_forget``: whatever Redis has of a tenant is deleted.

These are its cached values with their locks, clear logs and counters, and its rate limits. All rows of the
registry go with them, since their keys don't say whose they are: they are read again.
"""

from collections.abc import Iterable
from itertools import batched, groupby

from silvaengine.access.rate_limits import bucket_prefix
from silvaengine.cache.keys import tenant_text
from silvaengine.errors import UnavailableError
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClient, RedisClients, escape_glob, key_slot

BATCH = 500  # keys in one command


def forget_tenant(endpoint_id: str, table_prefix: str, clients: RedisClients, *, deletes: bool) -> int:
    """Delete a tenant's keys, or only count them; return how many there were.

    Raises:
        UnavailableError: Redis can't be reached; some may be deleted.
    """
    try:
        return sum(_forget(client, endpoint_id, table_prefix, deletes=deletes) for client in clients.all())
    except TierError as error:
        raise UnavailableError("Redis can't be reached; try again", detail=str(error)) from error


def _forget(client: RedisClient, endpoint_id: str, table_prefix: str, *, deletes: bool) -> int:
    tenant, limits, values = tenant_text(endpoint_id), bucket_prefix(table_prefix), f"{table_prefix}cache:{{"
    keys = {key for key in client.scan(f"{escape_glob(values)}*") if _is_cached(key, tenant)}
    found = client.scan(f"{escape_glob(limits)}*")
    keys |= {key for key in found if _is_limit(key.removeprefix(limits), endpoint_id)}
    if deletes:
        _delete(client, {*keys, *client.scan(f"{escape_glob(table_prefix)}registry:rows:*")})
    return len(keys)


def _delete(client: RedisClient, keys: Iterable[str]) -> None:
    """Delete keys, those of a cluster's slot together."""
    for _, alike in groupby(sorted(keys, key=key_slot), key_slot):
        for batch in batched(alike, BATCH, strict=False):
            client.execute(batch[0], ("DEL", *batch))


def _is_cached(key: str, tenant: str) -> bool:
    """Return whether a cache's key is the tenant's: see ``silvaengine.cache.redis_tier``."""
    part = key.partition("}")[2]
    is_value = part[:1] in (":", "!") and part[1:].startswith(f"{tenant}:")
    return is_value or part in (f"/{tenant}", f"#{tenant}")


def _is_limit(bucket: str, endpoint_id: str) -> bool:
    """Return whether a rate limit's bucket is the tenant's or one of its keys'; a key's id has no colon."""
    owner, _, key_id = bucket.rpartition(":")
    return bucket == f"tenant:{endpoint_id}" or (owner == f"key:{endpoint_id}" and bool(key_id))
