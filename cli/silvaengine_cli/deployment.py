"""The deployment that a command works on: a stack on AWS, or the local engine of ``silvaengine dev``."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.client_options import checked, parse_json_or_text
from silvaengine_cli.output import json_option
from silvaengine_cli.platform_sources import application_folder
from silvaengine_cli.registry.tables import RegistryTables

DEV_FILE = Path(".silvaengine") / "dev.json"
DEFAULT_STACK = "silvaengine"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Deployment:
    """A deployment; the stack's outputs are read when they are first needed.

    Args:
        stack: name of the CloudFormation stack.
        region: its region, None for boto3's default.
        endpoint_url: URL of an engine instead of AWS; one on this machine never gets real credentials.
        table_prefix: used instead of the stack's output.
        worker_arn: used instead of the stack's output.
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
        self.region = region
        self.endpoint_url = endpoint_url
        self._table_prefix = table_prefix
        self._worker_arn = worker_arn
        self._clients: dict[tuple[str, str | None], AwsClient] = {}
        self._lock = Lock()

    def client(self, service: str, url: str | None = None) -> AwsClient:
        """Return the client of an AWS service, at ``url`` where the service has a URL of its own."""
        with self._lock:  # boto3 makes clients of its default session in one thread at a time
            if (service, url) not in self._clients:
                self._clients[service, url] = self._new_client(service, url)
            return self._clients[service, url]

    def _new_client(self, service: str, url: str | None) -> AwsClient:
        import boto3  # lazy: only a command that calls AWS needs it
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})
        url = url or self.endpoint_url
        options: dict[str, Any] = {"region_name": self.region, "endpoint_url": url}
        if url and urlsplit(url).hostname in _LOOPBACK:
            options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            options["region_name"] = self.region or "us-east-1"
        return boto3.client(service, config=config, **options)  # type: ignore[call-overload]

    def invoke(
        self, function: str, payload: str, *, wait: bool = True, tenant: str | None = None
    ) -> tuple[bool, Any]:
        """Invoke a Lambda; return whether it succeeded, and its response or error; None without waiting.

        One in Lambda's tenant isolation mode takes no call without a ``tenant``.
        """
        response = self.client("lambda").invoke(
            FunctionName=function,
            InvocationType="RequestResponse" if wait else "Event",
            Payload=payload,
            **({"TenantId": tenant} if tenant else {}),
        )
        return "FunctionError" not in response, json.loads(response["Payload"].read() or b"null")

    @property
    def is_local(self) -> bool:
        """Whether it is an engine on this machine."""
        return bool(self.endpoint_url) and urlsplit(self.endpoint_url).hostname in _LOOPBACK

    def tables(self) -> RegistryTables:
        """Return the deployment's registry tables."""
        return RegistryTables(self.client("dynamodb"), self.table_prefix)

    @property
    def table_prefix(self) -> str:
        """The prefix of the tables' names."""
        return self._table_prefix if self._table_prefix is not None else self.output("TablePrefix")

    @property
    def worker_arn(self) -> str:
        """The ARN of the Lambda for functions that name none."""
        return self._worker_arn or self.output("WorkerArn")

    @property
    def uses_own_worker(self) -> bool:
        """Whether functions that name no Lambda run in the stack's worker."""
        return self._worker_arn is None

    @property
    def worker_arn_or_empty(self) -> str:
        """The same, or an empty text when neither an option nor a stack names it."""
        return self._worker_arn or ("" if self._table_prefix is not None else self.output("WorkerArn"))

    @cached_property
    def caller_arn(self) -> str:
        """The ARN of the identity whose credentials are used."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    def output(self, name: str) -> str:
        """Return one of the stack's outputs; raise ClickException if it has no such output."""
        if name not in self._outputs:
            raise click.ClickException(
                f"stack {self.stack!r} has no output {name}: is it one of SilvaEngine's?"
            )
        return self._outputs[name]

    def has_output(self, name: str) -> bool:
        """Return whether a stack is used and has this output."""
        return self._table_prefix is None and name in self._outputs

    def parameter(self, name: str, default: str | None = None) -> str:
        """Return the value of one of the stack's parameters, or what to take of a stack that hasn't this one.

        Raises:
            ClickException: it hasn't, and there is no default.
        """
        parameters: dict[str, str] = {
            each["ParameterKey"]: each["ParameterValue"] for each in self._stack["Parameters"]
        }
        value = parameters.get(name, default)
        if value is None:
            raise click.ClickException(f"stack {self.stack!r} has no parameter {name}: deploy it again")
        return value

    def resources(self, *types: str) -> dict[str, str]:
        """Return the physical ids of the stack's resources of these types, by their logical ids."""
        pages = (
            self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack)
        )
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] in types
        }

    def look_again(self) -> None:
        """Read the stack anew when something of it is needed next."""
        self.__dict__.pop("_stack", None)

    @property
    def stack_status(self) -> str:
        """The stack's status, as CloudFormation says it."""
        return str(self._stack["StackStatus"])

    @property
    def _outputs(self) -> Mapping[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self._stack.get("Outputs", ())}

    @cached_property
    def _stack(self) -> Mapping[str, Any]:
        client = self.client("cloudformation")
        try:
            stacks = client.describe_stacks(StackName=self.stack)["Stacks"]
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            stacks = []
        if not stacks:
            raise click.ClickException(
                f"there is no stack {self.stack!r}: deploy it, name yours with --stage or --stack, or use "
                "--local after `silvaengine dev`; --table-prefix and --worker-arn work without a stack"
            )
        stack: Mapping[str, Any] = stacks[0]
        return stack


def _check_url(url: str | None) -> str | None:
    if url is None or _is_http(url):
        return url
    raise ValueError(f"{url!r} is not an http:// or https:// URL")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(re.fullmatch(r"[^\s/]+", parts.netloc))


def account_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that choose an account; the command gets it as ``deployment``, whose stack it names."""

    @click.option(
        "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="AWS region.  [default: boto3's]"
    )
    @click.option(
        "--endpoint-url", callback=checked(_check_url), help="URL of an engine to use instead of AWS."
    )
    @click.option("--local", is_flag=True, help="The engine that `silvaengine dev` runs.")
    @wraps(command)
    def with_account(*args: object, local: bool, **options: Any) -> R:  # noqa: ANN401 - click's values
        names = ("stack", "region", "endpoint_url", "table_prefix", "worker_arn")
        arguments = {name: value for name in names if (value := options.pop(name, None)) is not None}
        if stage := options.pop("stage", None):
            arguments |= _of_stage(stage)
        if local:
            arguments.pop("region", None)
            arguments = read_local_deployment(Path.cwd()) | arguments
        return command(*args, deployment=Deployment(**arguments), **options)

    return with_account


def _of_stage(name: str) -> dict[str, str]:
    from silvaengine_cli.project import Project  # lazy: it is slow to import

    stage = Project.find(Path.cwd()).stage(name)
    return {"stack": stage.stack, **({"region": stage.region} if stage.region else {})}


def deployment_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that choose the deployment; the command gets it as ``deployment``."""
    worker = click.option(
        "--worker-arn", help="Lambda of functions that name none.  [default: the stack's worker]"
    )
    prefix = click.option("--table-prefix", help="Beginning of the tables' names.  [default: the stack's]")
    stage = click.option(
        "--stage", help="Stage of silvaengine.toml, whose stack and region these are.", metavar="NAME"
    )
    stack = click.option(
        "--stack", envvar="SILVAENGINE_STACK", help=f"CloudFormation stack.  [default: {DEFAULT_STACK}]"
    )
    return stage(stack(account_options(prefix(worker(command)))))


def operator_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of ``deployment_options``, and ``--json`` as ``as_json``."""
    return json_option(deployment_options(command))


def list_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of ``operator_options``, and ``--wide``."""
    wide = click.option("--wide", is_flag=True, help="Shorten and fold nothing.")
    return wide(operator_options(command))


def limit_option[R](help_text: str, default: int = 100) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return the option ``--limit``: at least 1."""
    return click.option("--limit", default=default, show_default=True, type=click.IntRange(1), help=help_text)


@contextmanager
def local_deployment(folder: Path, endpoint_url: str, stack: str, region: str) -> Iterator[None]:
    """Keep the file from which commands with `--local` in a folder read where the engine is."""
    content = {"endpoint_url": endpoint_url, "stack": stack, "region": region}
    (folder / DEV_FILE).write_text(json.dumps(content))
    try:
        yield
    finally:
        (folder / DEV_FILE).unlink()


def read_local_deployment(start: Path) -> dict[str, str]:
    """Return the arguments of ``Deployment`` for the engine that ``silvaengine dev`` runs here or above."""
    if folder := _dev_folder(start):
        return _read_dev_file(folder / DEV_FILE)
    raise click.ClickException(f"no {DEV_FILE} of an application here: start `silvaengine dev` first")


def local_folder(deployment: Deployment) -> Path | None:
    """Return the folder, here or above, in which ``silvaengine dev`` runs this deployment, if it does."""
    folder = _dev_folder(Path.cwd())
    is_it = folder and _read_dev_file(folder / DEV_FILE)["endpoint_url"] == deployment.endpoint_url
    return folder if is_it else None


def _dev_folder(start: Path) -> Path | None:
    folder = application_folder(start)
    return folder if folder and (folder / DEV_FILE).is_file() else None


def _read_dev_file(path: Path) -> dict[str, str]:
    content = parse_json_or_text(path.read_text())
    if not isinstance(content, dict) or not isinstance(content.get("endpoint_url"), str):
        raise click.ClickException(f"{path} names no engine: start `silvaengine dev` again")
    return {name: content[name] for name in ("endpoint_url", "stack", "region") if name in content}
