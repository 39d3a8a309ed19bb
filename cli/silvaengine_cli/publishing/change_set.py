"""A change of a stack, which CloudFormation describes before it makes it.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self
from uuid import uuid4

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.deploy import failed_resources

type Say = Callable[[str], None]

_UNCHANGED = ("didn't contain changes", "No updates are to be performed")


class ChangeSet:
    """A change that CloudFormation has described; its state is asked for every ``poll`` seconds."""

    def __init__(
        self, cloudformation: AwsClient, arn: str, stack_arn: str, described: Mapping[str, Any], poll: float
    ) -> None:
        self._cloudformation = cloudformation
        self._arn = arn
        self._stack_arn = stack_arn
        self._changes = [each["ResourceChange"] for each in described.get("Changes", ())]
        self._poll = poll

    @classmethod
    def create(
        cls,
        cloudformation: AwsClient,
        stack: str,
        template: str,
        parameters: Sequence[Mapping[str, Any]],
        role: str,
        *,
        is_new: bool,
        poll: float,
    ) -> Self | None:
        """Return the change of a stack to a template by a role, None if nothing changes.

        Raises:
            ClickException: CloudFormation refuses the template.
        """
        made = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"publish-{uuid4().hex}",
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateBody=template,
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
            RoleARN=role,
        )
        described = _described(cloudformation, made["Id"], poll)
        change = cls(cloudformation, made["Id"], made["StackId"], described, poll)
        if described["Status"] == "FAILED":
            change.delete()
            reason = described.get("StatusReason", "")
            if any(each in reason for each in _UNCHANGED):
                return None
            raise click.ClickException(f"CloudFormation refuses the stack {stack}: {reason}")
        return change

    def lost(self, types: frozenset[str]) -> Iterator[str]:
        """Yield the resources of these types that the change replaces or removes."""
        for each in self._changes:
            is_lost = each["Action"] == "Remove" or each.get("Replacement") == "True"
            if is_lost and each["ResourceType"] in types:
                yield each["LogicalResourceId"]

    def delete(self) -> None:
        """Leave the stack as it is."""
        self._cloudformation.delete_change_set(ChangeSetName=self._arn)

    def execute(self, say: Say) -> None:
        """Carry the change out, and say what each resource comes to.

        Raises:
            ClickException: it failed, and CloudFormation took it back; the message names what failed.
        """
        seen = {event["EventId"] for event in self._events()}
        self._cloudformation.execute_change_set(ChangeSetName=self._arn)
        status = "IN_PROGRESS"
        while status.endswith("IN_PROGRESS"):
            time.sleep(self._poll)
            for event in reversed(self._events()):
                if event["EventId"] not in seen:
                    seen.add(event["EventId"])
                    say(f"{event['LogicalResourceId']}: {event['ResourceStatus']}")
            status = self._stack()["StackStatus"]
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            name = self._stack()["StackName"]
            failed = failed_resources(self._cloudformation, name)
            raise click.ClickException("\n".join([f"stack {name} is in {status}", *failed]))

    def _stack(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._cloudformation.describe_stacks(StackName=self._stack_arn)["Stacks"][
            0
        ]
        return found

    def _events(self) -> list[Mapping[str, Any]]:
        """Return the last hundred events, the latest first."""
        response = self._cloudformation.describe_stack_events(StackName=self._stack_arn)
        return list(response["StackEvents"])


def _described(cloudformation: AwsClient, arn: str, poll: float) -> Mapping[str, Any]:
    while True:
        described: Mapping[str, Any] = cloudformation.describe_change_set(ChangeSetName=arn)
        if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
            return described
        time.sleep(poll)
