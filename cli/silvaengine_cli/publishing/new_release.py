"""A release that is made of an artefact: the steps that a publication and an update of the platform share."""

import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable

import click

from silvaengine.aws.table_client import Row
from silvaengine.registry.packages import PROTOCOL
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.descriptions import fit, text_of
from silvaengine_cli.publishing.artefact import Artefact
from silvaengine_cli.publishing.coverage import covered_at_first, tenants_of
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollout import Rollout, Turning
from silvaengine_cli.publishing.versions import Answer, Versions, callables_of, kept
from silvaengine_cli.registry.sizes import MAX_ROW_BYTES, row_bytes

KEY_BYTES = 512  # of a release's row, and the name of its descriptions


class NewRelease(ABC):
    """A release that is being made; what a step finds out, the later ones use.

    Args:
        deployment: where it is published.
        message: what is said of it.
        say: shows a line of progress.
        rollout: how it comes to its tenants.
    """

    platform: Platform
    releases: PackageReleases
    seen: Row | None  # the pointer, as it was at the beginning
    artefact: Artefact
    versions: Versions
    latest: Answer  # the configuration of $LATEST
    configuration: Answer  # that of the version
    number: int
    descriptions: Answer  # by `module:Class.function`
    release: Row
    covered: list[str] | None = None  # the canary's tenants; None where none is to run

    def __init__(
        self, deployment: Deployment, message: str, say: Callable[[str], None], rollout: Rollout
    ) -> None:
        self.deployment = deployment
        self.message = message
        self.say = say
        self.rollout = rollout

    @property
    @abstractmethod
    def functions_text(self) -> str:
        """What the release says of its functions, as JSON text, which its digest is of."""

    @property
    @abstractmethod
    def is_isolated(self) -> bool:
        """Whether each tenant has execution environments of its own."""

    @abstractmethod
    def release_row(self) -> Row:
        """Return the release's row, without descriptions."""

    @abstractmethod
    def replace(self) -> None:
        """Let the release serve those whom the one that it replaces serves."""

    def read_pointer(self) -> None:
        """Read which release serves; raise ClickException while a canary runs beside it."""
        self.seen = self.releases.read_pointer()
        if self.seen and "canary" in self.seen:
            package = self.releases.package
            raise click.ClickException(
                f"release {self.seen['canary']['release']} of {package!r} is a canary: "
                f"`promote {package}` or `rollback {package}` first"
            )

    def choose_tenants(self) -> None:
        """Find out which tenants a canary covers."""
        if self.rollout.canary is None:
            return
        if self.seen is None:
            raise click.ClickException(
                f"{self.releases.package!r} has no release yet: there is nothing to compare it with"
            )
        tenants = tenants_of(self.deployment, self.releases.package, self.say)
        self.covered = covered_at_first(self.seen, self.rollout.canary, tenants)

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
        self._turning.warm(self.release, self.rollout.warm)

    def turn_pointer(self) -> None:
        """Let the release serve, unless another one was published meanwhile."""
        if self.seen and self.rollout.canary:
            self._turning.begin_canary(self.seen, self.number, self.rollout.canary)
        else:
            self.replace()

    @property
    def object_key(self) -> str:
        """The key of the code's object."""
        return f"packages/{self.releases.package}/{self.artefact.digest}.zip"

    @property
    def _turning(self) -> Turning:
        return Turning(self.deployment, self.releases, self.versions, self.say)

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
