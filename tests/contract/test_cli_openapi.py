"""``silvaengine openapi`` on the tables of a stack."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.tables import RegistryTables

from .stacks import create_stack

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:openapi-Worker"
STACK = "openapi-stack"

type Run = Callable[..., Result]


@pytest.fixture
def run(dynamodb: Any) -> Iterator[Run]:
    """Run the command on a stack with two functions in areas of their own, the second for whole events."""
    tables = RegistryTables(dynamodb)
    tables.create(ENDPOINTS, {"endpoint_id": "demo", "special_connection": False})
    entries = []
    for name, area in {"hello": "core", "raw": "events"}.items():
        entries.append({"aws_lambda_arn": WORKER, "function": name})
        config = {"module_name": "demo", "methods": ["POST"]}
        tables.create(FUNCTIONS, {**entries[-1], "area": area, "config": config})
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": DEFAULT_API_KEY, "functions": entries})
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "one", "functions": entries[:1]})
    tables.create(CONFIG_DATA, {"setting_id": "beta_core_demo", "variable": "openapi", "value": False})
    cloudformation = Deployment(region=REGION).client("cloudformation")
    outputs = {
        "TablePrefix": "se-", "WorkerArn": WORKER, "Stage": "beta", "ApiUrl": "https://api.example.com/beta"
    }  # fmt: skip
    create_stack(cloudformation, STACK, outputs, {"FullEventAreas": "other, events"})
    yield lambda *arguments: CliRunner().invoke(
        cli, ["openapi", "demo", *arguments, "--stack", STACK, "--region", REGION]
    )
    cloudformation.delete_stack(StackName=STACK)


def test_the_only_area_of_a_key_is_meant(run: Run, tmp_path: Path) -> None:
    """The document has the deployment's address, and is written even where the gateway has none."""
    output = tmp_path / "openapi.json"
    done = run("--api-key", "one", "--output", str(output))
    assert (done.exit_code, done.output) == (0, f"wrote {output}: 2 paths\n")
    document = json.loads(output.read_text())
    assert document["servers"] == [{"url": "https://api.example.com/beta/core/demo"}]
    assert document["paths"].keys() == {"/hello", "/job_status"}
    refused = run("--api-key", "one", "--output", str(output))
    assert "--force replaces it" in refused.output


def test_of_several_areas_one_is_named(run: Run) -> None:
    """Without it the command says which there are; an area for whole events takes any body."""
    refused = run()
    assert refused.exit_code == 1
    assert "--area says which area of the key is meant: it has functions in core, events" in refused.output
    document = json.loads(run("--area", "events", "--url", "https://shop.example.com/").stdout)
    assert document["servers"] == [{"url": "https://shop.example.com/events/demo"}]
    assert document["paths"]["/raw"]["post"]["requestBody"]["content"].keys() == {"*/*"}
