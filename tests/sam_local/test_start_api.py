"""`sam local start-api`: the HTTP gateway's artefact in Docker, against an engine's tables and worker."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import CREDENTIALS, HOST, LocalEngine, free_port, install_engine, local_engine
from silvaengine_cli.logs import LogReader, LogTail
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables

PROJECT = Path(__file__).parents[2]
REGISTRY = PROJECT / "services/worker/functions/registry.yaml"
READY_SECONDS = 60
ANSWER_SECONDS = 60  # the first one builds the image that holds the layer


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """An engine on 127.0.0.1."""
    with local_engine(install_engine(PROJECT), tmp_path_factory.mktemp("engine") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def outputs(engine: LocalEngine) -> deploy.StackOutputs:
    """The whole system on the engine, with the demo's registry."""
    deploy.build(PROJECT)
    outputs = deploy.deploy(PROJECT, engine)
    apply_file(REGISTRY, RegistryTables(engine.client("dynamodb"), outputs.table_prefix), outputs.worker_arn)
    return outputs


@pytest.fixture(scope="module")
def start_api(
    engine: LocalEngine, outputs: deploy.StackOutputs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a running `sam local start-api` whose gateway reaches the engine."""
    bridge = _bridge_address()
    port = free_port()
    log = tmp_path_factory.mktemp("start-api") / "log"
    relay = [sys.executable, str(Path(__file__).with_name("relay.py")), bridge, str(engine.port)]
    command = [
        str(Path(sys.executable).with_name("sam")),
        "local",
        "start-api",
        "--skip-pull-image",
        "--warm-containers=LAZY",
        f"--port={port}",
        "--parameter-overrides",
        f"AwsEndpointUrl=http://{bridge}:{engine.port}",
        f"TablePrefix={outputs.table_prefix}",
        # sam's own stack is named "local": to its gateway the engine's worker is another stack's.
        f"OtherWorkerArns={outputs.worker_arn}",
    ]
    with _running(relay, log.with_suffix(".relay")), _running(command, log) as sam:
        _wait_until_listening(sam, port, log)
        yield port
    sys.stdout.write(log.read_text(errors="replace"))


def test_a_request_runs_a_function_of_the_engine(
    engine: LocalEngine, outputs: deploy.StackOutputs, start_api: int
) -> None:
    """A request to the container is answered by the worker that the registry's row names."""
    log = LogTail(LogReader.of(Deployment(stack=deploy.LOCAL_STACK, endpoint_url=engine.url)))
    answer = _request(start_api, "GET", "/core/demo/hello?name=Ada")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == {"message": "Hello, Ada!"}
    assert answer.headers["x-request-id"] in {line.record.get("request_id") for line in log.new_lines()}


def test_a_body_becomes_parameters(start_api: int) -> None:
    """The members of a JSON body are the function's parameters."""
    answer = _request(start_api, "POST", "/core/demo/hello", {"name": "Grace"})
    assert (answer.status, answer.body) == (200, {"message": "Hello, Grace!"})


def test_an_unknown_function_is_a_404(start_api: int) -> None:
    """What the registry does not name is an error with a request id, in JSON."""
    answer = _request(start_api, "GET", "/core/demo/nothing")
    assert answer.status == http.client.NOT_FOUND
    assert answer.body["request_id"] == answer.headers["x-request-id"]


def _request(port: int, method: str, path: str, body: object = None) -> Response:
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request(
            method, path, json.dumps(body) if body else None, {"content-type": "application/json"}
        )
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, headers, json.loads(response.read()))
    finally:
        connection.close()


def _bridge_address() -> str:
    """Return the machine's own address on Docker's bridge: the first one, where Docker doesn't say it."""
    template = "{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}"
    done = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", template],  # noqa: S607 - Docker's place differs
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    subnet, *gateway = done.stdout.split()
    return gateway[0] if gateway else str(next(ip_network(subnet).hosts()))


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the block lasts; SIGTERM has sam remove its containers.

    sam hands the container credentials, and what of its own environment the template declares: an
    AWS_ENDPOINT_URL there would replace the parameter.
    """
    environment = {**os.environ, **CREDENTIALS, "SAM_CLI_TELEMETRY": "0"}  # noqa: TID251 - for a program
    environment.pop("AWS_ENDPOINT_URL", None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_listening(sam: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and sam.poll() is None:
        try:
            _request(port, "GET", "/")
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"sam local start-api did not start:\n{log.read_text(errors='replace')}")
