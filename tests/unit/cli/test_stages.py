"""What a stage's deployment is told."""

from pathlib import Path

import click
import pytest

from silvaengine_cli import stages
from silvaengine_cli.deploy import DeployError
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.project import Project
from silvaengine_cli.registry.apply import with_settings
from silvaengine_cli.registry.file import parse
from silvaengine_cli.stages import all_parameters

CLONE = Path(__file__).parents[3]


def test_a_parameter_that_is_not_given_has_its_default_again() -> None:
    """`sam deploy` keeps what it isn't told: so it is told everything."""
    parameters = all_parameters(CLONE, {"NewEventBucketName": "inbox"}, "http://127.0.0.1:1")
    assert parameters["NewEventBucketName"] == "inbox"
    assert (parameters["EventSchedule"], parameters["WorkerTimeout"]) == ("", "300")
    assert parameters["LocalEndpoint"] == parameters["AwsEndpointUrl"] == "http://127.0.0.1:1"
    assert all_parameters(CLONE, {}, None)["LocalEndpoint"] == ""


def test_a_parameter_that_the_template_does_not_take_is_refused() -> None:
    """A clone's file is checked here."""
    with pytest.raises(DeployError, match=r"no parameter WorkerTimeOut \(did you mean WorkerTimeout\?\)"):
        all_parameters(CLONE, {"WorkerTimeOut": "3"}, None)


def test_a_stages_settings_overlay_the_registrys() -> None:
    """Variable by variable; a setting that the registry doesn't have is a mistake."""
    spec = parse(b"settings: {tax: {rate: 0.1, currency: EUR}, mail: {from: shop}}").spec
    settings = with_settings(spec, {"tax": {"rate": 0.2}}).settings
    assert settings == {"tax": {"rate": 0.2, "currency": "EUR"}, "mail": {"from": "shop"}}
    with pytest.raises(click.ClickException, match=r"setting 'taxes' .* \(did you mean tax\?\)"):
        with_settings(spec, {"taxes": {}})


def test_a_declined_change_set_ends_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sam calls that a success, and leaves the change set behind; one that was there before is no answer."""
    waiting = ["earlier"]
    project = Project.find(CLONE)

    def run_sam(command: list[str], *_: object, **__: object) -> None:
        if command[0] == "deploy" and "--confirm-changeset" in command:
            waiting.append("declined")

    monkeypatch.setattr(stages, "run_sam", run_sam)
    monkeypatch.setattr(stages, "waiting_changes", lambda _: {*waiting})
    target = Deployment(stack="shop", endpoint_url="http://127.0.0.1:1")
    stages.deploy_stage(project, project.stage("prod"), target, confirm=False)
    with pytest.raises(DeployError, match="stack shop was not changed"):
        stages.deploy_stage(project, project.stage("prod"), target, confirm=True)
