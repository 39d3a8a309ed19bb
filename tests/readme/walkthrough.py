"""Follows a page's blocks in a folder as a reader would: types the commands, writes the files, watches."""

import os
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from ..node import path_with_node
from .blocks import Block, Command, pattern, read_commands

READY_SECONDS = 240  # a first `make dev` installs everything
MOMENT_SECONDS = 40  # a change is served in 3, a new package in 6; the machine may be busy
COMMAND_SECONDS = 60
STOP_SECONDS = 30
LOCAL_API = re.compile(r"http://127\.0\.0\.1:\d+/_aws/execute-api/\w+/\w+")


class Walkthrough:
    """A reader with one terminal for commands and another for what keeps running.

    Args:
        folder: where the reader begins.
        resources: ends what keeps running, with Ctrl-C.
        programs: of the virtual environment that is active.

    """

    def __init__(self, folder: Path, resources: ExitStack, programs: Path) -> None:
        self._folder = folder
        self._resources = resources
        self._environment = _environment(programs)
        self._typed: list[str] = []  # what a shell remembers

    def follow(self, block: Block) -> None:
        """Do what a block says; raises AssertionError when the page is wrong."""
        kind, _, detail = block.marker.partition(": ")
        match kind, block.language:
            case ("not run", "console") | ("", "mermaid"):
                pass
            case "keeps running", "console":
                self._start(*read_commands(block.text))
            case "" | "in a moment", "console":
                for command in read_commands(block.text):
                    self._type(command, patience=MOMENT_SECONDS if kind else 0)
            case "file", _:
                (self._folder / detail).write_text(block.text)
            case "part of", _:
                assert block.text in (self._folder / detail).read_text()
            case _:
                raise AssertionError(f"a block of {block.language} without a known marker: {block.text}")

    def _start(self, command: Command) -> None:
        with (self._folder / "screen.log").open("wb") as output:
            process = subprocess.Popen(
                ["/bin/bash", "-c", command.line],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._resources.callback(_press_ctrl_c, process)
        expected = pattern(command.output)
        deadline = time.monotonic() + READY_SECONDS
        while not expected.search(self._screen()):
            assert process.poll() is None, self._screen()
            assert time.monotonic() < deadline, self._screen()
            time.sleep(0.2)

    def _type(self, command: Command, patience: float) -> None:
        if command.line.startswith("API="):
            assert LOCAL_API.fullmatch(command.line.removeprefix("API="))
            self._typed.append(f"API={self.api}")
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
        """Return what the program that keeps running has printed."""
        return (self._folder / "screen.log").read_text(errors="replace")


def _environment(programs: Path) -> dict[str, str]:
    """Return our environment with programs in front, and without our sources and what tests left in it."""
    ours = os.environ  # noqa: TID251 - it is for programs
    left = ("MAKE", "MFLAGS", "AWS_", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in ours.items() if not name.startswith(left)}
    return {**kept, "COLUMNS": "80", "PATH": f"{programs}{os.pathsep}{path_with_node()}"}


def _press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a program and its children as a terminal does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    process.wait(STOP_SECONDS)
