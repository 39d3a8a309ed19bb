"""What each call says to Redis: commands by its own count, those in scripts too, round trips by a proxy's."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Thread
from typing import Any

import redis

from benchmarks.cache import peers
from benchmarks.cache.subjects import AGENT, forget, get_agent, our_cache, ours
from benchmarks.harness.report import table

TIMES = 100
HITS = 1_000  # of an invocation


class Requests:
    """How many were sent on."""

    number = 0


def measured(port: int) -> str:
    """Return the table."""
    with counting_proxy(port) as (proxy, requests):
        rows = [
            (name, *_counted(port, requests, work)) for name, work in (_ours(proxy) | _peers(proxy)).items()
        ]
    return table(("each", "round trips", "commands"), rows)


def _ours(port: int) -> dict[str, Callable[[], object]]:
    cache, numbers = our_cache(port), count()
    found = ours(cache, get_agent)
    stored = ours(cache, get_agent, name="stored")
    locked = ours(cache, get_agent, name="locked", lock=True)

    def invocation() -> None:
        cache.fence.begin()
        for _ in range(HITS):
            found("acme", "a1")

    def hit() -> None:
        forget(cache)
        found("acme", "a1")

    return {
        f"an invocation with {HITS:,} hits in memory": invocation,
        "a hit in Redis": hit,
        "a miss and its store": lambda: stored("acme", f"a{next(numbers)}"),
        "a miss and its store with lock": lambda: locked("acme", f"a{next(numbers)}"),
        "a clear": found.cache_clear,
    }


def _peers(port: int) -> dict[str, Callable[[], object]]:
    miss = peers.predecessor_miss(peers.predecessor_client(port), AGENT, count())
    return {"the predecessor's miss and its store": miss}


def _counted(port: int, requests: Requests, work: Callable[[], object]) -> tuple[float, float]:
    client: Any = redis.Redis(port=port)
    work()  # connects, and makes what must be there
    client.config_resetstat()
    requests.number = 0
    for _ in range(TIMES):
        work()
    commands = client.info("commandstats")
    return requests.number / TIMES, sum(
        value["calls"]
        for name, value in commands.items()
        if not name.startswith(("cmdstat_config", "cmdstat_info"))
    ) / TIMES


@contextmanager
def counting_proxy(port: int) -> Iterator[tuple[int, Requests]]:
    """Pass on what is sent to a port; a client that waits for each answer sends one piece a round trip."""
    requests = Requests()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_accept, args=(listener, port, requests), daemon=True).start()
        yield listener.getsockname()[1], requests


def _accept(listener: socket.socket, port: int, requests: Requests) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        Thread(target=_pass_on, args=(client, server, requests), daemon=True).start()
        Thread(target=_pass_on, args=(server, client, None), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, requests: Requests | None) -> None:
    try:
        while piece := source.recv(1 << 20):
            if requests is not None:
                requests.number += 1
            target.sendall(piece)
    except OSError:
        return
