"""Which deployment a command is about: a stack in the account, or the local engine of ``silvaengine dev``."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from silvaengine_cli.registry.tables import RegistryTables

DEV_FILE = Path(".silvaengine") / "dev.json"
DEFAULT_STACK = "silvaengine"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Deployment:
    """A deployment, asked for its outputs only when they are needed.

    Args:
        stack: the CloudFormation stack.
        region: its region; boto3's own choice when None.
        endpoint_url: of an engine in AWS's place; one on this machine never gets real credentials.
        table_prefix: in place of the stack's output.
        worker_arn: in place of the stack's output.
    """

    def __init__(
        self,
        *,
        stack: str = DEFAULT_STACK,
        region: str | None = None,
        endpoint_url: str | None = None,
        table_prefix: str | None = None,
        worker_arn: str | None = None,
    ) -> None:
        self.stack = stack
        self._region = region
        self._endpoint_url = endpoint_url
        self._table_prefix = table_prefix
        self._worker_arn = worker_arn

    def client(self, service: str, url: str | None = None) -> Any:  # noqa: ANN401 - boto3 has no types of its own
        """Return a client of an AWS service there; ``url`` is the service's where it has one of its own."""
        import boto3  # slow, and `init` and `validate` need none
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})
        url = url or self._endpoint_url
        options: dict[str, Any] = {"region_name": self._region, "endpoint_url": url}
        if url and urlsplit(url).hostname in _LOOPBACK:
            options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            options["region_name"] = self._region or "us-east-1"
        return boto3.client(service, config=config, **options)  # type: ignore[call-overload]

    @property
    def is_local(self) -> bool:
        """Return whether it is an engine on this machine."""
        return bool(self._endpoint_url) and urlsplit(self._endpoint_url).hostname in _LOOPBACK

    def tables(self) -> RegistryTables:
        """Return the deployment's registry tables."""
        return RegistryTables(self.client("dynamodb"), self.table_prefix)

    @property
    def table_prefix(self) -> str:
        """What the tables' names begin with."""
        return self._table_prefix if self._table_prefix is not None else self.output("TablePrefix")

    @property
    def worker_arn(self) -> str:
        """The Lambda that runs functions which name no other."""
        return self._worker_arn or self.output("WorkerArn")

    @property
    def known_worker_arn(self) -> str:
        """The same, or nothing when neither an option nor a stack tells it."""
        return self._worker_arn or ("" if self._table_prefix is not None else self.output("WorkerArn"))

    def output(self, name: str) -> str:
        """Return one of the stack's outputs; raises ClickException when there is none."""
        if name not in self._outputs:
            raise click.ClickException(
                f"stack {self.stack!r} has no output {name}: is it one of SilvaEngine's?"
            )
        return self._outputs[name]

    def has_output(self, name: str) -> bool:
        """Return whether a stack is meant, and has this output."""
        return self._table_prefix is None and name in self._outputs

    @cached_property
    def _outputs(self) -> Mapping[str, str]:
        client = self.client("cloudformation")
        try:
            stacks = client.describe_stacks(StackName=self.stack)["Stacks"]
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            stacks = []
        if not stacks:
            raise click.ClickException(
                f"there is no stack {self.stack!r}: deploy it, name yours by --stack, or use --local after "
                "`silvaengine dev`. --table-prefix and --worker-arn do without a stack."
            )
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", ())}


def _http_url(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    if url is None or _is_http(url):
        return url
    raise click.BadParameter(f"{url!r} is not an http:// or https:// URL")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(re.fullmatch(r"[^\s/]+", parts.netloc))


def target_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which deployment is meant; the command gets them as ``target``."""

    @click.option(
        "--stack", envvar="SILVAENGINE_STACK", help=f"CloudFormation stack.  [default: {DEFAULT_STACK}]"
    )
    @click.option(
        "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="AWS region.  [default: boto3's]"
    )
    @click.option("--endpoint-url", callback=_http_url, help="URL of an engine in AWS's place.")
    @click.option("--local", is_flag=True, help="The engine that `silvaengine dev` runs.")
    @click.option("--table-prefix", help="Beginning of the tables' names.  [default: the stack's]")
    @click.option("--worker-arn", help="Lambda of functions that name none.  [default: the stack's worker]")
    @wraps(command)
    def with_target(*args: Any, local: bool, **options: Any) -> R:  # noqa: ANN401 - click's options
        names = ("stack", "region", "endpoint_url", "table_prefix", "worker_arn")
        chosen = {name: value for name in names if (value := options.pop(name)) is not None}
        if local:
            chosen = local_target(Path.cwd()) | {name: chosen[name] for name in chosen if name != "region"}
        return command(*args, target=Deployment(**chosen), **options)

    return with_target


def local_target(start: Path) -> dict[str, str]:
    """Read where ``silvaengine dev`` runs its engine, from ``.silvaengine/dev.json`` here or above."""
    for folder in (start, *start.parents):
        if (folder / DEV_FILE).is_file():
            return _recorded(folder / DEV_FILE)
    raise click.ClickException(f"no {DEV_FILE} here or above: start `silvaengine dev` first")


def _recorded(path: Path) -> dict[str, str]:
    try:
        recorded = json.loads(path.read_text())
    except ValueError:
        recorded = None
    if not isinstance(recorded, dict) or not isinstance(recorded.get("endpoint_url"), str):
        raise click.ClickException(f"{path} tells of no engine: start `silvaengine dev` again")
    return {name: recorded[name] for name in ("endpoint_url", "stack", "region") if name in recorded}
