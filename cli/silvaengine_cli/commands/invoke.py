"""``invoke``: call a function as a client would, or directly in its worker."""

import base64
import json
import time
import uuid

import click

from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import Invocation, WorkerCall, WorkerResponse
from silvaengine_cli.calling import ClientCall, look_up, send_call
from silvaengine_cli.client_options import header_options, parse_json_or_text, parse_parameters
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.http import HttpResponse
from silvaengine_cli.output import print_json

DIRECT_SECONDS = 27.0  # as over HTTP
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


@click.command()
@click.argument("endpoint")
@click.argument("function")
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter; a VALUE that is JSON is read as JSON.",
)
@click.option("--method", type=click.Choice(_METHODS), help="HTTP method.  [default: the function's first]")
@click.option("--area", help="Area of the function.  [default: as registered; with --url: core]")
@header_options
@click.option("--url", help="URL of the deployment.  [default: the stack's ApiUrl]")
@click.option(
    "--direct", is_flag=True, help="Invoke the worker itself, past API Gateway and the gateway Lambda."
)
@operator_options
def invoke(
    deployment: Deployment,
    endpoint: str,
    function: str,
    params: tuple[str, ...],
    method: str | None,
    area: str | None,
    api_key: str,
    headers: dict[str, str],
    url: str | None,
    direct: bool,
    as_json: bool,
) -> None:
    """Call FUNCTION of ENDPOINT and print its result. Exits with 1 when it failed.

    \b
    Examples:
      silvaengine invoke demo hello --param name=Ada --local
      silvaengine invoke demo hello -p 'tags=["a", "b"]' -p 'id="007"' --stack silvaengine
      silvaengine invoke demo hello --url https://api.example.com/beta --api-key s3cret
      silvaengine invoke demo hello --token "$TOKEN" --header 'Idempotency-Key: order-1' --local
      silvaengine invoke demo hello --direct --local
    """
    call = ClientCall(endpoint, function, api_key, headers, _parse(params))
    if direct:
        if headers.keys() - {"x-api-key"}:
            raise click.UsageError("--direct goes past the gateway, which alone reads headers and tokens")
        _print_direct(_ask_worker(deployment, call), as_json)
    else:
        _print_http(send_call(deployment, call, method, area, url), as_json)


def _parse(params: tuple[str, ...]) -> dict[str, Json]:
    try:
        return parse_parameters(params)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--param") from error


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ask_worker(deployment: Deployment, call: ClientCall) -> WorkerResponse:
    """Invoke a function's worker as a gateway would; wait for the result even of an ``Event`` function."""
    function = look_up(deployment, call, secrets=True)
    worker_call = WorkerCall(
        function.callee,
        {**call.params, "endpoint_id": call.endpoint, "area": function.area},
        context={"channel": call.endpoint, "area": function.area, "headers": {}},
        invocation=Invocation(
            request_id=uuid.uuid4().hex,
            endpoint_id=call.endpoint,
            area=function.area,
            function=function.name,
            deadline=time.time() + DIRECT_SECONDS,
        ),
    )
    succeeded, result = deployment.invoke(function.aws_lambda_arn, worker_call.encode())
    if not succeeded:
        raise click.ClickException(
            f"the worker failed: {result.get('errorType')}: {result.get('errorMessage')}"
        )
    return WorkerResponse.decode(result)


def _print_direct(response: WorkerResponse, as_json: bool) -> None:
    details = {"details": response.details} if response.details else {}
    if as_json:
        print_json({"kind": response.kind, "status": response.status, "value": response.value, **details})
    elif response.kind == "error":
        click.echo(f"{response.status} {response.error_type}: {response.value}", err=True)
        if details:
            click.echo(json.dumps(response.details, ensure_ascii=False), err=True)
    elif response.kind == "base64":
        click.echo(base64.b64decode(response.value), nl=False)
    else:
        is_text = response.kind == "text"
        click.echo(response.value if is_text else json.dumps(response.value, ensure_ascii=False))
    if response.kind == "error":
        raise click.exceptions.Exit(1)


def _print_http(response: HttpResponse, as_json: bool) -> None:
    failed = response.status >= 400
    if as_json:
        body = parse_json_or_text(response.body.decode(errors="replace"))
        print_json({"status": response.status, "headers": dict(response.headers), "body": body})
    else:
        if failed:
            click.echo(f"HTTP {response.status}", err=True)
        click.echo(response.body, nl=_is_text(response.body))
    if failed:
        raise click.exceptions.Exit(1)
