"""Whatever a client sends within or beyond the OpenAPI document is answered as it says, and never by a 5xx.

schemathesis.readthedocs.io makes the requests.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.publishing.publisher import publish
from silvaengine_cli.uv import find_uv

from .conftest import Deployment
from .desk import ENDPOINT, KEY

SCHEMATHESIS = ("schemathesis==4.32.5", "--with", "hypothesis==6.170.17")
# A second request under one Idempotency-Key is refused, which no schema can say: each has its own.
HOOKS = """\
import itertools, schemathesis

numbers = itertools.count()

@schemathesis.hook
def before_call(context, case, kwargs):
    if "Idempotency-Key" in (case.headers or ()):
        case.headers["Idempotency-Key"] = f"{id(numbers)}-{next(numbers)}"
"""
DESCRIBED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Not among them: ignored_auth, since a wrong key is a 404 that doesn't say whether there is such a tenant;
# unsupported_method, since a GET may have a body, though no client is told to send one.
TYPED = (*DESCRIBED, "positive_data_acceptance", "negative_data_rejection")
NIGHTLY = ("--phases", "examples,coverage,fuzzing", "--workers", "4", "--max-examples")
JOB = "count_tickets"  # its input is looked at later, and a wrong one is accepted
PACKAGE = Path(__file__).parent / "kinds"


def check(
    deployment: Deployment, folder: Path, endpoint_id: str, checks: Sequence[str], *options: str
) -> int:
    """Try an endpoint's document; return how many requests were made, or fail with what was wrong."""
    url = f"{deployment.outputs.api_url}/core/{endpoint_id}"
    hooks = folder / "hooks.py"
    hooks.write_text(HOOKS)
    command = [find_uv(Path.cwd()), "tool", "run", "--python", sys.executable, "--from", *SCHEMATHESIS]
    command += ["st", "run", f"{url}/openapi.json", "--url", url, "--checks", ",".join(checks)]
    command += ["--seed", "1", "--no-color", "--request-timeout", "30", *options]  # API Gateway's is 29
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)}  # noqa: TID251 - programs get it from us
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    made = re.search(r"(\d+) generated", done.stdout)
    if done.returncode or made is None:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return int(made[1])


def with_key(key: str) -> tuple[str, str]:
    """Return the option that sends an API key."""
    return "--header", f"x-api-key: {key}"


@pytest.mark.usefixtures("desk")
def test_typed_functions_answer_as_described(deployment: Deployment, tmp_path: Path) -> None:
    """What their schemas allow is taken, anything else refused; the same requests each time."""
    options = ("--phases", "fuzzing", "--max-examples", "8", "--exclude-operation-id", JOB)
    assert check(deployment, tmp_path, ENDPOINT, TYPED, *options, *with_key(KEY)) >= 40


@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("desk")
def test_a_job_answers_as_described(deployment: Deployment, tmp_path: Path) -> None:
    """Whatever its input is."""
    options = (*NIGHTLY, "100", "--include-operation-id", JOB)
    check(deployment, tmp_path, ENDPOINT, DESCRIBED, *options, *with_key(KEY))


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_all_kinds_of_parameters_and_results(deployment: Deployment, tmp_path: Path) -> None:
    """Five thousand requests to functions with each type that docs/functions.md names, in each place."""
    folder = tmp_path / "packages/kinds"
    shutil.copytree(PACKAGE, folder)
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    publish(target, folder, "", lambda _line: None)
    rows, packages = deployment.rows, [{"package": "kinds"}]
    rows.put("endpoints", endpoint_id="kinds", special_connection=True)
    rows.put("connections", endpoint_id="kinds", api_key=KEY, functions=[], packages=packages)
    assert check(deployment, tmp_path, "kinds", TYPED, *NIGHTLY, "200", *with_key(KEY)) >= 5_000


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_the_demo_answers_as_described(deployment: Deployment, tmp_path: Path) -> None:
    """Its functions take anything."""
    check(deployment, tmp_path, "demo", DESCRIBED, *NIGHTLY, "100")
