"""A package's stack: what of it would change, and the change itself, which never costs data."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, override

import click

from silvaengine_cli.deploy import delete_unfinished
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.preflight.updates import property_at, set_once
from silvaengine_cli.publishing.change_set import ChangeSet, Say
from silvaengine_cli.publishing.needs import described, keep, kept_in, needs_of
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.refusals import find_refusals
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES
from silvaengine_cli.publishing.sources import binding_rows_of
from silvaengine_cli.publishing.stack_template import (
    CODE_BUCKET,
    CODE_KEY,
    FUNCTION,
    LOGS,
    PLATFORM_PREFIX,
    Template,
    render,
)
from silvaengine_cli.publishing.template_findings import template_findings
from silvaengine_cli.registry.bindings import Row

type Change = tuple[str, ...]  # the path of what changes, from a resource's logical id down

# docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_TEMPLATE = 51_200  # bytes
DATA_TYPES = frozenset(name for name, kind in RESOURCE_TYPES.items() if kind.is_data)
# A first creation that failed, and what can be made anew: nothing was ever served from it.
_NEVER_MADE = ("CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
# What is set when a Lambda is made, and never afterwards.
_FIXED = (
    ("TenancyConfig", "isolation is fixed when a package's Lambda is made"),
    ("Architectures", "the processor is fixed when a package's Lambda is made"),
)


@dataclass(frozen=True)
class StackPlan:
    """What a publication does to a package's stack: ``is_new``, or the ``changes``, or nothing.

    The release ``needs`` these resources and permissions of it. ``leaving`` is data that may leave the stack,
    since it stays in the account.
    """

    template: Template
    is_new: bool
    changes: tuple[Change, ...] = ()
    needs: tuple[str, ...] = ()
    leaving: frozenset[str] = frozenset()

    @property
    def is_needed(self) -> bool:
        """Whether the stack must be made or changed."""
        return self.is_new or bool(self.changes)

    def lines(self) -> list[str]:
        """Return a line for each resource that is made, changed or removed, without values."""
        if self.is_new:
            return [f"+ {name}" for name in self.template["Resources"]]
        return [self._line(path) for path in self.changes]

    def _line(self, path: Change) -> str:
        if path[:2] == (FUNCTION, "Metadata"):
            kept = ", ".join(described(name, self.template) for name in kept_in(self.template))
            return f"kept until no release needs it: {kept or 'nothing any more'}"
        return f"~ {'.'.join(step for step in path if step != 'Properties')}"


class DeployedStack:
    """The stack that a package has, or is to have, on a deployment.

    Args:
        deployment: where it is.
        platform: what the deployment gives its packages.
        package: the package's name.
    """

    def __init__(self, deployment: Deployment, platform: Platform, package: str) -> None:
        self._cloudformation = deployment.client("cloudformation")
        self._platform = platform
        self._poll = 0.1 if deployment.is_local else 2.0
        self.name = platform.function_name(package)

    def deployed(self) -> Template:
        """Return the template that the stack has.

        Raises:
            ClickException: there is no such stack, or it can't be changed as it is.
        """
        status = self._status()
        if not status:
            raise click.ClickException(f"there is no stack {self.name}")
        check_is_settled(self.name, status)
        return _plain(self._cloudformation.get_template(StackName=self.name)["TemplateBody"])

    def plan_change(self, template: Template, leaving: frozenset[str] = frozenset()) -> StackPlan:
        """Return the change of the stack to a template."""
        changes = tuple(_changes(self.deployed()["Resources"], template["Resources"]))
        return StackPlan(template, is_new=False, changes=changes, leaving=leaving)

    def carry_out(self, plan: StackPlan, bucket: str, key: str, say: Say) -> None:
        """Make or change the stack; a new one's code is an object, an existing one's stays as it is.

        Who may not change infrastructure goes on without what can wait.

        Raises:
            ClickException: whoever asks may not change infrastructure and the package needs it, data would be
                lost, or the change failed and was taken back.
        """
        try:
            change = self._described(plan, bucket, key)
        except self._cloudformation.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
                raise
            if self._can_wait(plan):
                say(f"the platform has changed; who may change the stack {self.name} brings it that")
                return
            message = f"you may not change the stack {self.name}, and the package needs it:"
            raise click.ClickException("\n".join([message, *plan.lines()])) from None
        if change is None:
            return
        lost = [each for each in change.lost(DATA_TYPES) if each not in plan.leaving]
        if lost:
            change.delete()
        self._refuse(iter(lost), "data would be lost")
        change.execute(say)

    def _described(self, plan: StackPlan, bucket: str, key: str) -> ChangeSet | None:
        body = json.dumps(plan.template, separators=(",", ":"))
        if (size := len(body.encode())) > MAX_TEMPLATE:
            raise click.ClickException(f"the stack's template has {size:,} bytes, at most {MAX_TEMPLATE:,}")
        if plan.is_new:
            delete_unfinished(self._cloudformation, self.name)
        code = {CODE_BUCKET: bucket, CODE_KEY: key}
        parameters = [
            {
                "ParameterKey": name,
                **({"ParameterValue": value} if plan.is_new else {"UsePreviousValue": True}),
            }
            for name, value in code.items()
        ]
        return ChangeSet.create(
            self._cloudformation,
            self.name,
            body,
            parameters,
            self._platform.service_role,
            is_new=plan.is_new,
            poll=self._poll,
        )

    def _can_wait(self, _plan: StackPlan) -> bool:
        """Return whether what is deployed goes on without a change."""
        return False

    def _status(self) -> str:
        try:
            stacks = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except self._cloudformation.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            return ""
        return str(stacks[0]["StackStatus"])

    def _refuse(self, found: Iterator[str], why: str) -> None:
        if lines := list(found):
            raise click.ClickException("\n".join([f"stack {self.name} stays as it is, {why}:", *lines]))


class PackageStack(DeployedStack):
    """The stack of a package as its folder has it."""

    def __init__(self, deployment: Deployment, platform: Platform, package: Package) -> None:
        super().__init__(deployment, platform, package.name)
        self._package = package

    def plan(self) -> StackPlan:
        """Return what has to change, after everything was checked that can be before it is made.

        What the package has no more stays until no release needs it.

        Raises:
            RegistryFileError: the package asks for what it can't have; each problem has its line.
            ClickException: the stack can't come to that: data or what is fixed would change, or it is broken.
        """
        self._package.check(find_refusals(self._package, self._platform))
        template = _plain(render(self._package, self._platform))
        needs = tuple(needs_of(template))
        status = self._status()
        if not status or status in _NEVER_MADE:
            self._package.check(template_findings(template, self._package))
            return StackPlan(template, is_new=True, needs=needs)
        deployed = self.deployed()
        template = keep(template, deployed)
        changes = tuple(_changes(deployed["Resources"], template["Resources"]))
        if changes:
            self._package.check(template_findings(template, self._package))
            self._refuse(_fixed(deployed["Resources"], template["Resources"]), "publish under another name")
            self._refuse(_lost(deployed["Resources"], template["Resources"]), "data would be lost")
        return StackPlan(template, is_new=False, changes=changes, needs=needs)

    def binding_rows(self) -> list[Row]:
        """Return the registry's rows that say which functions the events of the stack's resources call."""
        found = self._cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        physical_ids = defaultdict[str, str](str)  # one that the stack is to have has none yet
        physical_ids |= {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}
        return binding_rows_of(self._package, self._platform, physical_ids)

    @override
    def _can_wait(self, _plan: StackPlan) -> bool:
        return not _plan.is_new and all(self._is_platforms(path) for path in _plan.changes)

    def _is_platforms(self, path: Change) -> bool:
        """Return whether a change is of what the platform gives: what is deployed goes on without it."""
        match path:
            case (name, "Properties", "Environment", "Variables", str(variable)) if name == FUNCTION:
                return variable in self._platform.environment
            case (name, "Properties", "Layers" | "Runtime" | "VpcConfig", *_) if name == FUNCTION:
                return True
            case (name, "Metadata", *_) if name == FUNCTION:
                return True
            case _:
                watches = path[0].startswith(PLATFORM_PREFIX) and path[0].endswith(("Alarm", "Filter"))
                return watches or path[0] == LOGS


def check_is_settled(name: str, status: str) -> None:
    """Raise ClickException where a stack stands between two states, or what it was is only half back."""
    if status.endswith("IN_PROGRESS"):
        raise click.ClickException(f"stack {name} is in {status}: try again when it is done")
    if status.endswith("FAILED"):
        advice = "continue its rollback in CloudFormation (continue-update-rollback), and publish again"
        raise click.ClickException(f"stack {name} is in {status}: {advice}")


def _plain(template: Any) -> Template:  # noqa: ANN401 - as boto3 returns it
    """Return a template as JSON has it, so that two can be compared."""
    text = template if isinstance(template, str) else json.dumps(template, default=float)
    plain: Template = json.loads(text)
    return plain


def _changes(before: Any, after: Any, path: Change = ()) -> Iterator[Change]:  # noqa: ANN401
    """Yield the paths of what differs; a list is one thing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*after, *before]):
            yield from _changes(before.get(name), after.get(name), (*path, name))
    elif before != after:
        yield path


def _fixed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (each[FUNCTION]["Properties"] for each in (before, after))
    for name, message in _FIXED:
        if old.get(name) != new.get(name):
            yield f"{FUNCTION}.{name}: {message}"


def _lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield the data resources that a change replaces, as far as the templates show it.

    AWS says it in the change set, too; the local engine doesn't.
    """
    for name, old in before.items():
        if old["Type"] not in DATA_TYPES:
            continue
        new = after[name]
        if new["Type"] != old["Type"]:
            yield f"{name} ({old['Type']}) would go: keep it, or let it go in CloudFormation"
        else:
            for path in set_once(old["Type"]):
                if property_at(old, path) != property_at(new, path):
                    yield f"{name}: {'.'.join(path)} can't change without a new {old['Type']}"
