"""A cluster of three: a single server would hide keys that lie in different slots, and moved ones."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py
from tests.fakes.cache import keep_by

from silvaengine.redis import connection
from silvaengine.redis.breaker import FIRST_PAUSE, TierError
from silvaengine.redis.client import RedisClients
from silvaengine.settings import RedisSettings

from .cluster import Network, running_cluster, wait_until
from .conftest import instance


@pytest.fixture(scope="module")
def network() -> Network:
    """What lies between the nodes."""
    return Network()


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, network: Network) -> Iterator[list[int]]:
    """Three masters that share the slots."""
    folders = [tmp_path_factory.mktemp(f"node{number}") for number in range(3)]
    with running_cluster(folders, network) as ports:
        yield ports


NAMES = [f"cache-{number}" for number in range(12)]


def test_caches_lie_all_over_it(ports: list[int], source: Callable[[str], str], calls: list[str]) -> None:
    """Caches of many names, on all nodes, are kept, found by another instance, and cleared."""
    settings = RedisSettings("127.0.0.1", ports[0], cluster=True)
    one, two = instance(settings), instance(settings)
    for name in NAMES:
        kept, found = (keep_by(cache, source, cache_name=name, lock=True) for cache in (one, two))
        first = kept(name)
        assert found(name) == first
        assert kept.cache_clear() is True
        two.fence.begin()
        assert found(name) != first
        assert kept.cache_stats()["redis_state"] == "closed"
        assert kept.cache_delete(name) is True
    assert len(calls) == 2 * len(NAMES)
    held: list[Any] = [redis_py.Redis(port=port).keys("se-cache:*") for port in ports]
    assert all(held), "every node holds some"


@pytest.mark.parametrize("lock", [False, True])
def test_a_slot_that_moves_is_followed(
    ports: list[int],
    source: Callable[[str], str],
    calls: list[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    lock: bool,
) -> None:
    """While its keys are on two nodes values are found, stored and cleared, and afterwards on the new one."""
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 10.0)  # a busy machine's nodes answer late
    name = f"moving-{lock}".lower()
    cache, other = (instance(RedisSettings("127.0.0.1", ports[0], cluster=True)) for _ in range(2))
    kept, found = (keep_by(each, source, cache_name=name, lock=lock) for each in (cache, other))
    for key in "abc":
        kept(key)
    nodes: list[Any] = [redis_py.Redis(port=port) for port in ports]
    slot = nodes[0].execute_command("CLUSTER", "KEYSLOT", f"{{{name}}}")
    ids = [node.execute_command("CLUSTER", "MYID") for node in nodes]
    ids = [each.decode() if isinstance(each, bytes) else each for each in ids]
    (origin,) = [number for number, node in enumerate(nodes) if node.keys(f"se-cache:{{{name}}}*")]
    target = (origin + 1) % 3
    nodes[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[origin])
    nodes[origin].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    keys = nodes[origin].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
    for done, key in enumerate(sorted(keys), 1):
        nodes[origin].execute_command("MIGRATE", "127.0.0.1", ports[target], key, 0, 5000)
        cache.memory.drop_if(lambda _: True)
        assert [kept(each) for each in "abc"] == ["a 1", "b 2", "c 3"]
        assert kept(str(done)) == found(str(done)) == f"{done} {len(calls)}"
    assert kept.cache_clear() is True
    assert kept("a") == f"a {len(calls)}"
    for key in nodes[origin].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        nodes[origin].execute_command("MIGRATE", "127.0.0.1", ports[target], key, 0, 5000)
    for node in (nodes[target], nodes[origin]):
        node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    assert found("a") == kept("a")
    other.fence.begin()
    assert found("a") == kept("a") == f"a {len(calls)}"
    assert {each.cache_stats()["redis_state"] for each in (kept, found)} == {"closed"}
    assert {each.cache_stats()["instance"].get("redis_errors", 0) for each in (kept, found)} == {0}


@pytest.mark.parametrize("lock", [False, True])
def test_a_pause_of_the_network_between_the_nodes(
    ports: list[int], network: Network, source: Callable[[str], str], *, lock: bool
) -> None:
    """Nodes that lost one another refuse everything: calls are answered, a clear says that it got nowhere.

    When they have found one another again, values are there again, and a clear ends them for everybody.
    """
    settings = RedisSettings("127.0.0.1", ports[0], cluster=True)
    names = [f"{'locked' if lock else 'paused'}-{number}" for number in range(6)]
    one, two = instance(settings), instance(settings)
    kept, found = (
        [keep_by(cache, source, cache_name=name, lock=lock) for name in names] for cache in (one, two)
    )
    before = [each("a") for each in kept]
    with network.paused():
        wait_until(ports, "fail")
        one.fence.begin()
        assert [each("a") for each in kept] == before, "what was confirmed a moment ago is still served"
        assert all(each("new").startswith("new ") for each in found)
        assert [each.cache_clear() for each in kept] == [False] * len(names)
        assert not set(before) & {each("a") for each in kept}
    wait_until(ports, "ok")
    for cache in (one, two):
        assert cache.tiers.redis
        cache.tiers.redis.breaker.record_success()  # its pause is over
        cache.memory.drop_if(lambda _: True)
    assert [each("a") for each in found] == before, "nobody else was told of that clear"
    assert all(each.cache_clear() for each in kept)
    two.fence.begin()
    assert not set(before) & {each("a") for each in found}
    assert {each.cache_stats()["redis_state"] for each in (*kept, *found)} == {"closed"}


def test_a_rotated_password_opens_a_cluster(ports: list[int], secrets: list[str]) -> None:
    """The nodes are asked for the map of slots with the secret as it is now."""
    nodes: list[Any] = [redis_py.Redis(port=port) for port in ports]
    secrets.append("the first secret")
    now = 0.0
    clients = RedisClients(
        RedisSettings("127.0.0.1", ports[0], password="secretsmanager:redis/password", cluster=True),
        clock=lambda: now,
    )
    for node in nodes:
        node.config_set("requirepass", "the next secret")
    try:
        with pytest.raises(TierError):
            clients.of("a").execute("k", ["GET", "k"])
        secrets.append("the next secret")
        now += FIRST_PAUSE
        assert clients.of("a").execute("k", ["GET", "k"]) == [None]
    finally:
        for node in nodes:
            node.config_set("requirepass", "")
