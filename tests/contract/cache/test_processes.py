"""Several processes on one Redis: one of them frozen while another clears, and all of them at once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server

PROGRAM = Path(__file__).with_name("worker_process.py")


class Worker:
    """A process with a cache."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert self.read() == "ready"

    def send(self, line: str) -> None:
        """Tell it what to do."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        """Wait for what it says."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def do(self, line: str) -> Any:
        """Tell it and wait."""
        self.send(line)
        return self.read()


@contextmanager
def worker(server: Server, *, threads: int = 1, lock: bool = False) -> Iterator[Worker]:
    """Run a process for the length of the block."""
    command = [sys.executable, str(PROGRAM), str(server.port), str(threads), "lock" if lock else "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def loads(server: Server) -> int:
    """Tell how often the source was asked."""
    client: Any = server.client()
    return int(client.get("loads") or 0)


def test_a_frozen_process_sees_the_clear_when_it_goes_on(server: Server) -> None:
    """Stopped, its connections cut, it serves nothing old at its next invocation."""
    with worker(server) as frozen, worker(server) as other:
        old = frozen.do("a")
        assert other.do("a") == old
        os.kill(frozen.process.pid, signal.SIGSTOP)
        assert other.do("clear answer:a") is True
        client: Any = server.client()
        client.client_kill_filter(_type="normal", skipme=True)
        os.kill(frozen.process.pid, signal.SIGCONT)
        new = frozen.do("a")
        assert new != old
        assert other.do("a") == new


def test_two_clears_at_once_both_count(server: Server) -> None:
    """Neither of two clears that cross is lost."""
    with worker(server) as one, worker(server) as two:
        before = {key: one.do(key) for key in ("a", "b", "c")}
        one.send("clear answer:a")
        two.send("clear answer:b")
        assert [one.read(), two.read()] == [True, True]
        after = {key: two.do(key) for key in ("a", "b", "c")}
        assert [after[key] == before[key] for key in ("a", "b", "c")] == [False, False, True]


def test_a_failover_that_brings_an_old_record_back(server: Server) -> None:
    """A process that saw the clear serves nothing older, though the record doesn't know of it any more."""
    client: Any = server.client()
    with worker(server) as one:
        old = one.do("a")
        keys = [key for key in client.keys("se-cache:*") if client.type(key) == b"string"]
        older = {key: client.get(key) for key in keys}
        assert one.do("clear *") is True
        new = one.do("a")
        assert new != old
        for key, text in older.items():
            client.set(key, text)
        assert one.do("a") != old


@pytest.mark.parametrize("processes", [5, pytest.param(20, marks=pytest.mark.nightly)])
def test_a_stampede_of_processes_that_lock_makes_one_load(server: Server, processes: int) -> None:
    """Of several processes with ten threads each, all with a lock, one asks the source for all."""
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(server, threads=10, lock=True)) for _ in range(processes)]
        for each in workers:
            each.send("a")
        answers = [set(each.read()) for each in workers]
    assert set.union(*answers) == {"a 1"}
    assert loads(server) == 1
