"""The README, followed step by step from the wheel."""

import json
import re
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.wheel import build_wheel, install

from .blocks import read_blocks, read_commands
from .walkthrough import Walkthrough

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
NOT_RUN = [
    "python3.13 -m venv .venv && source .venv/bin/activate",
    "pip install 'silvaengine-base[cli,console]' pytest",
    "silvaengine preflight prod --account",  # needs an AWS account, as do the rest
    "silvaengine deploy --stage prod",
    "silvaengine invoke demo greet_hello --param name=Ada --stage prod",
]
CALL_HANDLER = """
import json, sys
from handler import lambda_handler
print(json.dumps(lambda_handler(json.load(sys.stdin), None)))
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder of the programs that whoever has installed the wheel has."""
    return install(build_wheel(tmp_path), tmp_path / "venv")


@pytest.mark.timeout(420)
def test_every_command_prints_what_the_readme_shows(programs: Path, tmp_path: Path) -> None:
    """Whoever follows the README from its first line to its last sees what it says."""
    with ExitStack() as resources:
        reader = Walkthrough(tmp_path, resources, programs)
        for block in read_blocks(README):
            reader.follow(block)
        response = _call_handler(reader, tmp_path / "shop")
    message = {"message": "Hello, Ada!", "tenant": "demo"}
    assert (response["statusCode"], json.loads(response["body"])) == (200, message)


def test_the_wheel_has_what_the_console_serves(tmp_path: Path) -> None:
    """Templates, and files for the browser with their licences."""
    served = {
        str(path.relative_to(PROJECT / "cli"))
        for folder in ("templates", "static")
        for path in (PROJECT / "cli/silvaengine_cli/console" / folder).iterdir()
    }
    with zipfile.ZipFile(build_wheel(tmp_path)) as wheel:
        assert served <= set(wheel.namelist())


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


def _call_handler(reader: Walkthrough, folder: Path) -> dict[str, Any]:
    """Let the Lambda of one's own response a request against the running engine's tables."""
    engine = reader.api.partition("/_aws")[0]
    event = {
        "httpMethod": "GET",
        "pathParameters": {"area": "core", "endpoint_id": "demo", "proxy": "greet_hello"},
        "queryStringParameters": {"name": "Ada"},
        "headers": {},
        "requestContext": {"stage": "dev"},
    }
    (folder / "event.json").write_text(json.dumps(event))
    (folder / "call.py").write_text(CALL_HANDLER)
    worker = "arn:aws:lambda:us-east-1:000000000000:function:silvaengine-local-Worker"
    settings = f"TABLE_PREFIX=shop-dev- WORKER_ARN={worker} AWS_ENDPOINT_URL={engine}"
    credentials = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    done = reader.run(f"{settings} {credentials} python call.py < event.json")
    assert done.returncode == 0, done.stderr
    response: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return response
