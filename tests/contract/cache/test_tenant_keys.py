"""Whatever a real Redis, or a cluster, has of a tenant is found and deleted, and nothing of another."""

from collections.abc import Callable, Iterator

import pytest
import redis as redis_py
from tests.fakes.cache import keep_by

from silvaengine.access.rate_limits import RateLimit, RateLimiter, bucket_prefix
from silvaengine.cache.clear_log import ALL_TENANTS
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.context import tenant
from silvaengine.errors import UnavailableError
from silvaengine.redis.client import RedisClients
from silvaengine.registry.redis_rows import RedisRows
from silvaengine.settings import RedisSettings
from silvaengine_http.tenant_keys import forget_tenant

from ...redis_server import running_redis
from .cluster import Network, running_cluster
from .conftest import instance

NAMES = [f"cache-{number}" for number in range(6)]
TENANTS = ("acme", "acme2", "ac", "acme:x", "x:acme", "*")


@pytest.fixture(scope="module", params=["one", "databases", "cluster"])
def deployed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[int], RedisSettings]]:
    """The servers' ports, and a deployment's settings: one database, one for a cache apart, or a cluster."""
    folders = [tmp_path_factory.mktemp(f"node{number}") for number in range(3)]
    if request.param == "cluster":
        with running_cluster(folders, Network()) as ports:
            yield ports, RedisSettings("127.0.0.1", ports[0], cluster=True)
        return
    databases = (("CACHE_1", 3),) if request.param == "databases" else ()
    with running_redis(folders[0]) as (port, _):
        yield [port], RedisSettings("127.0.0.1", port, databases=databases)


def fill(settings: RedisSettings, source: Callable[[str], str]) -> None:
    """Keep values, clears, counters and limits of each tenant, and a row of the registry."""
    cache, registry = instance(settings), RedisClients(settings).of("registry")
    limits = RateLimiter(registry, bucket_prefix("se-"), 1_000, instances=1)
    for name in TENANTS:
        token = tenant.set(name)
        for cache_name in NAMES:
            keep_by(cache, source, cache_name=cache_name)("}:acme:x")
        tenant.reset(token)
        for bucket in (f"tenant:{name}", f"key:{name}:sek_1"):
            limits.admit((RateLimit("tenant", bucket, 0.01, 5),))
    RedisRows(registry, "se-", refresh=5, keeps_rows=True).get_or_load("1", ("a", "acme"), 60, list)


def keys(ports: list[int]) -> set[str]:
    """Return all keys of all servers."""
    databases = (0,) if len(ports) > 1 else (0, 3)  # a cluster has one
    servers = [redis_py.Redis(port=port, db=db, decode_responses=True) for port in ports for db in databases]
    return {key for server in servers for key in server.scan_iter()}


def test_a_caches_keys_are_listed_wherever_they_are(
    deployed: tuple[list[int], RedisSettings], source: Callable[[str], str]
) -> None:
    """Those of a tenant or of all, up to a number; the node that is asked first may have none of them."""
    _, redis = deployed
    fill(redis, source)
    for name in NAMES:
        tier = RedisTier(RedisClients(redis), "se-")
        assert [key.partition(":")[0] for key in tier.keys(name, "acme", 10)] == ["acme"]
        assert len(tier.keys(name, ALL_TENANTS, 10)) == len(TENANTS)
        assert len(tier.keys(name, ALL_TENANTS, 2)) == 2


def test_a_tenants_keys_go_and_no_others(
    deployed: tuple[list[int], RedisSettings], source: Callable[[str], str]
) -> None:
    """They are counted first, then deleted with the registry's rows; every other key stays."""
    ports, redis = deployed
    fill(redis, source)
    before = keys(ports)
    of_acme = {key for key in before if key.partition("}")[2].startswith(":acme:")}
    of_acme |= {key for key in before if key.endswith(("}/acme", "}#acme"))}
    of_acme |= {key for key in before if key.endswith(("limit:tenant:acme", "limit:key:acme:sek_1"))}
    rows = {key for key in before if key.startswith("se-registry:rows:")}
    assert len(of_acme) >= 2 + 3 * len(NAMES)
    assert len(rows) == 1
    clients = RedisClients(redis)
    assert forget_tenant("acme", "se-", clients, deletes=False) == len(of_acme)
    assert keys(ports) == before
    assert forget_tenant("acme", "se-", clients, deletes=True) == len(of_acme)
    assert keys(ports) == before - of_acme - rows
    assert forget_tenant("acme", "se-", clients, deletes=True) == 0


def test_without_its_redis_it_fails() -> None:
    """The operator learns that nothing is known."""
    with pytest.raises(UnavailableError, match="Redis can't be reached"):
        forget_tenant("acme", "se-", RedisClients(RedisSettings("127.0.0.1", 1)), deletes=True)
