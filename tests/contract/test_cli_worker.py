"""`silvaengine worker`: the alias moves to a new version and back, and calls go where it points to."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.deploy import zip_files
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.main import cli

STACK, WORKER = "aliased", "aliased-Worker"
TEMPLATE = {
    "Parameters": {"WorkerAlias": {"Type": "String", "Default": ""}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
}

type Worker = Callable[..., Result]


def code(answer: str) -> bytes:
    """Return the code of a worker with this answer."""
    return zip_files({"app.py": f"def handler(event, context): return {answer!r}".encode()})


@pytest.fixture
def worker(engine: LocalEngine) -> Iterator[Worker]:
    """Run the command against a stack whose calls go to the alias live, and whose worker answers one."""
    functions, stacks = engine.client("lambda"), engine.client("cloudformation")
    role = engine.client("iam").create_role(RoleName=WORKER, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    arn = functions.create_function(
        FunctionName=WORKER,
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": code("one")},
    )["FunctionArn"]
    template = json.dumps(TEMPLATE | {"Outputs": {"WorkerArn": {"Value": arn}}})
    live = [{"ParameterKey": "WorkerAlias", "ParameterValue": "live"}]
    stacks.create_stack(StackName=STACK, TemplateBody=template, Parameters=live)
    yield lambda *arguments: CliRunner().invoke(
        cli, ["worker", *arguments, "--stack", STACK, "--endpoint-url", engine.url]
    )
    stacks.delete_stack(StackName=STACK)
    functions.delete_function(FunctionName=WORKER)
    engine.client("iam").delete_role(RoleName=WORKER)


def answer(engine: LocalEngine) -> Any:
    """Return what a call to the alias gets."""
    response = engine.client("lambda").invoke(FunctionName=WORKER, Qualifier="live")
    return json.loads(response["Payload"].read())


def test_a_release_of_the_worker_is_taken_back(engine: LocalEngine, worker: Worker) -> None:
    """The first makes the alias, the second moves it, and one command moves it back; or to any version."""
    assert worker("release").output == "live points to version 1 of the worker\n"
    engine.client("lambda").update_function_code(FunctionName=WORKER, ZipFile=code("two"))
    assert answer(engine) == "one"
    assert worker("release").output == "live points to version 2 of the worker, before to 1\n"
    assert answer(engine) == "two"
    assert json.loads(worker("rollback", "--json").output) == {"alias": "live", "before": "2", "version": "1"}
    assert answer(engine) == "one"
    refused = worker("rollback")
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: the worker has no version before 1; it has 1, 2\n",
    )
    assert worker("rollback", "--to", "2").exit_code == 0
    assert answer(engine) == "two"
    assert "the worker has no version 7; it has 1, 2" in worker("rollback", "--to", "7").output


def test_without_an_alias_it_says_how_to_have_one(engine: LocalEngine, worker: Worker) -> None:
    """Nothing is published; where the alias isn't there yet, that is said."""
    assert "the worker has no alias 'live'" in worker("rollback").output
    none = [{"ParameterKey": "WorkerAlias", "ParameterValue": ""}]
    engine.client("cloudformation").update_stack(StackName=STACK, UsePreviousTemplate=True, Parameters=none)
    refused = worker("release")
    assert refused.exit_code == 1
    assert "then deploy with WorkerAlias=NAME" in refused.output
    assert worker("release", "--alias", "live").output == "live points to version 1 of the worker\n"


def test_a_version_is_a_number(worker: Worker) -> None:
    """Anything else is refused before it is looked for."""
    refused = worker("rollback", "--to", "live")
    assert refused.exit_code == 2
