"""Whatever a client sends within or beyond the OpenAPI document is answered as it says, and never by a 5xx.

schemathesis.readthedocs.io makes the requests.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from silvaengine_cli.engine import find_uv

from .conftest import Deployment
from .desk import ENDPOINT, KEY

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(0)]

SCHEMATHESIS = "schemathesis==4.32.5"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
REFUSES = (*CHECKS, "negative_data_rejection", "missing_required_header")
ACCEPTS = (*CHECKS, "missing_required_header", "positive_data_acceptance")
# A query is text: true and [] arrive as values that are taken. A second request under one Idempotency-Key is
# refused, valid or not; a job's input is looked at later.
KINDS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "readers": (ACCEPTS, ["--include-method", "GET"]),
    "writers": (REFUSES, ["--exclude-method", "GET", "--exclude-operation-id", "count_tickets"]),
    "jobs": (CHECKS, ["--include-operation-id", "count_tickets"]),
}


def check(
    deployment: Deployment, folder: Path, endpoint_id: str, checks: Sequence[str], *options: str
) -> None:
    """Try an endpoint's document; fail with what was found to be wrong."""
    url = f"{deployment.outputs.api_url}/core/{endpoint_id}"
    command = [find_uv(Path.cwd()), "tool", "run", "--from", SCHEMATHESIS, "st", "run", f"{url}/openapi.json"]
    command += ["--url", url, "--checks", ",".join(checks), "--phases", "examples,coverage,fuzzing"]
    command += ["--seed", "1", "--no-color", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("kind", KINDS)
def test_typed_functions_answer_as_described(deployment: Deployment, tmp_path: Path, kind: str) -> None:
    """Those of a package: what its schemas allow is taken, and what a body's exclude refused."""
    checks, which = KINDS[kind]
    options = ["--header", f"x-api-key: {KEY}", "--max-examples", "100", *which]
    check(deployment, tmp_path, ENDPOINT, checks, *options)


def test_the_demo_answers_as_described(deployment: Deployment, tmp_path: Path) -> None:
    """Its functions take anything."""
    check(deployment, tmp_path, "demo", CHECKS, "--max-examples", "100")
