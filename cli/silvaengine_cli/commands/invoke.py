"""``invoke``: call a function as a client would, or straight in its worker."""

import base64
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import click

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import Invocation, WorkerAnswer, WorkerCall
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli.caller import api_key_option
from silvaengine_cli.http import HttpAnswer, function_url, send
from silvaengine_cli.output import json_option, print_json
from silvaengine_cli.parameters import json_or_text, parse_parameters
from silvaengine_cli.registry.lookup import connection_of, open_registry
from silvaengine_cli.target import Deployment, target_options

DIRECT_SECONDS = 27.0  # what a client over HTTP would get
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


@dataclass(frozen=True, slots=True)
class Call:
    """Which function is called, by whom, with what."""

    endpoint: str
    function: str
    api_key: str
    params: dict[str, Any]


@click.command()
@click.argument("endpoint")
@click.argument("function")
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter; a VALUE that is JSON is taken as JSON.",
)
@click.option("--method", type=click.Choice(_METHODS), help="HTTP method.  [default: the function's first]")
@click.option("--area", help="Area of the function.  [default: as registered; with --url: core]")
@api_key_option
@click.option("--url", help="Where the deployment answers.  [default: the stack's ApiUrl]")
@click.option(
    "--direct", is_flag=True, help="Invoke the worker itself, past API Gateway and the gateway Lambda."
)
@json_option
@target_options
def invoke(
    target: Deployment,
    endpoint: str,
    function: str,
    params: tuple[str, ...],
    method: str | None,
    area: str | None,
    api_key: str,
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
      silvaengine invoke demo hello --direct --local
    """
    call = Call(endpoint, function, api_key, _parse(params))
    if direct:
        _print_direct(_ask_worker(target, call), as_json)
    else:
        _print_http(_send(target, call, method, area, url), as_json)


def _parse(params: tuple[str, ...]) -> dict[str, Any]:
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


def _send(
    target: Deployment, call: Call, method: str | None, area: str | None, url: str | None
) -> HttpAnswer:
    if not url and (area is None or method is None):
        function = _resolve(target, call)
        area = area or (function.area if function else None)
        method = method or (function.methods[0] if function else None)
    address = function_url(url or target.output("ApiUrl"), area or "core", call.endpoint, call.function)
    headers = {} if call.api_key == DEFAULT_API_KEY else {"x-api-key": call.api_key}
    return send(address, method or "POST", call.params, headers)


def _resolve(target: Deployment, call: Call) -> Function | None:
    """Look the function up; what isn't there is for the gateway to refuse."""
    try:
        return _function(open_registry(target), call)
    except RequestError:
        return None


def _function(registry: Registry, call: Call) -> Function:
    return registry.function(connection_of(registry, call.endpoint, call.api_key), call.function)


def _ask_worker(target: Deployment, call: Call) -> WorkerAnswer:
    """Invoke a function's worker as a gateway would; the result even of an ``Event`` function is awaited."""
    function = _function(open_registry(target, secrets=True), call)
    deadline = time.time() + DIRECT_SECONDS
    worker_call = WorkerCall(
        function.callee,
        call.params | {"endpoint_id": call.endpoint, "area": function.area},
        context={"channel": call.endpoint, "area": function.area, "headers": {}},
        invocation=Invocation(
            request_id=uuid.uuid4().hex,
            endpoint_id=call.endpoint,
            area=function.area,
            function=function.name,
            deadline=deadline,
        ),
    )
    client = target.client("lambda")
    answer = client.invoke(FunctionName=function.aws_lambda_arn, Payload=worker_call.encode())
    result = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        raise click.ClickException(
            f"the worker failed: {result.get('errorType')}: {result.get('errorMessage')}"
        )
    return WorkerAnswer.decode(result)


def _print_direct(answer: WorkerAnswer, as_json: bool) -> None:
    if as_json:
        print_json({"kind": answer.kind, "status": answer.status, "value": answer.value})
    elif answer.kind == "error":
        click.echo(f"{answer.status} {answer.error_type}: {answer.value}", err=True)
    elif answer.kind == "base64":
        click.echo(base64.b64decode(answer.value), nl=False)
    else:
        click.echo(answer.value if answer.kind == "text" else json.dumps(answer.value, ensure_ascii=False))
    if answer.kind == "error":
        raise click.exceptions.Exit(1)


def _print_http(answer: HttpAnswer, as_json: bool) -> None:
    failed = answer.status >= 400
    if as_json:
        text = answer.body.decode(errors="replace")
        print_json({"status": answer.status, "headers": dict(answer.headers), "body": json_or_text(text)})
    else:
        if failed:
            click.echo(f"HTTP {answer.status}", err=True)
        click.echo(answer.body, nl=_is_text(answer.body))
    if failed:
        raise click.exceptions.Exit(1)
