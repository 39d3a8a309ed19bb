"""`silvaengine invoke` and `destroy` against a made-up deployment: a stack in moto, a local server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from silvaengine.protocol.messages import WorkerResponse
from silvaengine.tables import FUNCTIONS, PACKAGES
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import CREDENTIALS, REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables

from .echo_gateway import PICTURE, running_gateway
from .stacks import create_stack

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:mine-Worker"
REGISTRY = """\
endpoints: {demo: }
functions:
  hello: {module: demo, class: Greetings, area: admin, methods: [GET], settings: demo}
connections: [{functions: [hello]}]
settings: {demo: {greeting: Hello}}
"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Moto alone: the engine's stacks are deployed by e2e tests."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def gateway() -> Iterator[str]:
    """URL of a gateway on a free port."""
    with running_gateway() as url:
        yield url


@pytest.fixture
def registered(dynamodb: Any, tmp_path: Path) -> None:
    """Apply the registry to the account's tables."""
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    apply_file(tmp_path / "registry.yaml", RegistryTables(dynamodb), WORKER)


@pytest.fixture
def stack(registered: None, gateway: str) -> str:
    """A stack with SilvaEngine's outputs, and the registry applied."""
    outputs = {"ApiUrl": gateway, "TablePrefix": "se-", "WorkerArn": WORKER}
    create_stack(Deployment(region=REGION).client("cloudformation"), "mine", outputs)
    return "mine"


def run(*arguments: str, response: str | None = None) -> Result:
    """Run a command in the test's region."""
    return CliRunner().invoke(cli, [*arguments, "--region", REGION], input=response)


def test_area_and_method_are_looked_up_in_the_registry(stack: str) -> None:
    """The caller names only endpoint and function."""
    result = run("invoke", "demo", "hello", "-p", "name=Ada & Co", "-p", "n=[1]", "--stack", stack)
    assert result.exit_code == 0, result.output
    request = json.loads(result.stdout)
    assert (request["method"], request["path"]) == ("GET", "/beta/admin/demo/hello?name=Ada+%26+Co&n=%5B1%5D")
    assert (request["body"], request["key"]) == ("", None)


def test_a_body_holds_values_of_their_types(gateway: str) -> None:
    """JSON is sent as JSON, anything else as text; the key is a header."""
    params = ("-p", "n=1", "-p", 'id="007"', "-p", "zip=007", "-p", "empty=")
    result = run("invoke", "demo", "hello", *params, "--url", gateway, "--api-key", "k", "--json")
    response = json.loads(result.stdout)
    request = response["body"]
    assert (response["status"], request["method"], request["path"], request["key"]) == (
        200,
        "POST",
        "/beta/core/demo/hello",
        "k",
    )
    assert json.loads(request["body"]) == {"n": 1, "id": "007", "zip": "007", "empty": ""}


def test_headers_and_a_token_are_sent(gateway: str) -> None:
    """A token is a bearer's, and a header is as it was given, whatever its value holds."""
    options = ("--token", "eyJ.x.y", "--header", "Idempotency-Key: order:1")
    sent = json.loads(run("invoke", "demo", "hello", *options, "--url", gateway).stdout)
    assert (sent["authorization"], sent["idempotency-key"]) == ("Bearer eyJ.x.y", "order:1")


@pytest.mark.parametrize(
    "options",
    [("--header", "no colon"), ("--header", "a: b\nc: d"), ("--token", "a\nb"), ("--direct", "--token", "x")],
)
def test_header_that_cannot_be_sent_is_a_usage_error(options: tuple[str, ...]) -> None:
    """What no header can hold, and what no gateway would read, is refused before anything is sent."""
    for command in (("invoke", "demo", "hello"), ("ws", "connect", "demo")):
        assert run(*command, *options).exit_code == 2


def test_any_kind_of_answer_is_accepted(gateway: str) -> None:
    """API Gateway decodes binary answers only for clients that accept them."""
    assert json.loads(run("invoke", "demo", "picture", "--url", gateway).stdout)["accept"] == "*/*"


def test_a_picture_is_printed_byte_for_byte(gateway: str) -> None:
    """Output redirected to a file is the function's response."""
    assert run("invoke", "demo", "pixel", "--url", gateway).stdout_bytes == PICTURE


def test_an_error_status_is_a_failure(gateway: str) -> None:
    """The status is printed, and the body unchanged."""
    result = run("invoke", "demo", "404", "--url", gateway)
    status, _, body = result.output.partition("\n")
    assert (result.exit_code, status) == (1, "HTTP 404")
    assert json.loads(body)["path"] == "/beta/core/demo/404"


def test_a_worker_s_refusal_has_its_details(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a typed function can't take is named, as the gateway's response names it."""
    details = [{"in": "body", "path": "/n", "message": "Expected `int`", "value_type": "string"}]
    refusal = WorkerResponse("error", "It can't", 422, "InvalidArgumentsError", details)
    monkeypatch.setattr(Deployment, "invoke", lambda *_: (True, refusal.encode()))
    shown = run("invoke", "demo", "hello", "--direct", "--stack", stack)
    assert shown.exit_code == 1
    assert shown.output == f"422 InvalidArgumentsError: It can't\n{json.dumps(details)}\n"
    printed = json.loads(run("invoke", "demo", "hello", "--direct", "--json", "--stack", stack).stdout)
    assert printed == {"kind": "error", "status": 422, "value": "It can't", "details": details}


def test_an_unknown_function_is_refused_by_the_gateway(stack: str) -> None:
    """The look-up only fills in the URL; the request is sent as any client's would be."""
    result = run("invoke", "demo", "404", "--stack", stack)
    assert result.exit_code == 1
    assert '"/beta/core/demo/404"' in result.output


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "127.0.0.1:1", "http://127.0.0.1:1", "http://exa mple", "http://[::1"]
)
def test_an_address_without_a_gateway_is_an_error_in_one_line(url: str) -> None:
    """Other schemes, closed ports and malformed addresses give no traceback."""
    result = run("invoke", "demo", "hello", "--url", url)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


@pytest.mark.parametrize("url", ["ws://[::1", "ws://exa mple", "ws://127.0.0.1:1", "http://127.0.0.1:1"])
def test_an_address_without_sockets_is_an_error_in_one_line(url: str) -> None:
    """A WebSocket's address that leads nowhere gives no traceback either."""
    result = run("ws", "connect", "demo", "--url", url)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("Error: ")


def test_a_server_that_does_not_answer_is_an_error_in_one_line(gateway: str) -> None:
    """A server that took the request and closed is told of in one line."""
    result = run("invoke", "demo", "nothing", "--url", gateway)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "closed connection without response" in result.output


@pytest.mark.parametrize(
    "command", [("invoke", "demo", "hello"), ("ws", "connect", "demo"), ("show", "demo")]
)
def test_a_key_that_no_header_can_hold_is_a_usage_error(command: tuple[str, ...]) -> None:
    """A key pasted with other characters is refused before a request is sent."""
    for key in ("s3cr€t", "s3cret\n", ""):
        result = run(*command, "--api-key", key)
        assert result.exit_code == 2
        assert "must be 1 to 256 printable ASCII" in result.output


def test_a_parameter_without_a_name_is_a_usage_error() -> None:
    """The command line is wrong, not the call."""
    assert run("invoke", "demo", "hello", "-p", "name").exit_code == 2


def test_destroy_asks_and_then_deletes_the_stack(stack: str) -> None:
    """The response no keeps it; --yes doesn't ask; then there is no stack."""
    assert run("destroy", "--stack", stack, response="n\n").exit_code == 1
    done = run("destroy", "--stack", stack, "--yes", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (
        0,
        {"stack": "mine", "deleted": True, "retained": []},
    )
    gone = run("destroy", "--stack", stack, "--yes")
    assert gone.exit_code == 1
    assert "there is no stack 'mine'" in gone.output


def test_destroy_deletes_the_packages_first(stack: str, dynamodb: Any) -> None:
    """CloudFormation deletes their stacks with a role of the platform's; the question names them."""
    tables, arn = RegistryTables(dynamodb), WORKER.replace("-Worker", "-pkg-shop")
    tables.create(FUNCTIONS, {"aws_lambda_arn": arn, "function": "hello"})
    tables.create(PACKAGES, {"function_arn": arn, "item": "pointer", "package": "shop", "revision": 1})
    client = Deployment(region=REGION).client("cloudformation")
    for name in (f"{stack}-pkg-shop", f"{stack}-pkg-billing", f"not-{stack}-pkg-shop"):
        create_stack(client, name, {})
    asked = run("destroy", "--stack", stack, response="n\n")
    assert "and its packages billing, shop" in asked.output
    done = run("destroy", "--stack", stack, "--yes")
    assert done.exit_code == 0, done.output
    assert list(tables.query(FUNCTIONS, arn)) == list(tables.query(PACKAGES, arn)) == []
    left = [each["StackName"] for each in client.describe_stacks()["Stacks"]]
    assert left == [f"not-{stack}-pkg-shop"]


def test_a_stack_of_something_else_is_left_alone(aws: None) -> None:
    """Only a stack with SilvaEngine's outputs is deleted or written to."""
    create_stack(Deployment(region=REGION).client("cloudformation"), "other", {})
    result = run("destroy", "--stack", "other", "--yes")
    assert (result.exit_code, "is it one of SilvaEngine's?" in result.output) == (1, True)
