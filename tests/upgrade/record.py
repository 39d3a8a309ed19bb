"""Record what the last release's Lambdas tell one another and write: ``python -m tests.upgrade.record``.

A release is recorded once; later versions are tested against it, in seconds and without its code.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from samcli.yamlhelper import yaml_parse
from tests.e2e.counting_proxy import CountingProxy
from tests.e2e.http_client import Api
from tests.e2e.socket_client import Socket
from tests.upgrade import last_release
from tests.upgrade.platform import RECORDED, SECRET

from silvaengine.tables import TABLES
from silvaengine_cli.deploy import LOCAL_STACK, build
from silvaengine_cli.engine import LocalEngine, install_engine, local_engine
from silvaengine_cli.events import sample
from silvaengine_cli.preflight.upgrade import read_deployed

SOURCES = ("sqs", "s3", "sns", "dynamodb", "rule", "direct")
REQUESTS: tuple[tuple[str, str, object, Mapping[str, str]], ...] = (
    ("GET", "/core/demo/hello?name=Ada", None, {}),
    ("POST", "/core/acme/hello", {"name": "Grace"}, {"x-api-key": "demo-key-acme"}),
    ("GET", "/core/demo/divide?a=1&b=0", None, {}),
    ("GET", "/core/demo/picture", None, {}),
    ("GET", "/core/demo/menu", None, {}),
    ("GET", "/core/demo/rate", None, {}),
    ("GET", "/admin/demo/versions", None, {}),
    ("POST", "/core/demo/book", {"item": "A1"}, {"idempotency-key": "order-1"}),
    ("POST", "/core/demo/divide", {"a": 1, "b": 0}, {"idempotency-key": "order-2"}),
    ("POST", "/core/demo/report", {"title": "June"}, {}),
    ("POST", "/core/demo/book", {"item": "A2"}, {"prefer": "respond-async"}),
)
MESSAGES: tuple[Mapping[str, object], ...] = (
    {"funct": "hello", "payload": {"name": "Ada"}, "id": "1"},
    {"funct": "book", "payload": {"item": "A3"}, "id": "2", "once": True},
    {"funct": "countdown", "payload": {"start": 2, "pause": 0}, "id": "3"},
    {"funct": "say", "payload": {"text": "hi"}, "id": "4"},
)


def main() -> None:
    """Deploy the last release to a local engine of its own, call it in every way, and write what was seen."""
    calls: list[tuple[str, bytes, bytes]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        project = last_release.check_out(folder / "project")
        engine = stack.enter_context(local_engine(install_engine(last_release.PROJECT), folder / "state"))
        proxy = stack.enter_context(CountingProxy(engine.url, lambda *call: calls.append(call)))
        parameters = {"AwsEndpointUrl": proxy.url, "EventRuleSources": "shop", "FullEventAreas": "admin"}
        build(project)
        outputs = last_release.deploy(project, engine, parameters)
        write("stack", described(engine))
        use(engine, project, outputs)
        write("tables", {table.name: rows(engine, outputs, table.name) for table in TABLES})
    invokes = [
        (json.loads(sent), json.loads(got or b"null")) for name, sent, got in calls if "Invoke" in name
    ]
    write("calls", [{"payload": sent, "response": got} for sent, got in invokes if "MODULENAME" in sent])
    write("broadcasts", [{"payload": sent, "response": got} for sent, got in invokes if "frame" in sent])


def described(engine: LocalEngine) -> dict[str, Any]:
    """Return what CloudFormation and Lambda say of the stack, as `silvaengine upgrade` asks."""
    cloudformation = engine.client("cloudformation")
    (description,) = cloudformation.describe_stacks(StackName=LOCAL_STACK)["Stacks"]
    template = cloudformation.get_template(StackName=LOCAL_STACK, TemplateStage="Original")["TemplateBody"]
    return {
        "description": {name: description[name] for name in ("StackStatus", "Parameters", "Outputs")},
        "template": yaml_parse(template) if isinstance(template, str) else template,
        "modules": sorted(read_deployed(LOCAL_STACK, engine.client).modules),
    }


def use(engine: LocalEngine, project: Path, outputs: Mapping[str, str]) -> None:
    """Send requests, messages and events, and write them with their responses."""
    engine.client("secretsmanager").put_secret_value(
        SecretId="silvaengine-local-ledger-key", SecretString=SECRET
    )
    run_command(project, engine, "apply")
    api = Api(outputs["ApiUrl"])
    responses = []
    for method, path, body, headers in REQUESTS:
        content = None if body is None else json.dumps(body).encode()
        response = api.request(
            method, path, body=content, headers={"content-type": "application/json", **headers}
        )
        responses.append({"method": method, "path": path, "body": body, "headers": headers,
                          "status": response.status, "response": response.text})  # fmt: skip
    write("responses", responses)
    with Socket(f"{outputs['WebsocketUrl']}?endpointId=demo&area=core") as socket:
        frames = [{"message": each, "frames": list(replies(socket, each))} for each in MESSAGES]
        write("frames", frames)
        events = [sample(source) for source in SOURCES]
        invoke = engine.client("lambda").invoke
        answers = [invoke(FunctionName=outputs["TasksArn"], Payload=json.dumps(each)) for each in events]
        results = [json.loads(answer["Payload"].read()) for answer in answers]
        pairs = zip(events, results, strict=True)
        write("events", [{"event": event, "response": result} for event, result in pairs])
        wait_for_jobs(engine, outputs)


def run_command(project: Path, engine: LocalEngine, *arguments: str) -> None:
    """Run the version's own `silvaengine`."""
    paths = [project / "cli", project / "shared", *project.glob("services/*")]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PATH": "/usr/bin:/bin"}
    where = ["--stack", LOCAL_STACK, "--endpoint-url", engine.url, "--region", "us-east-1"]
    program = [sys.executable, "-c", "from silvaengine_cli.main import main; main()"]
    subprocess.run([*program, *arguments, *where], cwd=project, env=environment, check=True)


def replies(socket: Socket, message: Mapping[str, object]) -> Iterator[Any]:
    """Send a message and yield the frames up to the last one of its call."""
    socket.send(json.dumps(message))
    while True:
        yield (frame := socket.json())
        if frame.get("id") == message["id"] and ("done" in frame or "seq" not in frame):
            return


def wait_for_jobs(engine: LocalEngine, outputs: Mapping[str, str]) -> None:
    """Wait until every execution has ended."""
    deadline = time.monotonic() + 30
    while any(row["state"]["S"] in {"accepted", "running"} for row in rows(engine, outputs, "executions")):
        assert time.monotonic() < deadline, rows(engine, outputs, "executions")
        time.sleep(0.2)


def rows(engine: LocalEngine, outputs: Mapping[str, str], table: str) -> list[dict[str, Any]]:
    """Return a table's rows as DynamoDB writes them."""
    found: list[dict[str, Any]] = engine.client("dynamodb").scan(TableName=outputs["TablePrefix"] + table)[
        "Items"
    ]
    return found


def write(name: str, value: object) -> None:
    """Write a file of the recording."""
    (RECORDED / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
