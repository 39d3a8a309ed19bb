"""A package of a test's own, and what tests do with it: call it, run commands, kill them."""

import signal
import subprocess
import sys
from collections.abc import Container, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.main import cli

from .conftest import Deployment
from .shop import Shop

TENANTS = ("end-acme", "end-farm")
KEY = "end-key"
ORDERS = """\
resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Inbox: {Type: AWS::SQS::Queue, DeletionPolicy: Delete}
  News: {Type: AWS::SNS::Topic}
permissions:
  - {Sid: Orders, Effect: Allow, Action: ["dynamodb:GetItem"], Resource: !GetAtt Orders.Arn}
environment:
  default: {ORDERS: !Ref Orders}
"""
NUMBERS = count(1)


def make_package(deployment: Deployment, tmp_path: Path) -> Shop:
    """Return a package of its own: the engine counts versions of a deleted Lambda anew, where AWS goes on."""
    name = f"end{next(NUMBERS)}"
    for tenant in TENANTS:
        deployment.rows.put("endpoints", endpoint_id=tenant, special_connection=False)
    listed = [{"package": name}]
    row = {"functions": [], "packages": listed, "endpoints": list(TENANTS)}
    deployment.rows.put("connections", endpoint_id="1", api_key=KEY, **row)
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    return Shop(tmp_path / name, target, name=name)


def run(package: Shop, *arguments: str, fails: bool = False) -> str:
    """Return what a command prints for the engine."""
    where = ["--stack", package.deployment.stack, "--endpoint-url", str(package.deployment.endpoint_url)]
    outcome = CliRunner().invoke(cli, [*arguments, *where], terminal_width=200)
    assert (outcome.exit_code != 0) is fails, (outcome.output, outcome.exception)
    return outcome.output


def built(deployment: Deployment, tenant: str = TENANTS[0]) -> Any:
    """Return the build that serves a tenant, else the status."""
    response = deployment.api.get(f"/core/{tenant}/build", {"x-api-key": KEY})
    return response.json()[0] if response.status == 200 else response.status


def decisive(titles: Iterable[str], chosen: Container[str]) -> list[Any]:
    """Return steps as parameters: after the chosen ones a dead command leaves another state behind.

    The others are tried each night.
    """
    return [each if each in chosen else pytest.param(each, marks=pytest.mark.nightly) for each in titles]


def kill_after(package: Shop, what: str, title: str) -> None:
    """Run a command that is killed after a step."""
    program = Path(__file__).with_name("killed.py")
    where = [what, title, package.name, deploy.LOCAL_STACK, str(package.deployment.endpoint_url)]
    done = subprocess.run([sys.executable, program, *where], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def variables(deployment: Deployment, package: Shop, number: int) -> dict[str, str]:
    """Return the variables of a release's version."""
    found = deployment.engine.client("lambda").get_function_configuration(
        FunctionName=package.releases.function_name, Qualifier=str(number)
    )
    result: dict[str, str] = found["Environment"]["Variables"]
    return result
