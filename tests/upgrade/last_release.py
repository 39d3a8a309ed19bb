"""The last release as git has it, and its stack on the local engine: what an upgrade begins with."""

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from silvaengine_cli.deploy import LOCAL_STACK, DeployError
from silvaengine_cli.deploy import deploy as deploy_build
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.prove.deploying import link_tools

PROJECT = Path(__file__).parents[2]
COMMIT = "a72b1e797284bce1cf55a1b2b2d518b8b97e05e6"  # a release changes it, and records anew (RELEASING.md)


def is_there() -> bool:
    """Return whether this clone has the last release: a shallow one lacks it."""
    found = subprocess.run(["git", "-C", PROJECT, "cat-file", "-e", COMMIT], capture_output=True, check=False)  # noqa: S607
    return found.returncode == 0


def check_out(target: Path) -> Path:
    """Write the last release's files to a folder and return that.

    Raises:
        RuntimeError: this clone lacks the commit.
    """
    archive = subprocess.run(["git", "-C", PROJECT, "archive", COMMIT], capture_output=True, check=False)  # noqa: S607
    if archive.returncode:
        raise RuntimeError(f"this clone lacks {COMMIT}, the last release: run `git fetch --unshallow`")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(target, filter="data")
    link_tools(PROJECT, target)
    return target


def deploy(project: Path, engine: LocalEngine, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy a project's build to an engine by its own template; return the stack's outputs."""
    try:
        deploy_build(project, engine, parameters=parameters)
    except DeployError as error:
        if "has no output" not in error.message:  # this version's, that the last one lacks
            raise
    return outputs(engine)


def outputs(engine: LocalEngine) -> dict[str, str]:
    """Return the outputs of the stack on an engine."""
    (stack,) = engine.client("cloudformation").describe_stacks(StackName=LOCAL_STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
