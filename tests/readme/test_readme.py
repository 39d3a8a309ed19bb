"""The README, followed step by step in a fresh copy of the project."""

import json
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from .blocks import read_blocks, read_commands
from .walkthrough import Walkthrough

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
NOT_RUN = [
    "make test",  # runs this
    "source .venv/bin/activate",
    "silvaengine preflight dev --account",  # needs an AWS account, as do the rest
    "sam build && sam deploy --config-env dev",
    "silvaengine publish packages/guestbook --stack silvaengine-dev",
    "silvaengine apply --stack silvaengine-dev",
    "silvaengine invoke demo hello --param name=Ada --stack silvaengine-dev",
]
CALL_HANDLER = """
import json, sys
from handler import lambda_handler
print(json.dumps(lambda_handler(json.load(sys.stdin), None)))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a clone would hold: no environment, no artefact, no state."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git's place differs
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if (PROJECT / name).is_file() or (PROJECT / name).is_symlink():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, tmp_path / name, follow_symlinks=False)
    return tmp_path


@pytest.mark.timeout(420)
def test_every_command_prints_what_the_readme_shows(copy: Path) -> None:
    """Whoever follows the README from its first line to its last sees what it says."""
    with ExitStack() as resources:
        reader = Walkthrough(copy, resources)
        for block in read_blocks(README):
            reader.follow(block)
        response = _call_handler(reader, copy)
    assert (response["statusCode"], json.loads(response["body"])) == (200, {"message": "Hello, Ada!"})


def test_only_commands_on_a_fixed_list_are_not_run() -> None:
    """A command of the README that no test runs is a decision, not an oversight."""
    skipped = [block for block in read_blocks(README) if block.marker.startswith("not run: ")]
    assert [command.line for block in skipped for command in read_commands(block.text)] == NOT_RUN


def test_the_parameters_are_the_templates() -> None:
    """The README names parameters that exist, with the defaults that they have."""
    template = (PROJECT / "template.yaml").read_text()
    section = re.search(r"^Parameters:\n(?:(?: .*)?\n)+", template, re.MULTILINE)
    assert section
    parameters = yaml.safe_load(section[0])["Parameters"]
    rows = re.findall(r"^\| (`[A-Z][A-Za-z]+`.*?) \| (.*?) ?\|", README, re.MULTILINE)
    assert rows
    for names, defaults in rows:
        shown = [default.strip("` ") for default in defaults.split(",")]
        found = [str(parameters[name]["Default"]) for name in re.findall(r"`(\w+)`", names)]
        assert shown * (len(found) if shown == [""] else 1) == found


def _call_handler(reader: Walkthrough, copy: Path) -> dict[str, Any]:
    """Let the Lambda of one's own response a request against the running engine's tables."""
    engine = reader.api.partition("/_aws")[0]
    event = {
        "httpMethod": "GET",
        "pathParameters": {"area": "core", "endpoint_id": "demo", "proxy": "hello"},
        "queryStringParameters": {"name": "Ada"},
        "headers": {},
        "requestContext": {"stage": "beta"},
    }
    (copy / "event.json").write_text(json.dumps(event))
    (copy / "call.py").write_text(CALL_HANDLER)
    credentials = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    done = reader.run(f"AWS_ENDPOINT_URL={engine} {credentials} .venv/bin/python call.py < event.json")
    assert done.returncode == 0, done.stderr
    response: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return response
