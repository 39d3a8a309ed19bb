"""Token buckets in a real Redis, alone and together with the registry's generation."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from silvaengine.access.rate_limits import RateLimit, RateLimiter
from silvaengine.authorization.admission import Admission
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.packages import Packages
from silvaengine.errors import RequestError
from silvaengine.redis.client import RedisClients
from silvaengine.redis.commands import Command
from silvaengine.registry.redis_rows import RedisRows
from silvaengine.registry.registry import Registry
from silvaengine.settings import RedisSettings
from silvaengine.tables import CONNECTIONS, ENDPOINTS

from ..redis_server import running_redis

TENANT, KEY = RateLimit("tenant", "tenant:acme", 50.0, 5), RateLimit("key", "key:acme:k", 10.0, 3)


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[RedisClients]:
    """Return clients of a Redis of its own."""
    with running_redis(tmp_path) as (port, _):
        yield RedisClients(RedisSettings("127.0.0.1", port))


def limiter(clients: RedisClients) -> RateLimiter:
    """Return the limiter of one instance of many."""
    return RateLimiter(clients.of("registry"), "{se-registry:generation}limit:", 1_000, instances=1)


def count_allowed(limiters: list[RateLimiter], limits: tuple[RateLimit, ...], calls: int) -> int:
    """Make so many calls, in turns; return how many were allowed."""
    count = 0
    for number in range(calls):
        try:
            limiters[number % len(limiters)].admit(limits)
        except RequestError as error:
            assert error.status == 429  # noqa: PT017 - it is counted
            continue
        count += 1
    return count


def test_all_instances_count_together(clients: RedisClients) -> None:
    """Burst and rate are those of all instances together."""
    instances = [limiter(clients) for _ in range(3)]
    slow = (KEY._replace(per_second=0.5),)
    assert count_allowed(instances, slow, 9) == 3
    sleep(2.1)
    assert count_allowed(instances, slow, 9) == 1


def test_both_limits_hold_and_neither_is_charged_for_a_refusal(clients: RedisClients) -> None:
    """What the key's limit refuses takes nothing from the tenant's."""
    slow = (TENANT._replace(per_second=0.01), KEY._replace(per_second=0.01))
    assert count_allowed([limiter(clients)], slow, 9) == 3
    assert limiter(clients).admit(slow[:1])["RateLimit"].startswith('"tenant";r=1;')


def test_a_full_bucket_expires(clients: RedisClients) -> None:
    """Redis keeps nothing of tenants that are quiet."""
    instance = limiter(clients)
    instance.admit((KEY,))
    sleep(0.3)
    key = f"{{se-registry:generation}}limit:{KEY.bucket}"
    assert clients.of("registry").execute(key, ("EXISTS", key)) == [0]


def test_without_redis_each_instance_allows_its_share(clients: RedisClients) -> None:
    """Calls are neither unlimited nor all refused."""
    away = RedisClients(RedisSettings("127.0.0.1", 1))
    instance = RateLimiter(away.of("registry"), "limit:", 1_000, instances=2)
    assert count_allowed([instance], (TENANT._replace(per_second=0.5, burst=6),), 9) == 3


class Tables:
    """A tenant with both limits."""

    generation = 1

    def get(self, *_: object) -> dict[str, Any]:
        return {"value": self.generation}

    def batch_get(self, wanted: Any) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {
            ENDPOINTS.name: {"special_connection": True, "rate_limit": {"per_second": 100, "burst": 100}},
            CONNECTIONS.name: {"functions": [], "rate_limit": {"per_second": 0.01, "burst": 3}},
        }
        return [rows[table.name] for table, _ in wanted]

    def query(self, *_: object) -> list[Any]:
        return []


def test_counting_takes_no_extra_round_trip(clients: RedisClients) -> None:
    """Cached limits are charged in the round trip that checks the generation, and hold."""
    tables: Any = Tables()
    shared = RedisRows(clients.of("registry"), "se-", refresh=60.0, keeps_rows=False)
    registry = Registry(tables, {}, stage="beta", redis_rows=shared)
    sent: list[int] = []
    client = clients.of("registry")
    execute = client.execute

    def counted(key: str, *commands: Command) -> Any:
        sent.append(len(commands))
        return execute(key, *commands)

    client.execute = counted  # type: ignore[method-assign]
    one = limiter(clients)
    admission = Admission(registry, lambda: one, lambda: Authorization(Packages(()), 1_000))
    for expected in ([1, 1, 1], [2], [2]):  # the look, the generation put there, the first count; then both
        sent.clear()
        _, headers = admission.admit("acme", "k", "core")
        assert sent == expected
        assert set(headers) == {"RateLimit", "RateLimit-Policy"}
    with pytest.raises(RequestError, match="Too many requests"):
        admission.admit("acme", "k", "core")
