"""Versions, the release instructions, the workflows and the dependency updates agree with the project."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
GITHUB = PROJECT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
SCRIPTS = [path for path in (PROJECT / ".ci").iterdir() if path.is_file()]
VERSION: str = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]


def read(name: str) -> str:
    """Return a file of the project."""
    return (PROJECT / name).read_text()


def jobs(workflow: Path) -> list[dict[str, Any]]:
    """Return the jobs of a workflow."""
    return list(yaml.safe_load(workflow.read_text())["jobs"].values())


def steps(workflow: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in jobs(workflow) for step in job["steps"]]


def make_targets(text: str) -> set[str]:
    """Return the targets that commands call."""
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", text))


def existing_targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))


def test_the_newest_release_in_the_changelog_is_the_version() -> None:
    """Whoever installs a version finds its changes at the top, below what is not released yet."""
    headings = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
    assert headings[1].startswith(f"[{VERSION}] - ")


def test_the_lock_holds_the_version() -> None:
    """`make lock` ran after the version was changed."""
    packages = tomllib.loads(read("uv.lock"))["package"]
    assert [each["version"] for each in packages if each["name"] == "silvaengine-base"] == [VERSION]


def test_the_minor_version_gets_security_fixes() -> None:
    """The security policy supports the minor version that is current, and no other."""
    supported = re.findall(r"^\| (\S+) \| yes \|$", read("SECURITY.md"), re.MULTILINE)
    assert supported == [f"{VERSION.rpartition('.')[0]}.x"]


def test_the_release_instructions_name_what_exists() -> None:
    """Files and targets of make that RELEASING.md names are there."""
    text = read("RELEASING.md")
    files = set(re.findall(r"`([\w./]*(?:\.(?:md|toml|lock|py|yaml)|/))`", text))
    files |= set(re.findall(r"`(\.ci/\w+)", text))
    assert len(files) > 6
    assert {name for name in files if not (PROJECT / name).exists()} == set()
    assert make_targets(text) - existing_targets() == set()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: str(path.name))
def test_a_workflow_runs_what_exists(workflow: Path) -> None:
    """Each command of a workflow is a target of make or a script of .ci, and both are there."""
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert all(make_targets(command) or ".ci/" in command for command in commands)
    scripts = {name for command in commands for name in re.findall(r"\.ci/\w+", command)}
    assert {name for name in scripts if not (PROJECT / name).exists()} == set()
    assert make_targets("\n".join(commands)) - existing_targets() == set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.name))
def test_a_script_of_ci_calls_targets_that_exist(script: Path) -> None:
    """A target that is renamed is renamed in the scripts, too."""
    assert make_targets(script.read_text()) - existing_targets() == set()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: str(path.name))
def test_a_workflow_has_few_rights(workflow: Path) -> None:
    """It may read the code and no more, no job may ask for more or run without an end, and no token stays."""
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}
    assert all("permissions" not in job and job["timeout-minutes"] <= 360 for job in jobs(workflow))
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: str(path.name))
def test_an_action_is_pinned_by_its_commit(workflow: Path) -> None:
    """A tag that is moved to other code changes nothing here; the version beside it is for the reader."""
    used = re.findall(r"uses: (.+)", workflow.read_text())
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used)


def test_updates_leave_exported_lists_alone() -> None:
    """What `make lock` exports is changed by `make lock` only, so that it stays what uv.lock says."""
    exported = set(re.findall(r"\$\(export_\w+\) > (\S+)", read("Makefile")))
    assert len(exported) == 2
    updates = yaml.safe_load(read(".github/dependabot.yml"))["updates"]
    (excluded,) = (set(each["exclude-paths"]) for each in updates if each["package-ecosystem"] == "uv")
    assert exported <= excluded


@pytest.mark.parametrize(
    "form", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*_*.yml")), ids=lambda path: str(path.name)
)
def test_an_issue_form_can_be_filled_in(form: Path) -> None:
    """GitHub shows no form that lacks a name, a description or an element's label."""
    parsed = yaml.safe_load(form.read_text())
    assert parsed["name"]
    assert parsed["description"]
    asked = [each for each in parsed["body"] if each["type"] != "markdown"]
    assert asked
    assert all(each["attributes"]["label"] for each in asked)
    assert len({each["id"] for each in asked}) == len(asked)
