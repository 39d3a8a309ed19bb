"""`silvaengine upgrade` on the last release's stack: what can't begin is refused, and the steps are named."""

import json
import re
import tomllib
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.main import cli
from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.preflight.template import load
from silvaengine_cli.preflight.upgrade import (
    Deployed,
    changes,
    contract_changes,
    next_stack,
    read_deployed,
    refusals,
    steps,
)

from .last_release import PROJECT
from .platform import recorded

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TEMPLATE = load(PROJECT / "template.yaml")
TWO_STEPS = {"EarlierWorkers": "true"}


@pytest.fixture
def client(tmp_path: Path) -> Callable[[str], Any]:
    """Return clients of an account that has the last release's stack and layer."""
    layer = tmp_path / "last.zip"
    with zipfile.ZipFile(layer, "w") as files:
        for name in recorded("stack")["modules"]:
            files.writestr(f"python/{name.replace('.', '/')}.py", "")
    return account(layer)


def account(layer: Path) -> Callable[[str], Any]:
    """Return clients of an account that has the last release's stack, with a layer."""
    stack = recorded("stack")
    description = {**stack["description"], "CreationTime": NOW - timedelta(days=1)}
    clients = {
        "cloudformation": SimpleNamespace(
            describe_stacks=lambda **_: {"Stacks": [description]},
            get_template=lambda **_: {"TemplateBody": stack["template"]},
        ),
        "lambda": SimpleNamespace(
            get_function_configuration=lambda **_: {"Layers": [{"Arn": "layer"}]},
            get_layer_version_by_arn=lambda **_: {"Content": {"Location": layer.as_uri()}},
        ),
    }
    return lambda service: clients[service]


@pytest.fixture
def deployed(client: Callable[[str], Any]) -> Deployed:
    """Return the last release's stack."""
    return read_deployed("silvaengine-local", client)


def refused(deployed: Deployed, after: Stack, *, now: datetime = NOW, quiet_time: bool = True) -> list[str]:
    """Return what keeps an update from beginning."""
    return list(refusals(deployed, after, PROJECT, now, quiet_time=quiet_time))


def test_the_first_step_has_earlier_workers(deployed: Deployed) -> None:
    """Without it 0.2's workers could settle nothing; with it the update begins, and a second one follows."""
    (refusal,) = refused(deployed, next_stack(TEMPLATE, deployed.stack, {}))
    assert refusal.startswith("EarlierWorkers: workers of 0.2 still run")
    after = next_stack(TEMPLATE, deployed.stack, TWO_STEPS)
    assert refused(deployed, after) == []
    todo = list(steps(deployed.stack, after, "make build && sam deploy", "samconfig.toml"))
    order = ("export", "make build", "TasksEventsArn", "EarlierWorkers=false", "diff")
    numbers = [next(number for number, step in enumerate(todo) if word in step) for word in order]
    assert numbers == sorted(numbers)


def test_the_second_step_waits_for_earlier_workers(deployed: Deployed) -> None:
    """A parameter that isn't given stays, and a worker may run for WorkerTimeout after the first step."""
    first = next_stack(TEMPLATE, deployed.stack, TWO_STEPS)
    between = deployed._replace(stack=first, changed=NOW)
    assert next_stack(TEMPLATE, first, {}).parameters["EarlierWorkers"] == "true"
    after = next_stack(TEMPLATE, first, {"EarlierWorkers": "false"})
    (refusal,) = refused(between, after, now=NOW + timedelta(seconds=299))
    assert refusal == "EarlierWorkers: a worker of 0.2 may still run until 12:05:00 UTC (WorkerTimeout)"
    assert refused(between, after, now=NOW + timedelta(seconds=300)) == []


def test_modules_that_moved_in_the_layer_need_a_quiet_time(deployed: Deployed, tmp_path: Path) -> None:
    """What starts between the update of layer and code fails, unless each has what the other imports."""
    after = next_stack(TEMPLATE, deployed.stack, TWO_STEPS)
    (refusal,) = refused(deployed, after, quiet_time=False)
    assert "in two steps" in refusal
    assert "code imports silvaengine." in refusal
    layer = tmp_path / "layer.zip"
    with zipfile.ZipFile(layer, "w") as files:
        for path in PROJECT.glob("shared/silvaengine/**/*.py"):
            files.writestr(f"python/{path.relative_to(PROJECT / 'shared').as_posix()}", "")
    this = read_deployed("silvaengine-local", account(layer))
    assert refused(this, after, quiet_time=False) == []


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"])
def test_a_stack_that_cannot_be_updated_is_refused(deployed: Deployed, status: str) -> None:
    """CloudFormation would refuse it."""
    after = next_stack(TEMPLATE, deployed.stack, TWO_STEPS)
    (refusal,) = refused(deployed._replace(status=status), after)
    assert status in refusal


def test_tables_are_not_deleted(deployed: Deployed) -> None:
    """To give up tables that their stack doesn't retain is refused."""
    given = {**TWO_STEPS, "CreateTables": "false"}
    before = deployed._replace(
        stack=Stack.of(
            recorded("stack")["template"],
            deployed.stack.name,
            {**deployed.stack.parameters, "TablesDeletionPolicy": "Delete"},
        )
    )
    found = refused(before, next_stack(TEMPLATE, before.stack, given))
    assert any(each.startswith("ConnectionsTable: it would be deleted") for each in found)
    assert refused(deployed, next_stack(TEMPLATE, deployed.stack, given)) == []


def test_what_changes_is_told(deployed: Deployed) -> None:
    """Parameters and resources that come, go and change."""
    after = next_stack(TEMPLATE, deployed.stack, {**TWO_STEPS, "LogLevel": "DEBUG"})
    changed = changes(deployed.stack, after)
    assert "EarlierWorkers=true" in changed["new parameters"]
    assert changed["changed parameters"] == ["LogLevel: 'INFO' becomes 'DEBUG'"]
    assert "Sweeper" in changed["new resources"]
    # A layer's name has a digest of its properties, and one permission opens the gateway to all methods now.
    expected = r"SharedLayer.*|HttpGateway\w+Permissionbeta"
    removed = [name for name in changed["removed resources"] if not re.fullmatch(expected, name)]
    assert removed == ["TasksSweep", "TasksSweepPermission"]


def test_a_value_that_the_template_no_longer_takes_is_refused(deployed: Deployed) -> None:
    """A stage with an underscore can't be kept."""
    stack = Stack(deployed.stack.name, {**deployed.stack.parameters, "Stage": "my_stage"}, {}, {})
    with pytest.raises(ValueError, match="Stage is 'my_stage'"):
        next_stack(TEMPLATE, stack, {})


def test_another_stack_is_refused(client: Callable[[str], Any]) -> None:
    """A wrong environment is told as such."""
    client("cloudformation").describe_stacks()["Stacks"][0] |= {"Outputs": []}
    with pytest.raises(ValueError, match="is it one of SilvaEngine's"):
        read_deployed("other", client)


NOTES = """# Changelog

## [Unreleased]

### Added
- Something.

### Changed
- **Callers must do another thing.** See [how](docs).

## [0.3.0] - 2026-01-01

### Removed
- `old` of a response. It was of no use.

## [0.2.0] - 2025-01-01

### Changed
- Known to all.
"""


def test_what_callers_may_notice_is_said(deployed: Deployed) -> None:
    """It is what the changelog has since the deployed version, which a template of 0.2 doesn't name."""
    assert deployed.version == ""
    later = ["Callers must do another thing.", "`old` of a response."]
    assert contract_changes(NOTES, "", "0.4.0") == later
    assert contract_changes(NOTES, "0.3.0", "0.4.0") == later[:1]
    assert contract_changes(NOTES, "0.4.0", "0.4.0") == []


def test_the_template_names_its_version() -> None:
    """By it the next version knows what it updates."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert TEMPLATE["Metadata"]["SilvaEngine"] == {"Version": project["version"]}


def test_changed_tables_and_outputs_are_named(deployed: Deployed) -> None:
    """They are what other tools hold on to."""
    after = next_stack(TEMPLATE, deployed.stack, TWO_STEPS | {"RegistryStreams": "own"})
    found = changes(deployed.stack, after)
    assert "EndpointsTable" in found["changed tables"]
    assert "TasksEventsArn" in found["new outputs"]
    assert found["removed outputs"] == []


def test_an_application_learns_what_its_newer_version_changes(
    client: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last release's stack, adopted as a stage: parameters, tables and contract, and how to go on."""
    (tmp_path / "silvaengine.toml").write_text(
        'stack = "shop"\n\n[stages.beta]\nstack = "silvaengine-local"\n\n'
        '[stages.beta.parameters]\nTablePrefix = "se-"\nEarlierWorkers = true\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CommandLine, "client", lambda _deployment, service: client(service))
    said = CliRunner().invoke(cli, ["upgrade", "beta", "--quiet-time", "--json"])
    assert said.exit_code == 0, said.output
    report = json.loads(said.output)
    assert "PublisherSubject=" in report["changes"]["new parameters"]
    assert any("must invoke the alias `events`" in note for note in report["changes"]["contract"])
    assert any(step.startswith("silvaengine deploy --stage beta") for step in report["steps"])
