"""From the sources to a stack on the local engine: `sam build`, `sam deploy`, a shortcut for one function.

The first deployment is the one that AWS would see. After it, a changed function needs none of sam's ten
seconds: its packaging target runs and the code is handed to Lambda directly.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

from silvaengine_cli.engine import LocalEngine

LOCAL_STACK = "silvaengine-local"
SOURCES = {
    "HttpGateway": "services/http_gateway",
    "WebsocketGateway": "services/websocket_gateway",
    "Broadcaster": "services/websocket_gateway",
    "Tasks": "services/tasks",
    "Worker": "services/worker",
}
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_SHOWN_LINES = 30


class DeployError(click.ClickException):
    """A build or a deployment failed; the text is the tool's own last lines."""


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """What a deployed stack says about itself."""

    api_url: str
    api_id: str
    websocket_url: str
    http_gateway_arn: str
    websocket_gateway_arn: str
    broadcaster_arn: str
    tasks_arn: str
    worker_arn: str
    table_prefix: str
    stage: str

    @classmethod
    def read(cls, engine: LocalEngine, stack: str) -> Self:
        """Read the outputs of a stack that is deployed. Raises DeployError when one is missing."""
        (description,) = engine.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", ())}
        names = {field: field.title().replace("_", "") for field in cls.__slots__}
        if missing := [name for name in names.values() if name not in outputs]:
            raise DeployError(f"stack {stack} has no output {', '.join(missing)}")
        return cls(**{field: outputs[name] for field, name in names.items()})

    def function_arn(self, logical_id: str) -> str:
        """Return the ARN of one of the functions by its name in the template."""
        return {
            "HttpGateway": self.http_gateway_arn,
            "WebsocketGateway": self.websocket_gateway_arn,
            "Broadcaster": self.broadcaster_arn,
            "Tasks": self.tasks_arn,
            "Worker": self.worker_arn,
        }[logical_id]


def build(project: Path) -> None:
    """Run `sam build` into the project's `.aws-sam/build`. Raises DeployError."""
    _run(["build"], project, {})


def deploy(
    project: Path,
    engine: LocalEngine,
    *,
    stack: str = LOCAL_STACK,
    parameters: Mapping[str, str] | None = None,
) -> StackOutputs:
    """Deploy what `sam build` left to the engine by `sam deploy`, and return the stack's outputs.

    Args:
        project: the folder of template.yaml and samconfig.toml.
        engine: a running engine.
        stack: the stack's name, new or known to the engine.
        parameters: of the template, besides those that point at the engine.

    Raises:
        DeployError: sam refused; nothing of the change stays.

    """
    overrides = {"LocalEndpoint": engine.url, "AwsEndpointUrl": engine.url, **(parameters or {})}
    pairs = [f"{name}={value}" for name, value in overrides.items()]
    options = ["--config-env", "local", "--stack-name", stack, "--parameter-overrides", *pairs]
    _run(["deploy", *options], project, engine.environment())
    return StackOutputs.read(engine, stack)


def redeploy_function(project: Path, engine: LocalEngine, outputs: StackOutputs, logical_id: str) -> None:
    """Package one function as `sam build` would and put the code in place, past CloudFormation.

    Raises DeployError when the packaging target fails; the function then stays as it was.
    """
    with tempfile.TemporaryDirectory(prefix="silvaengine-") as folder:
        _put_code(engine, outputs, logical_id, _package(project, logical_id, Path(folder)))


def restore_functions(project: Path, engine: LocalEngine, outputs: StackOutputs) -> None:
    """Put in place what `sam build` left: CloudFormation knows nothing of what `redeploy_function` did."""
    for logical_id in SOURCES:
        _put_code(engine, outputs, logical_id, project / ".aws-sam" / "build" / logical_id)


def _put_code(engine: LocalEngine, outputs: StackOutputs, logical_id: str, artefact: Path) -> None:
    paths = (path for path in artefact.rglob("*") if path.is_file())
    code = zip_files({path.relative_to(artefact).as_posix(): path.read_bytes() for path in paths})
    engine.client("lambda").update_function_code(FunctionName=outputs.function_arn(logical_id), ZipFile=code)


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """Zip files by their names in the archive; the same content gives the same bytes at any time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _package(project: Path, logical_id: str, folder: Path) -> Path:
    source, artefact = folder / "source", folder / "artefact"
    shutil.copytree(project / SOURCES[logical_id], source)
    artefact.mkdir()
    makefile = project / "packaging" / "Makefile"
    command = ["make", "-s", "-f", str(makefile), f"build-{logical_id}", f"ARTIFACTS_DIR={artefact}"]
    _checked(f"packaging {logical_id}", command, source, _tool_environment())
    return artefact


def _run(arguments: list[str], project: Path, environment: Mapping[str, str]) -> None:
    sam = Path(sys.executable).with_name("sam")
    if not sam.exists():
        raise DeployError(f"{sam} is missing: run `make setup`, and this command from .venv")
    _checked(f"sam {arguments[0]}", [str(sam), *arguments], project, {**_tool_environment(), **environment})


def _tool_environment() -> dict[str, str]:
    """Return our environment with this interpreter's folder in front, and without anybody's AWS account."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    # sam polls a stack every 5 s; the engine has it ready within one.
    return {**own, "PATH": path, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2"}


def _checked(what: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines()[-_SHOWN_LINES:]
        raise DeployError("\n".join([f"{what} failed:", *lines]))
