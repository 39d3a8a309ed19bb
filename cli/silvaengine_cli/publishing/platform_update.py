"""Releasing packages anew with the platform's current worker, layer and environment: the code stays the same.

It goes through a publication's steps, so that a broken one is simply repeated.
"""

import tempfile
from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import override

import click

from silvaengine.aws.table_client import Row
from silvaengine.tables import PACKAGES
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import announce
from silvaengine_cli.publishing.behind import CurrentPlatform, configuration_of
from silvaengine_cli.publishing.function_rows import write_function_rows
from silvaengine_cli.publishing.new_release import NewRelease
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollout import AT_ONCE, Rollout
from silvaengine_cli.publishing.stack import DeployedStack, check_is_settled
from silvaengine_cli.publishing.stack_template import FUNCTION, LOGS, ROLE, Template
from silvaengine_cli.publishing.versions import Answer
from silvaengine_cli.publishing.worker_code import rebuild


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of a package.

    Args:
        package: its name.
        releases: the releases that replace others, or are their canary, by these.
        lacked: what each release that served lacked.
        tenants: whom the canary serves; None where there is none.
    """

    package: str
    releases: dict[int, int]
    lacked: dict[int, list[str]]
    tenants: list[str] | None = None


class PlatformUpdate(NewRelease):
    """A release's code with the current platform; it takes the release's place, or is its canary.

    Args:
        deployment: whose package it is.
        releases: the package's.
        number: the release's.
        current: what the deployment gives its packages.
        folder: where the artefact is built.
        say: shows a line of progress.
        rollout: how it comes to its tenants.
    """

    seen: Row
    old: Row  # the release that is replaced

    def __init__(
        self,
        deployment: Deployment,
        releases: PackageReleases,
        number: int,
        current: CurrentPlatform,
        folder: Path,
        say: Callable[[str], None],
        rollout: Rollout,
    ) -> None:
        super().__init__(deployment, f"release {number} with the current platform", say, rollout)
        self.folder = folder
        self.releases = releases
        self._number = number
        self._current = current
        self.platform = current.platform

    def read_release(self) -> None:
        """Read the release, and the pointer that leads to it."""
        self.read_pointer()
        old = self.releases.read(self._number)
        if old is None:
            raise click.ClickException(f"package {self.releases.package!r} has no release {self._number}")
        self.old = old

    def replace_worker(self) -> None:
        """Put the worker's current code into the release's archive."""
        key = self.old["object"]
        found = self.deployment.client("s3").get_object(Bucket=self.platform.bucket, Key=key)
        archive: bytes = found["Body"].read()
        if b64encode(sha256(archive).digest()).decode() != self.old["code_sha256"]:
            raise click.ClickException(
                f"s3://{self.platform.bucket}/{key} was altered: it isn't what release {self._number} has. "
                "What served before serves on; publish the package again"
            )
        path = self.folder / f"{self.releases.package}.zip"
        self.artefact = rebuild(archive, self._current.worker, self.old, path)

    def change_stack(self) -> None:
        """Change the package's stack to what the platform has, and its Lambda to what the release had."""
        functions, name = self.deployment.client("lambda"), self.releases.function_name
        version = configuration_of(functions, name, self._number)
        latest = functions.get_function(FunctionName=name)["Configuration"]
        stack = DeployedStack(self.deployment, self.platform, self.releases.package)
        own = set(self.old.get("own_variables", ()))
        template = with_platform(stack.deployed(), self.platform, version, latest, own)
        plan = stack.plan_change(template)
        if plan.is_needed:
            stack.carry_out(plan, self.platform.bucket, self.object_key, self.say)

    @override
    def replace(self) -> None:
        seen = self.seen
        pins = {endpoint_id: self._number_after(each) for endpoint_id, each in seen["pins"].items()}
        self._turning.turn(seen, self._number_after(seen["release"]), pins)

    def _number_after(self, number: int) -> int:
        return self.number if number == self._number else number

    @property
    @override
    def functions_text(self) -> str:
        return str(self.old["functions"])

    @property
    @override
    def is_isolated(self) -> bool:
        return bool(self.old["isolated"])

    @override
    def release_row(self) -> Row:
        said = {name: value for name, value in self.old.items() if name not in PACKAGES.key_names}
        return {**said, **self.made(), "message": self.message}


STEPS: tuple[tuple[str, Callable[[PlatformUpdate], None]], ...] = (
    ("read the release", PlatformUpdate.read_release),
    ("choose the canary's tenants", PlatformUpdate.choose_tenants),
    ("replace the worker's code", PlatformUpdate.replace_worker),
    ("upload the code", PlatformUpdate.upload),
    ("change the stack", PlatformUpdate.change_stack),
    ("wait for the last update", PlatformUpdate.wait_for_lambda),
    ("publish a version", PlatformUpdate.publish_version),
    ("wait until it is active", PlatformUpdate.wake_version),
    ("limit its events", PlatformUpdate.limit_events),
    ("try its functions and rights", PlatformUpdate.describe),
    ("write the release", PlatformUpdate.put_release),
    ("warm environments", PlatformUpdate.warm),
    ("turn the pointer", PlatformUpdate.turn_pointer),
)


def update(
    deployment: Deployment,
    package: str,
    current: CurrentPlatform,
    say: Callable[[str], None],
    rollout: Rollout = AT_ONCE,
) -> Updated:
    """Release what serves of a package anew, as far as it is behind the platform.

    With a canary only the release that serves all: who is pinned to another one stays on it.

    Raises:
        ClickException: the stack is being updated, or a step failed; what served before serves on.
    """
    check_is_settled(deployment.stack, deployment.stack_status)
    releases = PackageReleases(deployment, package)
    pointer = releases.pointer()
    lacked, replaced, tenants = current.behind(releases, pointer), dict[int, int](), None
    numbers = lacked.keys() & {pointer["release"]} if rollout.canary else lacked
    # The one that serves all comes last: the stack stays as it is then.
    for number in sorted(numbers, key=pointer["release"].__eq__):
        with tempfile.TemporaryDirectory() as folder:
            one = PlatformUpdate(deployment, releases, number, current, Path(folder), say, rollout)
            for title, step in STEPS:
                say(f"{package} {number}: {title}")
                step(one)
        replaced[number], tenants = one.number, one.covered
    announce(deployment)  # these two a run that broke off may have left
    write_function_rows(deployment.tables(), releases)
    return Updated(package, replaced, lacked, tenants)


def with_platform(
    template: Template, platform: Platform, version: Answer, latest: Answer, own: set[str]
) -> Template:
    """Return a package's template with what the platform has, and the Lambda as it was in a version.

    Args:
        template: the deployed one.
        platform: what is put into it.
        version: the version's configuration.
        latest: that of ``$LATEST``, which is the template's.
        own: the names of the package's own variables.
    """
    after = deepcopy(template)
    role, logs = (after["Resources"][name]["Properties"] for name in (ROLE, LOGS))
    role |= {"PermissionsBoundary": platform.boundary, "ManagedPolicyArns": [platform.policy]}
    logs["RetentionInDays"] = platform.log_retention_days
    function = after["Resources"][FUNCTION]["Properties"]
    written, had = function["Environment"]["Variables"], version["Environment"]["Variables"]
    now = latest["Environment"]["Variables"]
    # What the template has as a reference stays one where it is what the version had.
    variables = {
        name: written[name] if name in written and now.get(name) == had[name] else had[name]
        for name in own & had.keys()
    }
    function |= {
        "Layers": [platform.layer],
        "Runtime": platform.runtime,
        "MemorySize": version["MemorySize"],
        "Timeout": version["Timeout"],
        "EphemeralStorage": version.get("EphemeralStorage", function["EphemeralStorage"]),
        "Environment": {"Variables": {**platform.environment, **variables}},
        "LoggingConfig": {**platform.logging, "LogGroup": function["LoggingConfig"]["LogGroup"]},
    }
    function.pop("VpcConfig", None)
    if platform.network:
        function["VpcConfig"] = dict(platform.network)
    return after
