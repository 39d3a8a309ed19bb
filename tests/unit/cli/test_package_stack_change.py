"""The change of a package's stack against what AWS may answer; test_package_walls.py has the engine."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from botocore.exceptions import ClientError

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.stack import PackageStack
from silvaengine_cli.publishing.stack_template import render

from .package_files import PLATFORM, SMALLEST, package

pytestmark = pytest.mark.slow  # each template is linted

QUEUE = "resources: {Inbox: {Type: AWS::SQS::Queue}}\n"


class Stacks:
    """CloudFormation, with one stack."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, status: str, deployed: str = "{}") -> None:
        self.status = status
        self.deployed = deployed
        self.changes: list[dict[str, str]] = []
        self.change_status = ("CREATE_COMPLETE", "")
        self.is_denied = False
        self.called: list[str] = []
        self.made: dict[str, Any] = {}

    def describe_stacks(self, **given: Any) -> Any:
        if not self.status:
            raise ClientError({"Error": {"Code": "ValidationError"}}, "DescribeStacks")
        return {"Stacks": [{"StackName": given["StackName"], "StackStatus": self.status}]}

    def describe_stack_events(self, **_: Any) -> Any:
        return {"StackEvents": []}

    def get_template(self, **_: Any) -> Any:
        return {"TemplateBody": self.deployed}

    def create_change_set(self, **given: Any) -> Any:
        if self.is_denied:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "CreateChangeSet")
        self.made = given
        return {"Id": "change", "StackId": "stack"}

    def describe_change_set(self, **_: Any) -> Any:
        status, reason = self.change_status
        changes = [{"ResourceChange": each} for each in self.changes]
        return {"Status": status, "StatusReason": reason, "Changes": changes}

    def delete_change_set(self, **_: Any) -> None:
        self.called.append("delete_change_set")

    def execute_change_set(self, **_: Any) -> None:
        self.called.append("execute_change_set")
        self.status = "UPDATE_COMPLETE"

    def delete_stack(self, **_: Any) -> None:
        self.called.append("delete_stack")

    def get_waiter(self, name: str) -> Any:
        class Waiter:
            def wait(self, **_: Any) -> None: ...

        return Waiter()


class Local(Deployment):
    """A deployment whose CloudFormation is a fake."""

    def __init__(self, stacks: Stacks) -> None:
        super().__init__(endpoint_url="http://127.0.0.1:1")
        self._stacks = stacks

    def client(self, service: str, url: str | None = None) -> Any:
        return self._stacks


def deployed(read: Package) -> str:
    """Return the template that the stack of a package has."""
    return json.dumps(render(read, PLATFORM))


def stack_of(stacks: Stacks, read: Package) -> PackageStack:
    """Return a package's stack on the fake."""
    return PackageStack(Local(stacks), PLATFORM, read)


def carry_out(stack: PackageStack) -> None:
    """Plan and change, as a publication does."""
    stack.carry_out(stack.plan(), "bucket", "packages/shop/1.zip", lambda line: None)


def test_an_unchanged_stack_is_left_alone(tmp_path: Path) -> None:
    """What is deployed is what is wanted: no change set is made."""
    read = package(tmp_path, SMALLEST + QUEUE)
    plan = stack_of(Stacks("UPDATE_COMPLETE", deployed(read)), read).plan()
    assert (plan.is_needed, plan.lines()) == (False, [])


def test_a_new_stack_is_made_by_the_service_role_with_the_code(tmp_path: Path) -> None:
    """Its parameters name the object; an update leaves them as they are."""
    read = package(tmp_path, SMALLEST)
    stacks = Stacks("")
    carry_out(stack_of(stacks, read))
    assert (stacks.made["ChangeSetType"], stacks.made["RoleARN"]) == ("CREATE", PLATFORM.service_role)
    assert stacks.made["Capabilities"] == ["CAPABILITY_IAM"]
    key = {"ParameterKey": "CodeKey"}
    assert stacks.made["Parameters"][1] == {**key, "ParameterValue": "packages/shop/1.zip"}
    changed = Stacks("CREATE_COMPLETE", deployed(read))
    carry_out(stack_of(changed, package(tmp_path, SMALLEST + "memory: 256\n")))
    assert changed.made["ChangeSetType"] == "UPDATE"
    assert changed.made["Parameters"][1] == {**key, "UsePreviousValue": True}
    assert changed.called == ["execute_change_set"]


@pytest.mark.parametrize("change", [{"Action": "Remove"}, {"Action": "Modify", "Replacement": "True"}])
def test_a_change_that_costs_data_is_not_carried_out(tmp_path: Path, change: dict[str, str]) -> None:
    """AWS says what it would replace or remove; of what holds no data that is taken."""
    read = package(tmp_path, SMALLEST + QUEUE)
    stacks = Stacks("CREATE_COMPLETE", deployed(read))
    stacks.changes = [
        {**change, "LogicalResourceId": "Inbox", "ResourceType": "AWS::SQS::Queue"},
        {**change, "LogicalResourceId": "PackageErrorsAlarm", "ResourceType": "AWS::CloudWatch::Alarm"},
    ]
    stack = stack_of(stacks, package(tmp_path, SMALLEST + QUEUE + "memory: 256\n"))
    with pytest.raises(click.ClickException) as refused:
        carry_out(stack)
    assert refused.value.message.splitlines() == [
        "stack engine-pkg-shop stays as it is, data would be lost:",
        "Inbox",
    ]
    assert stacks.called == ["delete_change_set"]


def test_a_change_that_changes_nothing_is_none(tmp_path: Path) -> None:
    """CloudFormation calls that a failure."""
    read = package(tmp_path, SMALLEST)
    stacks = Stacks("CREATE_COMPLETE", deployed(package(tmp_path, SMALLEST + "memory: 256\n")))
    stacks.change_status = ("FAILED", "The submitted information didn't contain changes.")
    carry_out(stack_of(stacks, read))
    assert stacks.called == ["delete_change_set"]
    stacks.change_status = ("FAILED", "Template error")
    with pytest.raises(click.ClickException, match="refuses the stack engine-pkg-shop: Template error"):
        carry_out(stack_of(stacks, read))


def test_who_may_not_change_infrastructure_is_told_what_needs_it(tmp_path: Path) -> None:
    """A publisher without the right sees what of the package isn't deployed, without values."""
    stacks = Stacks("CREATE_COMPLETE", deployed(package(tmp_path, SMALLEST)))
    stacks.is_denied = True
    text = SMALLEST + "memory: 256\nenvironment: {default: {GREETING: secret}}\n" + QUEUE
    with pytest.raises(click.ClickException) as denied:
        carry_out(stack_of(stacks, package(tmp_path, text)))
    assert denied.value.message.splitlines() == [
        "you may not change the stack engine-pkg-shop, and the package needs it:",
        "~ PackageFunction.MemorySize",
        "~ PackageFunction.Environment.Variables.GREETING",
        "~ Inbox",
    ]


def test_a_publisher_goes_on_where_the_platform_alone_has_changed(tmp_path: Path) -> None:
    """After a deployment of the platform who publishes code need not wait for who changes stacks."""
    read = package(tmp_path, SMALLEST)
    older = replace(PLATFORM, layer="older", environment={"STAGE": "beta"}, log_retention_days=7)
    stacks = Stacks("CREATE_COMPLETE", json.dumps(render(read, older)))
    stacks.is_denied = True
    said: list[str] = []
    stack = stack_of(stacks, read)
    stack.carry_out(stack.plan(), "bucket", "key", said.append)
    assert said == ["the platform has changed; who may change the stack engine-pkg-shop brings it that"]
    stack = stack_of(stacks, package(tmp_path, SMALLEST + "memory: 256\n"))
    with pytest.raises(click.ClickException, match="you may not change"):
        stack.carry_out(stack.plan(), "bucket", "key", said.append)


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_a_creation_that_failed_is_made_anew(tmp_path: Path, status: str) -> None:
    """Such a stack can't be updated; nothing was ever served from it."""
    stacks = Stacks(status)
    carry_out(stack_of(stacks, package(tmp_path, SMALLEST)))
    assert stacks.called == ["delete_stack", "execute_change_set"]
    assert stacks.made["ChangeSetType"] == "CREATE"


@pytest.mark.parametrize(
    ("status", "way_out"),
    [("UPDATE_IN_PROGRESS", "try again"), ("UPDATE_ROLLBACK_FAILED", "continue its rollback")],
)
def test_a_stack_that_can_not_be_changed_is_said(tmp_path: Path, status: str, way_out: str) -> None:
    """Somebody else's change is waited for; what CloudFormation couldn't take back is the operator's."""
    with pytest.raises(click.ClickException, match=f"is in {status}: {way_out}"):
        stack_of(Stacks(status), package(tmp_path, SMALLEST)).plan()
