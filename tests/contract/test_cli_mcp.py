"""``silvaengine mcp`` on the tables of a stack."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.tables import RegistryTables

from .stacks import create_stack

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:mcp-Worker"
STACK = "mcp-stack"
URL = "https://api.example.com/beta/core/demo/mcp"

type Run = Callable[..., Result]


@pytest.fixture
def run(dynamodb: Any) -> Iterator[Run]:
    """Run the command on a stack with a tool, and a function that is none."""
    tables = RegistryTables(dynamodb)
    tables.create(ENDPOINTS, {"endpoint_id": "demo", "special_connection": False})
    entries = []
    for name in ("hello", "other"):
        entries.append({"aws_lambda_arn": WORKER, "function": name})
        config = {"module_name": "demo", "mcp": name == "hello"}
        tables.create(FUNCTIONS, {**entries[-1], "area": "core", "config": config})
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": DEFAULT_API_KEY, "functions": entries[1:]})
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "secret-key", "functions": entries})
    tables.create(CONFIG_DATA, {"setting_id": "beta_core_demo", "variable": "openapi", "value": False})
    cloudformation = Deployment(region=REGION).client("cloudformation")
    outputs = {
        "TablePrefix": "se-", "WorkerArn": WORKER, "Stage": "beta", "ApiUrl": "https://api.example.com/beta"
    }  # fmt: skip
    create_stack(cloudformation, STACK, outputs)
    yield lambda *arguments: CliRunner().invoke(
        cli, ["mcp", "demo", *arguments, "--stack", STACK, "--region", REGION]
    )
    cloudformation.delete_stack(StackName=STACK)


@pytest.mark.parametrize(
    ("client", "members", "key"),
    [
        ("claude", "mcpServers", "${SILVAENGINE_API_KEY}"),
        ("cursor", "mcpServers", "${env:SILVAENGINE_API_KEY}"),
        ("vscode", "servers", "${input:api-key}"),
    ],
)
def test_a_clients_configuration(client: str, members: str, key: str, run: Run) -> None:
    """It has the address; the key stays with the user."""
    done = run("--api-key", "secret-key", "--client", client)
    assert done.exit_code == 0, done.output
    assert "secret-key" not in done.output
    text, _, note = done.output.rpartition("}\n")
    assert note == f"tools at {URL}: 1\n"
    server = json.loads(text + "}")[members]["demo-core"]
    assert (server["url"], server["headers"]) == (URL, {"x-api-key": key})


def test_a_key_without_tools(run: Run) -> None:
    """The command says what is missing."""
    done = run()
    assert done.exit_code == 1
    assert "functions need `mcp: true`" in done.output
