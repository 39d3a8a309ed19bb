"""Follows a page's blocks in a folder as a reader would: types the commands, writes the files, watches."""

import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ..node import path_with_node
from .blocks import Block, Command, change, pattern, read_commands

READY_SECONDS = 240  # a first `make dev` installs everything
MOMENT_SECONDS = 40  # a change is served in 3, a new package in 6; the machine may be busy
COMMAND_SECONDS = 60
STOP_SECONDS = 30
VARIABLE = re.compile("([A-Z]+)=")  # of the shell
LOCAL_API = re.compile(r"http://127\.0\.0\.1:\d+/_aws/execute-api/\w+/\w+")


class Walkthrough:
    """A reader with a terminal for commands and others, each for what keeps running.

    Args:
        folder: where the reader begins.
        resources: ends what keeps running, with Ctrl-C.
        programs: of the virtual environment that is active.

    """

    def __init__(self, folder: Path, resources: ExitStack, programs: Path) -> None:
        self._folder = folder
        self._resources = resources
        self._environment = environment(programs)
        self._typed: list[str] = []  # what a shell remembers
        self._screens: list[Path] = []
        self._edited: dict[str, int] = {}  # files, and how often the screens had named them before

    def follow(self, block: Block) -> None:
        """Do what a block says; raises AssertionError when the page is wrong."""
        kind, _, detail = block.marker.partition(": ")
        match kind, block.language:
            case ("not run", "console") | ("", "mermaid"):
                pass
            case "keeps running", "console":
                self._start(*read_commands(block.text))
            case "" | "in a moment" | "once published", "console":
                if kind == "once published":
                    self._wait_until(self._has_published)
                    self._edited.clear()
                for command in read_commands(block.text):
                    self._type(command, patience=MOMENT_SECONDS if kind == "in a moment" else 0)
            case "in another terminal", "console":
                self._wait_until(lambda: bool(pattern(block.text).search(self._screen())))
            case "file", _:
                self._edit(detail, block.text)
            case "change", "diff":
                self._edit(detail, change((self._folder / detail).read_text(), block.text))
            case "part of", _:
                assert block.text in (self._folder / detail).read_text()
            case _:
                raise AssertionError(f"a block of {block.language} without a known marker: {block.text}")

    def _start(self, command: Command) -> None:
        self._screens.append(self._folder / f"screen-{len(self._screens)}.log")
        ours, theirs = pty.openpty()
        self._resources.callback(os.close, ours)
        with self._screens[-1].open("wb") as output, os.fdopen(theirs) as keyboard:
            process = subprocess.Popen(
                ["/bin/bash", "-c", "\n".join([*self._typed, command.line])],
                cwd=self._folder,
                env=self._environment,
                stdin=keyboard,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._resources.callback(_press_ctrl_c, process)
        expected = pattern(command.output)

        def has_shown() -> bool:
            shown = self._screen()
            assert process.poll() is None, shown
            return bool(expected.search(shown))

        self._wait_until(has_shown)
        if command.line.startswith("silvaengine dev"):
            self._edited.clear()  # it begins with all files as they are

    def _edit(self, name: str, text: str) -> None:
        self._edited[name] = self._screen().count(name)
        (self._folder / name).write_text(text)

    def _has_published(self) -> bool:
        """Return whether `silvaengine dev` has seen all edits, and done what the last of them need."""
        screen = self._screen()
        last = screen.rpartition("changed: ")[2]
        names, _, said = last.partition("\n")
        steps = {"packages/": "publish ", "registry.yaml": "apply registry.yaml: "}
        return all(screen.count(name) > before for name, before in self._edited.items()) and all(
            f"\n{step}" in f"\n{said}" for part, step in steps.items() if part in names
        )

    def _wait_until(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not is_done():
            assert time.monotonic() < deadline, self._screen()
            time.sleep(0.2)

    def _type(self, command: Command, patience: float) -> None:
        if command.line.startswith("API="):
            assert LOCAL_API.fullmatch(command.line.removeprefix("API="))
            self._typed.append(f"API={self.api}")
        elif assigned := VARIABLE.match(command.line):
            done = self.run("\n".join([*self._typed, command.line, f"declare -p {assigned[1]}"]))
            assert done.returncode == 0, done.stderr
            self._typed.append(done.stdout)
        elif command.line.startswith("cd "):
            self._folder /= command.line.removeprefix("cd ")
        else:
            self._expect(command, time.monotonic() + patience)

    def _expect(self, command: Command, deadline: float) -> None:
        expected = pattern(command.output)
        while True:
            done = self.run("\n".join([*self._typed, command.line]))
            shown = done.stdout.rstrip() + "\n"
            if done.returncode == 0 and expected.fullmatch(shown):
                return
            assert time.monotonic() < deadline, f"$ {command.line}\n{shown}{done.stderr}\n{self._screen()}"
            time.sleep(0.2)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the folder."""
        return subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    @property
    def api(self) -> str:
        """The address of the API that `silvaengine dev` showed."""
        found = LOCAL_API.search(self._screen())
        assert found
        return found[0]

    def _screen(self) -> str:
        """Return what the programs that keep running have printed."""
        return "".join(screen.read_text(errors="replace") for screen in self._screens)


def environment(programs: Path) -> dict[str, str]:
    """Return our environment with programs in front, and without our sources and what tests left in it."""
    ours = os.environ  # noqa: TID251 - it is for programs
    left = ("MAKE", "MFLAGS", "AWS_", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in ours.items() if not name.startswith(left)}
    as_on_a_terminal = {"COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
    return {**kept, **as_on_a_terminal, "PATH": f"{programs}{os.pathsep}{path_with_node()}"}


def _press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a program and its children as a terminal does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    process.wait(STOP_SECONDS)
