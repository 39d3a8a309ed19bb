"""The template as CloudFormation would read it, and the artefacts as `sam build` makes them."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from silvaengine_cli.preflight.template import Resources, load, transformed
from silvaengine_cli.prove.deploying import link_tools

type ResourcesWith = Callable[..., Resources]

PROJECT = Path(__file__).parents[2]
ACCOUNT = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "silvaengine",
}

TEMPLATE = load(PROJECT / "template.yaml")
LAMBDAS = {
    name: resource
    for name, resource in TEMPLATE["Resources"].items()
    if isinstance(resource, dict) and resource["Type"] == "AWS::Serverless::Function"
}
ALWAYS = tuple(name for name, resource in LAMBDAS.items() if "Condition" not in resource)


@pytest.fixture(scope="session")
def resources_with() -> Callable[..., Resources]:
    """Return the template's resources, after its transforms, for parameters that differ from the defaults."""

    def resources(**parameters: str) -> Resources:
        return transformed(TEMPLATE, {**ACCOUNT, **parameters})["Resources"]  # type: ignore[no-any-return]

    return resources


@pytest.fixture(scope="session")
def resources(resources_with: Callable[..., Resources]) -> Resources:
    """The resources of a stack with no parameter given."""
    return resources_with()


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what artefacts are made from, so that nobody's edits come between two builds."""
    return copy_sources(PROJECT, tmp_path_factory.mktemp("sources"))


def copy_sources(project: Path, target: Path) -> Path:
    """Copy the deployable folders and what builds them, and lead to the tools that were set up."""
    for name in ("services", "shared", "packaging", "authorizers", "cli"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(project / name, target / name, symlinks=True, ignore=ignored)
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copyfile(project / name, target / name)
    link_tools(PROJECT, target)
    return target


@pytest.fixture(scope="session")
def built(sources: Path) -> Path:
    """The folder that a real `sam build` made."""
    sam = Path(sys.executable).with_name("sam")
    subprocess.run([sam, "build"], cwd=sources, check=True)
    return sources / ".aws-sam/build"
