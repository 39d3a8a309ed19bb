"""A publication, step by step: whichever one fails, what served before serves on.

A step that was done before is found done: the object with these contents, the stack as it is to be, the
version that Lambda returns again for the same code, the release's row. So a publication that broke off is
simply repeated.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from silvaengine.registry.releases import PROTOCOL
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import announce
from silvaengine_cli.publishing.artefact import Artefact, build
from silvaengine_cli.publishing.commit import commit_of
from silvaengine_cli.publishing.function_rows import write_function_rows
from silvaengine_cli.publishing.package import Package, functions_text
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.versions import Answer, Versions
from silvaengine_cli.registry.sizes import too_large

if TYPE_CHECKING:
    from silvaengine_cli.registry.rows import Row

# What of a Lambda's configuration a version keeps beside its code.
KEPT = ("Layers", "Environment", "MemorySize", "Timeout", "EphemeralStorage", "Runtime", "VpcConfig")


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication has done, or would do.

    Args:
        package: its name.
        release: the number of the release that serves; None for one that isn't published yet.
        digest: the release's.
        is_new: whether it serves since now.
        stack: what became of the package's stack.
        added: names of functions that the release before didn't have.
        removed: names of functions that it has no more.
        seconds: that it took.
    """

    package: str
    release: int | None
    digest: str
    is_new: bool
    stack: str
    added: list[str]
    removed: list[str]
    seconds: float


class Publication:
    """One publication; what a step finds out, the later ones use.

    Args:
        deployment: where the package is published.
        folder: the package's.
        message: what is said of the release.
        say: shows a line of progress.
    """

    package: Package
    platform: Platform
    releases: PackageReleases
    seen: "Row | None"  # the pointer, as it was at the beginning
    serving: "Row | None"  # the release that it named
    artefact: Artefact
    stack: str
    versions: Versions
    configuration: Answer  # of $LATEST, then of the version
    number: int
    descriptions: Answer

    def __init__(
        self, deployment: Deployment, folder: Path, message: str, say: Callable[[str], None]
    ) -> None:
        self.deployment = deployment
        self.folder = folder
        self.message = message
        self.say = say

    def read_package(self) -> None:
        """Read the package, and what serves of it."""
        self.package = Package.read(self.folder)
        self.releases = PackageReleases(self.deployment, self.package.name)
        self.seen = self.releases.read_pointer()
        self.serving = self.releases.release(self.seen["release"]) if self.seen else None

    def read_platform(self) -> None:
        """Read what the deployment gives its packages."""
        self.platform = Platform.read(self.deployment)

    def build_artefact(self) -> None:
        """Build the code, with its requirements."""
        self.artefact = build(self.package, self.platform.architecture)

    def upload(self) -> None:
        """Upload the code, unless it is there."""
        s3, place = self.deployment.client("s3"), {"Bucket": self.platform.bucket, "Key": self.object_key}
        checksum = _base64(self.artefact.sha256)
        try:
            if s3.head_object(**place, ChecksumMode="ENABLED").get("ChecksumSHA256") == checksum:
                return
        except s3.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
                raise
        s3.put_object(**place, Body=self.artefact.path.read_bytes(), ChecksumSHA256=checksum)

    def prepare_stack(self) -> None:
        """Make the package's stack, or change it where its own part has changed."""
        self.stack = "unchanged"

    def wait_for_lambda(self) -> None:
        """Wait until no update of the Lambda is under way."""
        functions = self.deployment.client("lambda")
        self.versions = Versions(functions, self.releases.function_name, Patience(self.say))
        self.configuration = self.versions.wait_until_updated()

    def publish_version(self) -> None:
        """Update the Lambda's code and publish it as a version, unless another publication is under way."""
        published = self.versions.publish(
            self.platform.bucket, self.object_key, self.configuration["RevisionId"]
        )
        self.number = int(published["Version"])
        if published["CodeSha256"] != _base64(self.artefact.sha256):
            name = f"s3://{self.platform.bucket}/{self.object_key}"
            raise click.ClickException(
                f"{name} was altered: Lambda has other code. What served before serves on; publish again"
            )

    def wake_version(self) -> None:
        """Wait until the version is Active."""
        isolated = self.package.is_isolated
        self.configuration = self.versions.wake(self.number, self.artefact.digest, isolated=isolated)

    def limit_events(self) -> None:
        """Limit how often and how long Lambda tries an event of the version."""
        self.versions.limit_events(self.number)

    def describe(self) -> None:
        """Have the version import its functions and try its rights."""
        configs = [each["config"] for each in self._functions.values()]
        callables = [(each["module_name"], each["class_name"], each["function_name"]) for each in configs]
        isolated = self.package.is_isolated
        self.descriptions = self.versions.describe(
            self.number, callables, self.artefact.digest, isolated=isolated
        )

    def put_release(self) -> None:
        """Write the release, unless it is there."""
        row = self._release_row()
        if complaint := too_large(row):
            raise click.ClickException(
                f"release {self.number} would have {complaint}: describe fewer functions"
            )
        self.releases.put(row)

    def turn_pointer(self) -> None:
        """Let the release serve, unless another one was published meanwhile."""
        self.releases.turn(self.seen, self.number, self.seen["pins"] if self.seen else {})

    def announce(self) -> None:
        """Tell Redis, if there is one, so that the next request sees it."""
        announce(self.deployment)

    def write_rows(self) -> None:
        """Write the functions' rows for other readers."""
        write_function_rows(self.deployment.tables(), self.releases)

    @property
    def object_key(self) -> str:
        """The key of the code's object."""
        return f"packages/{self.package.name}/{self.artefact.digest}.zip"

    @property
    def serves_already(self) -> bool:
        """Whether what serves has this code, and what the Lambda is configured to be now."""
        if self.serving is None or self.serving["digest"] != self.artefact.digest:
            return False
        return self.serving["platform"] == platform_digest(self.configuration)

    @property
    def _functions(self) -> dict[str, Any]:
        functions: dict[str, Any] = json.loads(functions_text(self.package))
        return functions

    def _release_row(self) -> "Row":
        configuration = self.configuration
        said = {"message": self.message, "commit": commit_of(self.folder)}
        return {
            "package": self.package.name,
            "release": self.number,
            "protocol": PROTOCOL,
            "digest": self.artefact.digest,
            "code": self.artefact.code,
            "functions": functions_text(self.package),
            "isolated": self.package.is_isolated,
            "code_sha256": configuration["CodeSha256"],
            "object": self.object_key,
            "platform": platform_digest(configuration),
            "requirements": self.artefact.lock,
            "memory": configuration["MemorySize"],
            "timeout": configuration["Timeout"],
            "environment": sorted(configuration["Environment"]["Variables"]),
            "descriptions": json.dumps(self.descriptions["functions"]),
            "created_at": int(time.time()),
            "by": self.deployment.caller_arn,
            **{name: value for name, value in said.items() if value},
        }

    def outcome(self, seconds: float, *, is_new: bool) -> Published:
        """Return what was done in so many seconds."""
        before = set(json.loads(self.serving["functions"])) if self.serving else set[str]()
        after = set(self._functions)
        number = self.number if is_new else self.serving["release"] if self.serving else None
        return Published(
            self.package.name,
            number,
            self.artefact.digest,
            is_new,
            self.stack,
            sorted(after - before),
            sorted(before - after),
            round(seconds, 2),
        )


type Step = tuple[str, Callable[[Publication], None]]

# In this order: nothing is made before all was read and checked, and nothing serves before it was tried.
PREPARING: tuple[Step, ...] = (
    ("read the package", Publication.read_package),
    ("read the platform", Publication.read_platform),
    ("build", Publication.build_artefact),
    ("upload the code", Publication.upload),
    ("prepare the stack", Publication.prepare_stack),
    ("wait for the last update", Publication.wait_for_lambda),
)
RELEASING: tuple[Step, ...] = (
    ("publish a version", Publication.publish_version),
    ("wait until it is active", Publication.wake_version),
    ("limit its events", Publication.limit_events),
    ("import its functions and try its rights", Publication.describe),
    ("write the release", Publication.put_release),
    ("turn the pointer", Publication.turn_pointer),
)
# Done again by the next publication, whether it has anything new or not.
FINISHING: tuple[Step, ...] = (
    ("announce it", Publication.announce),
    ("write the rows for other readers", Publication.write_rows),
)


def publish(deployment: Deployment, folder: Path, message: str, say: Callable[[str], None]) -> Published:
    """Publish a package's folder, and return what was done.

    Raises:
        RegistryFileError: ``package.yaml`` is wrong.
        ClickException: a step failed; what served before serves on.
    """
    started = time.monotonic()
    publication = Publication(deployment, folder, message, say)

    def take(steps: tuple[Step, ...]) -> None:
        for title, step in steps:
            say(title)
            step(publication)

    take(PREPARING)
    is_new = not publication.serves_already
    if is_new:
        take(RELEASING)
    take(FINISHING)
    return publication.outcome(time.monotonic() - started, is_new=is_new)


def platform_digest(configuration: Answer) -> str:
    """Return a digest of what a version keeps of its platform and its own settings."""
    kept = {name: configuration.get(name) for name in KEPT}
    kept["Layers"] = [layer["Arn"] for layer in kept["Layers"] or ()]
    return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _base64(hex_digest: str) -> str:
    return b64encode(bytes.fromhex(hex_digest)).decode()
