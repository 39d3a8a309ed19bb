"""A cluster of three: a single server would hide keys that lie in different slots, and moved ones."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import redis as redis_py
from tests.fakes.cache import keep_by
from tests.redis_server import running_redis

from silvaengine.settings import RedisSettings

from .conftest import instance

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = 16_384
READY_SECONDS = 20.0


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """Three masters that share the slots."""
    with ExitStack() as stack:
        ports = []
        for number in range(3):
            folder: Path = tmp_path_factory.mktemp(f"node{number}")
            options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
            port, _ = stack.enter_context(running_redis(folder, *options))
            ports.append(port)
        nodes: list[Any] = [redis_py.Redis(port=port) for port in ports]
        for number, node in enumerate(nodes):
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3
            node.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
        for port in ports[1:]:
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        wait_until_formed(nodes)
        yield ports


def wait_until_formed(nodes: list[Any]) -> None:
    """Wait until every node knows the others."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        states = [str(node.execute_command("CLUSTER", "INFO")) for node in nodes]
        if all("cluster_state:ok" in state and "cluster_known_nodes:3" in state for state in states):
            return
        time.sleep(0.1)
    raise TimeoutError("the cluster has not formed")


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


def test_a_moved_slot_is_followed(ports: list[int], source: Callable[[str], str]) -> None:
    """When a slot moves to another node, the next call finds it there."""
    cache = instance(RedisSettings("127.0.0.1", ports[0], cluster=True))
    kept = keep_by(cache, source, cache_name="moving")
    kept("a")
    nodes: list[Any] = [redis_py.Redis(port=port) for port in ports]
    slot = nodes[0].execute_command("CLUSTER", "KEYSLOT", "{moving}")
    ids = [node.execute_command("CLUSTER", "MYID") for node in nodes]
    ids = [each.decode() if isinstance(each, bytes) else each for each in ids]
    (origin,) = [number for number, node in enumerate(nodes) if node.keys("se-cache:{moving}*")]
    target = (origin + 1) % 3
    nodes[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[origin])
    nodes[origin].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    for key in nodes[origin].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        nodes[origin].execute_command("MIGRATE", "127.0.0.1", ports[target], key, 0, 5000)
    for node in (nodes[target], nodes[origin]):
        node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    cache.memory.drop_if(lambda _: True)
    assert kept("a") == "a 1"
    assert cache.tiers.redis
    assert cache.tiers.redis.breaker.state == "closed"
