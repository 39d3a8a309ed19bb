"""A subject in its own process: warm calls timed or counted, or a whole life counted."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

CHILD = Path(__file__).with_name("child.py")
_counts = True
NATIVE = re.compile(r"^(\d+),.*instructions", re.MULTILINE)
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

    def evaluate(self, code: str, argument: str) -> str:
        """Return what Python code prints in such a process; it finds its argument in ``sys.argv[1]``."""
        path = f"import sys; sys.path[:0] = {[str(folder) for folder in self.folders]!r}\n"
        command = [str(self.python), "-I", "-S", "-c", path + code, argument]
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=True)
        return done.stdout


def cpu_seconds(process: Path) -> float:
    """Return what all threads of a process, a folder in /proc, have used so far, in steps of 10 ms."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(process: Path) -> float:
    """Return the most memory that a process had at once."""
    status = (process / "status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


class Running:
    """A subject's running process; ``folder`` is the one in /proc."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.folder = Path("/proc", str(process.pid))
        self._expect()

    def call(self, times: int) -> float:
        """Call the subject so many times and return the microseconds per call."""
        assert self._process.stdin
        self._process.stdin.write(b"%d\n" % times)
        self._process.stdin.flush()
        return int(self._expect()) / times / 1000

    def instrument(self, state: str) -> None:
        """Let callgrind count from now on, or no more."""
        control = ["callgrind_control", "-i", state, str(self._process.pid)]
        subprocess.run(control, check=True, capture_output=True)

    def end(self) -> bytes:
        """Let the process end by itself, and return what it wrote last."""
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.stderr
        return self._process.stderr.read()

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


def warm_microseconds(subjects: Sequence[Subject], *, rounds: int, calls: int) -> list[float]:
    """Return each subject's median of microseconds per warm call, taken in turns against a busy machine."""
    with ExitStack() as stack:
        children = [stack.enter_context(running(subject)) for subject in subjects]
        times = [[child.call(calls) for child in children] for _ in range(rounds)]
    return [median(column) for column in zip(*times, strict=True)]


def callgrind(*options: str) -> list[str]:
    """Return what counts the user-mode instructions of a command that follows, or end without valgrind."""
    if shutil.which("valgrind") is None:
        raise SystemExit("Instructions are counted by valgrind: apt-get install -y valgrind")
    return ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *options]


def count_nothing() -> None:
    """Let subjects run from now on without valgrind, which takes fifty times as long; each count is 1."""
    global _counts  # noqa: PLW0603 - of the whole run
    _counts = False


def warm_instructions(subject: Subject, times: int = 50) -> int:
    """Count the instructions of one warm call; the start of the process isn't in it."""
    if not _counts:
        return _run_once(subject)
    with running(_repeatable(subject), *callgrind("--instr-atstart=no")) as child:
        child.instrument("on")
        child.call(times)
        child.instrument("off")
        return _collected(child.end()) // times


def count_all(count: Callable[[Subject], int], subjects: Iterable[Subject]) -> list[int]:
    """Count each subject, as many at a time as there are cores: instructions don't depend on the others."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(count, subjects))


@cache
def has_counters() -> bool:
    """Return whether perf can count the processor's own instructions here; few virtual machines let it."""
    if shutil.which("perf") is None:
        return False
    done = subprocess.run([*_perf(Path("/dev/stdout")), "true"], capture_output=True, text=True, check=False)
    return bool(NATIVE.search(done.stdout))


def native_instructions(subject: Subject, times: int = 2000) -> int:
    """Count the instructions of one warm call by the processor's counters, without those of the start."""
    once, twice = (_native_life(subject, calls) for calls in (times, 2 * times))
    return (twice - once) // times


def _native_life(subject: Subject, calls: int) -> int:
    with TemporaryDirectory() as folder:
        report = Path(folder, "report")
        with running(_repeatable(subject), *_perf(report)) as child:
            child.call(calls)
            child.end()
        found = NATIVE.search(report.read_text())
        assert found
        return int(found[1])


def _perf(report: Path) -> list[str]:
    return ["perf", "stat", "-x,", "-e", "instructions:u", "-o", str(report), "--"]


def cold_instructions(subject: Subject) -> int:
    """Count the instructions of a whole life: process start, import, ``warm_ups`` calls, end."""
    if not _counts:
        return _run_once(replace(subject, warm_ups=0))
    with running(_repeatable(subject), *callgrind()) as child:
        return _collected(child.end())


def _run_once(subject: Subject) -> int:
    with running(subject) as child:
        child.call(1)
    return 1


def _repeatable(subject: Subject) -> Subject:
    return replace(subject, environment={"PYTHONHASHSEED": "0", **subject.environment})


def _collected(output: bytes) -> int:
    found = COLLECTED.search(output)
    if found is None:
        raise RuntimeError(output.decode())
    return int(found[1])
