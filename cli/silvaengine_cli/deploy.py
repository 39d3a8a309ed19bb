"""Deploys the sources to the local engine: `sam build`, `sam deploy`, and a shortcut for one function.

The first deployment is as on AWS. After it a changed function doesn't wait ten seconds for sam: its packaging
target runs, and Lambda gets the code directly. ``platform`` is the folder with the platform's sources.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import CREDENTIALS, LocalEngine
from silvaengine_cli.leash import leashed
from silvaengine_cli.sam import sam_command

LOCAL_STACK = "silvaengine-local"
_BUCKET_STACK = "aws-sam-cli-managed-default"  # sam makes it where there is none
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_SHOWN_LINES = 30
_POLLS = {"Delay": 0.2, "MaxAttempts": 300}


class DeployError(click.ClickException):
    """A build or a deployment failed; the message is the tool's last lines."""


@dataclass(frozen=True, slots=True)
class LambdaSource:
    """What a Lambda is made of: a folder of the platform, and an operator's packages if it ships any."""

    folder: str
    operators: str | None


def lambdas(platform: Path) -> Mapping[str, LambdaSource]:
    """Return all Lambdas by their names in the template; raise DeployError for a file that is no TOML."""
    found: dict[str, LambdaSource] = {}
    for path in sorted(platform.glob("services/*/lambdas.toml")):
        try:
            declared = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise DeployError(f"{path}: {error}") from error
        folder = path.parent.relative_to(platform).as_posix()
        found |= {name: LambdaSource(folder, each.get("operators")) for name, each in declared.items()}
    return found


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """The outputs of a deployed stack."""

    api_url: str
    api_id: str
    websocket_url: str
    http_gateway_arn: str
    websocket_gateway_arn: str
    tasks_arn: str
    tasks_events_arn: str
    worker_arn: str
    table_prefix: str
    stage: str
    function_arns: Mapping[str, str]

    @classmethod
    def read(cls, engine: LocalEngine, stack: str) -> Self:
        """Read the outputs of a deployed stack; raise DeployError if one is missing."""
        (description,) = engine.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", ())}
        names = {field: field.title().replace("_", "") for field in cls.__slots__ if field != "function_arns"}
        if missing := [name for name in names.values() if name not in outputs]:
            raise DeployError(f"stack {stack} has no output {', '.join(missing)}")
        arns = {name.removesuffix("Arn"): arn for name, arn in outputs.items() if name.endswith("Arn")}
        return cls(**{field: outputs[name] for field, name in names.items()}, function_arns=arns)


def build(platform: Path) -> None:
    """Run `sam build` into the platform's `.aws-sam/build`; raise DeployError if it fails."""
    run_sam(["build"], platform, {})


def deploy(
    platform: Path,
    engine: LocalEngine,
    *,
    stack: str = LOCAL_STACK,
    parameters: Mapping[str, str] | None = None,
) -> StackOutputs:
    """Deploy the build to a running engine with `sam deploy`; return the stack's outputs.

    ``parameters`` are the template's, besides those that point to the engine.

    Raises:
        DeployError: sam failed; nothing of the change stays. The message names the resources that failed.
    """
    overrides = {"LocalEndpoint": engine.url, "AwsEndpointUrl": engine.url, **(parameters or {})}
    options = ["--config-env", "local", "--stack-name", stack, *override(overrides)]
    cloudformation = engine.client("cloudformation")
    for each in (_BUCKET_STACK, stack):
        delete_unfinished(cloudformation, each)
    try:
        run_sam(["deploy", *options], platform, engine.environment())
    except DeployError as error:
        failed = failed_resources(cloudformation, stack)
        way_out = "mend it, or start with an empty engine: `silvaengine dev --fresh`"
        raise DeployError("\n".join([error.message, *failed, way_out])) from None
    return StackOutputs.read(engine, stack)


def override(parameters: Mapping[str, str]) -> list[str]:
    """Return the option of `sam deploy` for parameters; it ends a bare value at a space."""
    quoted = ((name, value.replace('"', r"\"")) for name, value in parameters.items())
    return ["--parameter-overrides", *(f'{name}="{value}"' for name, value in quoted)]


def delete_unfinished(cloudformation: AwsClient, stack: str) -> None:
    """Delete a stack whose creation or deletion was stopped or failed: it can't be updated."""
    status = _status(cloudformation, stack)
    if status.startswith(("CREATE_", "ROLLBACK_", "DELETE_", "REVIEW_")) and status != "CREATE_COMPLETE":
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def _status(cloudformation: AwsClient, stack: str) -> str:
    """Return a stack's status, empty if there is no such stack."""
    try:
        return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return ""


def failed_resources(cloudformation: AwsClient, stack: str) -> list[str]:
    """Return a line for each resource that failed in the last deployment, with the reason."""
    if not _status(cloudformation, stack):
        return []
    lines = []
    for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
        is_stack = event["LogicalResourceId"] == stack
        if is_stack and event.get("ResourceStatusReason") == "User Initiated":
            break  # the latest come first
        if event["ResourceStatus"].endswith("_FAILED") and not is_stack:
            lines.append(f"{event['LogicalResourceId']} failed: {event.get('ResourceStatusReason', '')}")
    return lines


def redeploy_function(platform: Path, engine: LocalEngine, outputs: StackOutputs, logical_id: str) -> None:
    """Package one function as `sam build` would, and update its code without CloudFormation.

    Raises:
        DeployError: the packaging target failed; the function is unchanged.
    """
    with tempfile.TemporaryDirectory(dir=engine.temporary) as folder:
        _update_code(engine, outputs, logical_id, _package(platform, logical_id, Path(folder)))


def restore_functions(platform: Path, engine: LocalEngine, outputs: StackOutputs) -> None:
    """Update all functions to the build: CloudFormation doesn't know what `redeploy_function` did."""
    for logical_id in lambdas(platform).keys() & outputs.function_arns.keys():
        _update_code(engine, outputs, logical_id, platform / ".aws-sam" / "build" / logical_id)


def _update_code(engine: LocalEngine, outputs: StackOutputs, logical_id: str, artefact: Path) -> None:
    paths = (path for path in artefact.rglob("*") if path.is_file())
    code = zip_files({path.relative_to(artefact).as_posix(): path.read_bytes() for path in paths})
    functions, name = engine.client("lambda"), outputs.function_arns[logical_id]
    # Lambda refuses an update during another one, and runs the former code until it is done:
    # docs.aws.amazon.com/lambda/latest/dg/functions-states.html.
    updated = functions.get_waiter("function_updated_v2")
    updated.wait(FunctionName=name, WaiterConfig=_POLLS)
    functions.update_function_code(FunctionName=name, ZipFile=code)
    updated.wait(FunctionName=name, WaiterConfig=_POLLS)


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files by their names in it; the same files give the same bytes at any time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _package(platform: Path, logical_id: str, folder: Path) -> Path:
    source, artefact = folder / "source", folder / "artefact"
    shutil.copytree(platform / lambdas(platform)[logical_id].folder, source)
    builder = platform / "packaging" / "artefact.py"
    architecture = os.environ.get("ARCHITECTURE") or "x86_64"
    command = [sys.executable, "-I", str(builder), logical_id, str(artefact), "--architecture", architecture]
    _run_tool(f"packaging {logical_id}", command, source, _tool_environment(platform))
    return artefact


def run_sam(
    arguments: list[str], platform: Path, environment: Mapping[str, str], *, shown: bool = False
) -> None:
    """Run a command of sam; raise DeployError, with the last lines of its output, if it fails.

    It sees no AWS account but that of ``environment``. With ``shown`` it has the terminal, for questions.
    """
    command = [*sam_command(platform), *arguments]
    variables = {**_tool_environment(platform), **environment}
    if not shown:
        _run_tool(f"sam {arguments[0]}", command, platform, variables)
    elif subprocess.run(command, cwd=platform, env=variables, check=False).returncode:  # noqa: S603
        raise DeployError(f"sam {arguments[0]} failed")


def account_environment(deployment: Deployment) -> dict[str, str]:
    """Return the variables with which sam reaches a deployment's account, and how often it looks there."""
    if deployment.endpoint_url:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": deployment.endpoint_url}
    region = deployment.client("s3").meta.region_name
    own = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {**own, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "SAM_CLI_POLL_DELAY": "5"}


def _tool_environment(platform: Path) -> dict[str, str]:
    """Return this process's environment with what sam needs on its PATH, and no AWS account."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    places = (platform / "packaging" / "bin", Path(sys.executable).parent, own.get("PATH", ""))
    # sam polls a stack every 5 s; the engine has it ready within one.
    path = os.pathsep.join(map(str, places))
    return {**own, "PATH": path, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2"}


def _run_tool(what: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    with (
        tempfile.TemporaryFile("w+") as output,
        leashed(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        failed = process.wait()
        output.seek(0)
        printed = output.read()
    if failed:
        lines = printed.strip().splitlines()[-_SHOWN_LINES:]
        raise DeployError("\n".join([f"{what} failed:", *lines]))
