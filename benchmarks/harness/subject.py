"""A subject in its own process: warm calls timed or counted, or a whole life counted."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
COLLECTED = re.compile(rb"Collected : (\d+)")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Args:
        name: its name in the tables.
        python: the interpreter that runs it.
        folders: what is on its path before the standard library, in this order.
        call: ``module:function`` of a function without parameters that does the work once.
        environment: all of its variables.
        warm_ups: calls before anything is measured; 0 measures the first one, too.

    """

    name: str
    python: Path
    folders: tuple[Path, ...]
    call: str
    environment: Mapping[str, str] = field(default_factory=dict)
    warm_ups: int = 20

    def command(self) -> list[str]:
        """The command line of its process: isolated, without site-packages but those of ``folders``."""
        folders = ":".join(map(str, self.folders))
        return [str(self.python), "-I", "-S", str(CHILD), folders, self.call, str(self.warm_ups)]


class Running:
    """A subject's running process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._folder = Path("/proc", str(process.pid))
        self._expect()

    def cpu_seconds(self) -> float:
        """Return what all threads of the process have used so far, in steps of 10 ms."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """Return the most memory that it had at once."""
        status = (self._folder / "status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024

    def call(self, times: int) -> float:
        """Call the subject so many times; gives microseconds per call."""
        assert self._process.stdin
        self._process.stdin.write(b"%d\n" % times)
        self._process.stdin.flush()
        return int(self._expect()) / times / 1000

    def _expect(self) -> bytes:
        """Read the child's next answer, past whatever the subject or valgrind writes."""
        assert self._process.stderr
        seen = []
        for line in self._process.stderr:
            if line.startswith(b"@"):
                return line[1:].strip()
            seen.append(line)
        raise RuntimeError(b"".join(seen).decode())


@contextmanager
def running(subject: Subject, *wrapper: str) -> Iterator[Running]:
    """Keep a subject's process for the length of the block."""
    with subprocess.Popen(
        [*wrapper, *subject.command()],
        env=dict(subject.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def callgrind(*options: str) -> list[str]:
    """Return what counts the user-mode instructions of a command that follows.

    Raises:
        SystemExit: valgrind isn't installed.

    """
    if shutil.which("valgrind") is None:
        raise SystemExit("Instructions are counted by valgrind: apt-get install -y valgrind")
    return ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *options]


def warm_instructions(subject: Subject, times: int = 50) -> int:
    """Count the instructions of one warm call; the start of the process isn't in it."""
    with subprocess.Popen(
        [*callgrind("--instr-atstart=no"), *subject.command()],
        env={"PYTHONHASHSEED": "0", **subject.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            child = Running(process)
            _instrument(process.pid, "on")
            child.call(times)
            _instrument(process.pid, "off")
            assert process.stdin
            process.stdin.close()
            assert process.stderr
            return _collected(process.stderr.read()) // times
        finally:
            process.kill()


def cold_instructions(subject: Subject) -> int:
    """Count the instructions of a whole life: process start, import, ``warm_ups`` calls, end."""
    done = subprocess.run(
        [*callgrind(), *subject.command()],
        env={"PYTHONHASHSEED": "0", **subject.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return _collected(done.stderr)


def _instrument(pid: int, state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(pid)], check=True, capture_output=True)


def _collected(output: bytes) -> int:
    found = COLLECTED.search(output)
    if found is None:
        raise RuntimeError(output.decode())
    return int(found[1])
