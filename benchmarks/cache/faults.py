"""A Redis that hangs: what the first call pays, and those behind the breaker."""

import os
import select
import signal
import subprocess
import sys
import time
from statistics import median
from subprocess import DEVNULL, PIPE

from benchmarks.cache.peers import hung
from benchmarks.cache.redis_server import Server
from benchmarks.cache.subjects import get_agent, our_cache, ours
from benchmarks.harness.paths import PROJECT
from benchmarks.harness.report import table
from silvaengine.cache.hybrid import HybridCache

PEERS = ("redis-py", "the predecessor", "aiocache")
PATIENCE = 30.0  # seconds that a peer is waited for


def measured(server: Server, *, quick: bool) -> str:
    """Return the table, in milliseconds."""
    first: list[float] = []
    others: list[float] = []
    usual: list[float] = []
    for _ in range(1 if quick else 5):
        _hang(server, first, others)
        usual += _misses(our_cache(), 50)
    rows = [
        ("SilvaEngine, first call", f"{median(first):.2f}"),
        ("SilvaEngine, calls behind the breaker", f"{median(others):.2f}"),
        ("SilvaEngine without Redis", f"{median(usual):.2f}"),
        *_peers(server, PATIENCE if not quick else 0.2),
    ]
    return table(("a miss", "ms"), rows)


def _peers(server: Server, seconds: float) -> list[tuple[str, str]]:
    """Time one GET of each peer, all at once; who takes longer than so many seconds isn't waited for."""
    commands = {name: [sys.executable, "-m", hung.__name__, name, str(server.port)] for name in PEERS}
    processes = {
        name: subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True, cwd=PROJECT)
        for name, command in commands.items()
    }
    try:
        for process in processes.values():
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        os.kill(server.pid, signal.SIGSTOP)
        until = time.monotonic() + seconds
        for process in processes.values():
            assert process.stdin
            print(file=process.stdin, flush=True)
        return [
            (f"{name}, each call", _answer(process, until, seconds)) for name, process in processes.items()
        ]
    finally:
        os.kill(server.pid, signal.SIGCONT)
        for process in processes.values():
            process.kill()
            process.wait()


def _answer(process: "subprocess.Popen[str]", until: float, seconds: float) -> str:
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))
    return f"{float(process.stdout.readline()):,.0f}" if ready else f"> {seconds * 1000:,.0f}"


def _hang(server: Server, first: list[float], others: list[float]) -> None:
    cache = our_cache(server.port)
    _misses(cache, 1)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        first += _misses(cache, 1)
        others += _misses(cache, 50)
    finally:
        os.kill(server.pid, signal.SIGCONT)


def _misses(cache: HybridCache, times: int) -> list[float]:
    """Miss so many times; return the milliseconds of each."""
    found = ours(cache, get_agent, name="hanging")
    taken = []
    for number in range(times):
        started = time.perf_counter()
        found("acme", f"{time.time_ns()} {number}")
        taken.append((time.perf_counter() - started) * 1000)
    return taken
