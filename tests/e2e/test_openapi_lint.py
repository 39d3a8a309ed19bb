"""The served documents as Redocly's linter reads them; ``unit/http/test_openapi`` has a validator's view."""

import os
import subprocess
from pathlib import Path

import pytest

from ..node import path_with_node
from .conftest import Deployment
from .desk import ENDPOINT, KEY, Desk
from .registry_rows import API_KEY
from .registry_rows import ENDPOINT as TESTS

pytestmark = pytest.mark.nightly

LINTER = "@redocly/cli@2.77.0"


def test_the_linter_finds_no_error(deployment: Deployment, desk: Desk, tmp_path: Path) -> None:
    """Neither in the demo's document nor in those of the tests' functions, typed or not."""
    for endpoint_id, key in (("demo", ""), (TESTS, API_KEY), (ENDPOINT, KEY)):
        response = deployment.api.get(f"/core/{endpoint_id}/openapi.json", {"x-api-key": key} if key else {})
        assert response.status == 200, response.text
        (tmp_path / f"{endpoint_id}.json").write_bytes(response.body)
    silent = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    environment = {**os.environ, "PATH": path_with_node(), **silent}  # noqa: TID251 - it is for npx
    command = ["npx", "--yes", "--ignore-scripts", LINTER, "lint"]
    command += sorted(each.name for each in tmp_path.iterdir())
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
