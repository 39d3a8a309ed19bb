"""What the steps of a publication do; each uses what those before it have found out."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from silvaengine.errors import ConfigurationError
from silvaengine.registry.releases import PROTOCOL
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.descriptions import fit, text_of
from silvaengine_cli.operator import announce
from silvaengine_cli.publishing.artefact import Artefact, build
from silvaengine_cli.publishing.bindings import binding_changes, write_bindings
from silvaengine_cli.publishing.commit import commit_of
from silvaengine_cli.publishing.compatibility import Promises, broken_promises
from silvaengine_cli.publishing.coverage import covered_at_first, tenants_of
from silvaengine_cli.publishing.function_rows import write_function_rows
from silvaengine_cli.publishing.package import Package, functions_text
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollout import Rollout, Turning
from silvaengine_cli.publishing.stack import PackageStack, StackPlan
from silvaengine_cli.publishing.stack_template import FUNCTION
from silvaengine_cli.publishing.versions import Answer, Versions, callables_of, kept
from silvaengine_cli.registry.packages import Packages, unless_denied
from silvaengine_cli.registry.sizes import MAX_ROW_BYTES, row_bytes

if TYPE_CHECKING:
    from silvaengine_cli.registry.rows import Row

KEY_BYTES = 512  # of a release's row, and the name of its descriptions


class Publication:
    """One publication; what a step finds out, the later ones use.

    Args:
        deployment: where the package is published.
        folder: the package's.
        message: what is said of the release.
        say: shows a line of progress.
        rollout: how the release comes to its tenants.
        allow_breaking: whether it may break promises of the release that serves.
    """

    package: Package
    platform: Platform
    releases: PackageReleases
    seen: "Row | None"  # the pointer, as it was at the beginning
    serving: "Row | None"  # the release that it named
    stack: PackageStack
    plan: StackPlan
    artefact: Artefact
    versions: Versions
    latest: Answer  # the configuration of $LATEST
    configuration: Answer  # that of the version
    number: int
    descriptions: Answer  # by `module:Class.function`
    release: "Row"
    covered: list[str] | None = None  # the canary's tenants; None where none runs, or nobody may know

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
        self.deployment = deployment
        self.folder = folder
        self.message = message
        self.say = say
        self.rollout = rollout
        self.allow_breaking = allow_breaking
        self.descriptions = {}

    def read_package(self) -> None:
        """Read the package, and what serves of it."""
        self.package = Package.read(self.folder)
        self.releases = PackageReleases(self.deployment, self.package.name)
        self.seen = self.releases.read_pointer()
        if self.seen and "canary" in self.seen:
            raise click.ClickException(
                f"release {self.seen['canary']['release']} of {self.package.name!r} is a canary: "
                f"`promote {self.package.name}` or `rollback {self.package.name}` first"
            )
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

    def choose_tenants(self) -> None:
        """Find out which tenants a canary covers, if connections may be read."""
        if self.rollout.canary is None:
            return
        if self.seen is None:
            raise click.ClickException(
                f"{self.package.name!r} has no release yet: there is nothing to compare it with"
            )
        tenants = tenants_of(self.deployment, self.package.name, self.say)
        if tenants is not None:
            self.covered = covered_at_first(self.seen, self.rollout.canary, tenants)

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
        """Read what the deployment gives its packages."""
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
        """Build the code, with its requirements."""
        self.artefact = build(self.package, self.platform.architecture)

    def upload(self) -> None:
        """Upload the code, unless it is there."""
        s3, place = self.deployment.client("s3"), {"Bucket": self.platform.bucket, "Key": self.object_key}
        checksum, path = _base64(self.artefact.sha256), self.artefact.path
        try:
            if s3.head_object(**place, ChecksumMode="ENABLED").get("ChecksumSHA256") == checksum:
                return
        except s3.exceptions.ClientError as error:  # 403 for who may not list the bucket
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
                raise
        try:
            s3.put_object(**place, Body=path.read_bytes(), ChecksumSHA256=checksum)
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "BadDigest":
                raise
            raise click.ClickException(f"another build has replaced {path}: publish again") from None

    def change_stack(self) -> None:
        """Make the package's stack, or change it where its own part has changed."""
        if self.plan.is_needed:
            self.stack.carry_out(self.plan, self.platform.bucket, self.object_key, self.say)

    def wait_for_lambda(self) -> None:
        """Wait until no update of the Lambda is under way."""
        functions = self.deployment.client("lambda")
        self.versions = Versions(functions, self.releases.function_name, Patience(self.say))
        self.latest = self.versions.wait_until_updated()

    def publish_version(self) -> None:
        """Update the Lambda's code and publish it as a version, unless another publication is under way."""
        published = self.versions.publish(self.platform.bucket, self.object_key, self.latest["RevisionId"])
        self.number = int(published["Version"])
        if published["CodeSha256"] != _base64(self.artefact.sha256):
            name = f"s3://{self.platform.bucket}/{self.object_key}"
            raise click.ClickException(
                f"{name} was altered: Lambda has other code. What served before serves on; publish again"
            )

    def wake_version(self) -> None:
        """Wait until the version is Active."""
        self.configuration = self.versions.wake(self.number, self.artefact.digest, isolated=self.is_isolated)

    def limit_events(self) -> None:
        """Limit how often and how long Lambda tries an event of the version."""
        self.versions.limit_events(self.number)

    def describe(self) -> None:
        """Have the version import its functions and try its rights."""
        answer = self.versions.describe(
            self.number, callables_of(self.functions_text), self.artefact.digest, isolated=self.is_isolated
        )
        self.descriptions = answer["functions"]
        self.package.check(self.package.unfit(self.descriptions))

    def put_release(self) -> None:
        """Write the release, unless it is there."""
        row = self.release_row()
        descriptions = fit(self.descriptions, MAX_ROW_BYTES - KEY_BYTES - row_bytes(row))
        if descriptions is None:
            raise click.ClickException(
                f"release {self.number} can't be described in the 400 KB that a row has: shorten its "
                "functions' docstrings and types, or make two packages of it"
            )
        self.release = self.releases.put({**row, "descriptions": text_of(descriptions)})

    def warm(self) -> None:
        """Make environments ready, so that the first calls find some."""
        wanted = self.rollout.warm
        self._turning.warm(self.release, self.package.spec.warm if wanted is None else wanted)

    def turn_pointer(self) -> None:
        """Let the release serve all tenants, or a canary's, unless another one was published meanwhile."""
        if self.seen and self.rollout.canary:
            self._turning.begin_canary(self.seen, self.number, self.rollout.canary)
        else:
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
    def object_key(self) -> str:
        """The key of the code's object."""
        return f"packages/{self.releases.package}/{self.artefact.digest}.zip"

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
    def functions_text(self) -> str:
        """The same as JSON text, which the release's digest is of."""
        return functions_text(self.package)

    @property
    def is_isolated(self) -> bool:
        """Whether each tenant has execution environments of its own."""
        return self.package.is_isolated

    @property
    def _turning(self) -> Turning:
        return Turning(self.deployment, self.releases, self.versions, self.say)

    def release_row(self) -> "Row":
        """Return the release's row."""
        said = {"message": self.message, "commit": commit_of(self.folder), "warm": self.package.spec.warm}
        return {
            **self.made(),
            "requirements": self.artefact.lock,
            "needs": list(self.plan.needs),
            "own_variables": sorted(self.package.environment(self.platform.stage)),
            **{name: value for name, value in said.items() if value},
        }

    def made(self) -> "Row":
        """Return what a release's row says of what was made: code, version, functions."""
        configuration = self.configuration
        return {
            "package": self.releases.package,
            "release": self.number,
            "protocol": PROTOCOL,
            "digest": self.artefact.digest,
            "code": self.artefact.code,
            "worker": self.artefact.worker,
            "functions": self.functions_text,
            "isolated": self.is_isolated,
            "code_sha256": configuration["CodeSha256"],
            "object": self.object_key,
            **kept(configuration),
            "environment": sorted(configuration["Environment"]["Variables"]),
            "created_at": int(time.time()),
            "by": self.deployment.caller_arn,
        }


def _base64(hex_digest: str) -> str:
    return b64encode(bytes.fromhex(hex_digest)).decode()
