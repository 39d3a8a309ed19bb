"""What the steps of a publication do; each uses what those before it have found out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, override

import click

from silvaengine.aws.table_client import Row
from silvaengine.errors import ConfigurationError
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import announce
from silvaengine_cli.publishing.artefact import build, cache_of
from silvaengine_cli.publishing.bindings import binding_changes, write_bindings
from silvaengine_cli.publishing.commit import commit_of
from silvaengine_cli.publishing.compatibility import Promises, broken_promises
from silvaengine_cli.publishing.function_rows import write_function_rows
from silvaengine_cli.publishing.new_release import NewRelease
from silvaengine_cli.publishing.package import Package, functions_text
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollout import Rollout
from silvaengine_cli.publishing.stack import PackageStack, StackPlan, check_is_settled
from silvaengine_cli.publishing.stack_template import FUNCTION
from silvaengine_cli.publishing.versions import kept
from silvaengine_cli.publishing.worker_code import deployed_worker
from silvaengine_cli.registry.packages import Packages, unless_denied


class Publication(NewRelease):
    """The publication of a package's folder.

    Args:
        deployment: where the package is published.
        folder: the package's.
        message: what is said of the release.
        say: shows a line of progress.
        rollout: how the release comes to its tenants.
        allow_breaking: whether it may break promises of the release that serves.
    """

    package: Package
    serving: Row | None  # the release that the pointer named at the beginning
    stack: PackageStack
    plan: StackPlan

    def __init__(
        self,
        deployment: Deployment,
        folder: Path,
        message: str,
        say: Callable[[str], None],
        rollout: Rollout,
        *,
        allow_breaking: bool = False,
    ) -> None:
        super().__init__(deployment, message, say, rollout)
        self.folder = folder
        self.allow_breaking = allow_breaking
        self.descriptions = {}  # they are compared before the version is asked for them

    def read_package(self) -> None:
        """Read the package, and what serves of it."""
        self.package = Package.read(self.folder)
        self.releases = PackageReleases(self.deployment, self.package.name)
        self.read_pointer()
        try:
            self.serving = self.releases.release(self.seen["release"]) if self.seen else None
        except ConfigurationError as error:  # it serves nobody: a new one is the way out
            self.say(error.detail)
            self.serving = None

    def check_signatures(self) -> None:
        """Check that its typed functions can be described, as far as their modules can be imported here."""
        for warning in self.package.check_signatures():
            self.say(warning.text(self.package.file))

    def check_names(self) -> None:
        """Check that no connection would find two functions by one name or route, if they may be read."""
        packages = Packages(self.deployment.tables(), self.deployment.worker_arn)
        routes = {name: function.route for name, function in self.package.spec.functions.items()}
        with unless_denied(self.say, "names and routes aren't compared with other functions'"):
            packages.check_functions(self.package.name, routes)

    def compare(self) -> None:
        """Refuse to break a promise of the release that serves, as far as it is described already."""
        if self.serving is None:
            return
        new = Promises(self.functions, self.descriptions)
        if not (broken := list(broken_promises(Promises.of(self.serving), new))):
            return
        title = f"release {self.serving['release']} of {self.package.name} promises more:"
        lines = "\n".join(f"  {line}" for line in (title, *broken))
        if not self.allow_breaking:
            raise click.ClickException(f"{lines.strip()}\n--allow-breaking publishes it all the same")
        self.say(lines.strip())

    def read_platform(self) -> None:
        """Read what the deployment gives its packages, unless half of it is an update's."""
        check_is_settled(self.deployment.stack, self.deployment.stack_status)
        self.platform = Platform.read(self.deployment)

    def plan_stack(self) -> None:
        """Find out what of the package's stack would change, and refuse what can't be."""
        self.stack = PackageStack(self.deployment, self.platform, self.package)
        self.plan = self.stack.plan()

    def check_events(self) -> None:
        """Refuse a canary with other events: a source's events are bound for all tenants at once."""
        if self.rollout.canary is None or self.plan.is_new:
            return
        rows = self.stack.binding_rows()
        if any(binding_changes(self.deployment.tables(), self.package.name, rows)):
            raise click.ClickException(
                "its events would change, and would so for all tenants: publish that without --canary first"
            )

    def build_artefact(self) -> None:
        """Build the code, with its requirements and the worker's as it is deployed."""
        worker = deployed_worker(self.deployment, cache_of(self.package) / "worker.zip")
        self.artefact = build(self.package, self.platform.architecture, worker)

    def change_stack(self) -> None:
        """Make the package's stack, or change it where its own part has changed."""
        if self.plan.is_needed:
            self.stack.carry_out(self.plan, self.platform.bucket, self.object_key, self.say)

    @override
    def describe(self) -> None:
        """Have the version import its functions and try its rights; refuse what its file says wrongly."""
        super().describe()
        self.package.check(self.package.unfit(self.descriptions))

    @override
    def replace(self) -> None:
        self._turning.serve_all(self.seen, self.number, self.rollout.ramp)

    def announce(self) -> None:
        """Announce it to Redis, if there is one, so that the next request sees it."""
        announce(self.deployment)

    def write_bindings(self) -> None:
        """Bind the functions to the sources of events that call them."""
        tables = self.deployment.tables()
        if write_bindings(tables, self.package.name, self.stack.binding_rows()):
            tables.bump_generation()

    def write_rows(self) -> None:
        """Write the functions' rows for other readers."""
        write_function_rows(self.deployment.tables(), self.releases)

    @property
    def serves_already(self) -> int | None:
        """The release that serves, if it is what would be published: the code, and the configuration."""
        if self.serving is None:
            return None
        new = {"digest": self.artefact.digest, **kept(self.latest)}
        same = all(self.serving[name] == value for name, value in new.items())
        return int(self.serving["release"]) if same else None

    def foreseen(self) -> int | None:
        """Return the release that would go on to serve, None where a new one would be published."""
        if self.plan.is_new or any(path[0] == FUNCTION for path in self.plan.changes):
            return None
        self.wait_for_lambda()
        return self.serves_already

    @property
    def functions(self) -> dict[str, Any]:
        """What the release says of its functions, by name."""
        functions: dict[str, Any] = json.loads(self.functions_text)
        return functions

    @property
    @override
    def functions_text(self) -> str:
        return functions_text(self.package)

    @property
    @override
    def is_isolated(self) -> bool:
        return self.package.is_isolated

    @override
    def release_row(self) -> Row:
        said = {"message": self.message, "commit": commit_of(self.folder), "warm": self.package.spec.warm}
        return {
            **self.made(),
            "requirements": self.artefact.lock,
            "needs": list(self.plan.needs),
            "own_variables": sorted(self.package.environment(self.platform.stage)),
            **{name: value for name, value in said.items() if value},
        }
