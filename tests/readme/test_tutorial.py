"""The tutorial, followed step by step from the wheel."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.wheel import build_wheel, install

from .blocks import read_blocks, read_commands
from .test_links import PROJECT
from .walkthrough import Walkthrough

PAGE = (PROJECT / "docs/tutorial.md").read_text()
ISSUER = "8089"  # the port that the page has for it
NOT_RUN = [
    "python3.13 -m venv .venv && source .venv/bin/activate",
    "pip install 'silvaengine-base[cli]' pytest moto 'pyjwt[crypto]'",
    "silvaengine deploy --stage prod",  # needs an AWS account, as does the rest
    "silvaengine secrets set links --generate --stage prod",
]


@pytest.mark.timeout(420)
def test_every_command_prints_what_the_tutorial_shows(tmp_path: Path) -> None:
    """Whoever follows it has each file, each answer and each push that it shows."""
    programs = install(build_wheel(tmp_path), tmp_path / "venv", "moto", "pyjwt[crypto]")
    with ExitStack() as resources:
        reader = Walkthrough(tmp_path, resources, programs)
        for block in read_blocks(PAGE.replace(ISSUER, str(_free_port()))):
            reader.follow(block)


def test_only_commands_on_a_fixed_list_are_not_run() -> None:
    """A command that no test runs is a decision, not an oversight."""
    skipped = [block for block in read_blocks(PAGE) if block.marker.startswith("not run: ")]
    assert [command.line for block in skipped for command in read_commands(block.text)] == NOT_RUN


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
