"""A running `silvaengine dev`: started in the background, read, and ended by Ctrl-C."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .http_client import Api

SECONDS = 180  # a start takes 20; the machine may be busy
SILVAENGINE = str(Path(sys.executable).with_name("silvaengine"))
# As a script's `silvaengine dev &`.
BACKGROUND = ["/bin/sh", "-c", 'trap "" INT; exec "$0" dev "$@"', SILVAENGINE]


class Dev:
    """A running `silvaengine dev` and what it prints."""

    def __init__(self, project: Path, process: subprocess.Popen[bytes], output: Path) -> None:
        self.project = project
        self.process = process
        self._output = output

    @property
    def printed(self) -> str:
        """All that it has printed."""
        return self._output.read_text()

    @property
    def api(self) -> Api:
        """The API at the address that it printed."""
        address = re.search(r"HTTP +(http://127\.0\.0\.1:\d+/\S+)", self.printed)
        assert address
        return Api(address[1])

    def wait_for_line(self, words: str) -> str:
        """Wait until it has printed these words; give everything from there on."""
        eventually(lambda: words in self.printed or self.process.poll() is not None, lambda: self.printed)
        _, found, rest = self.printed.partition(words)
        assert found, self.printed
        return rest

    def replace(self, file: str, old: str, new: str) -> None:
        """Edit a source."""
        path = self.project / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


def eventually(done: Callable[[], bool], complaint: Callable[[], str]) -> None:
    """Wait for something at most three minutes."""
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.1)


@contextmanager
def running(project: Path, output: Path, *options: str) -> Iterator[Dev]:
    """Run the command in a project of its own until the block ends."""
    with output.open("wb") as stream:
        command = [*BACKGROUND, *options]
        process = subprocess.Popen(command, cwd=project, stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield Dev(project, process, output)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)


def process_list(project: Path) -> list[str]:
    """Return the command lines of the processes that run for a project."""
    done = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if str(project) in line]
