"""One request's story, as `silvaengine trace` tells it, on a real deployment."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli import deploy
from silvaengine_cli.main import cli

from ..collector import Collector, attributes, collector
from .conftest import Deployment
from .registry_rows import API_KEY, ENDPOINT
from .socket_client import Socket
from .test_announcements import eventually
from .test_jobs import sweep_until

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STORY = [
    # depth, Lambda, function or source, status, attempt
    (0, "HttpGateway", "begin_story", 200, None),
    (1, "Worker", "begin_story", 200, None),
    (2, "Tasks", "heard", 200, None),
    (3, "Worker", "heard", 200, None),
    (2, "HttpGateway", "effect_later", 202, None),
    (3, "Worker", "effect_later", 500, 1),
    (3, "Worker", "effect_later", 200, 2),
    (2, "Broadcaster", None, 200, None),
]


def run(deployment: Deployment, *arguments: str) -> Result:
    """Run the command on the deployment."""
    target = ("--endpoint-url", deployment.engine.url, "--stack", deploy.LOCAL_STACK)
    done = CliRunner().invoke(cli, ["trace", *arguments, *target])
    assert done.exit_code == 0, done.output
    return done


@contextmanager
def connected(deployment: Deployment) -> Iterator[Socket]:
    """Open a connection, which hears what is pushed to its tenant."""
    query = urlencode({"endpointId": ENDPOINT, "area": "core"})
    with Socket(f"{deployment.outputs.websocket_url}?{query}", {"x-api-key": API_KEY}) as socket:
        yield socket


@pytest.fixture(scope="module")
def told(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the request's and the job's id of a request that calls, starts a job and pushes."""
    api, effects = deployment.api, tmp_path_factory.mktemp("story") / "effects"
    body = {"api_url": deployment.outputs.api_url.rstrip("/"), "api_key": API_KEY, "path": str(effects)}
    headers = {"x-api-key": API_KEY}
    # the gateway gives up after 12 s, in which not all of five Lambdas start on a busy machine
    eventually(lambda: api.post("/core/e2e/begin_story", body, headers).status, lambda status: status == 200)
    with connected(deployment) as socket:
        headers["traceparent"] = f"00-{CALLER[0]}-{CALLER[1]}-01"
        response = api.post("/core/e2e/begin_story", body, headers)
        assert response.status == 200, response.text
        assert socket.json() == {"chapter": 3}
    job_id = response.json()["job_id"]
    assert sweep_until(deployment, api, job_id, "succeeded")["attempts"] == 2
    return {"request": response.headers["x-request-id"], "job": job_id, "trace": CALLER[0]}


def story_of(deployment: Deployment, id_: str) -> list[dict[str, Any]]:
    """Return the spans of the one trace in which an id occurs, once all are written."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run(deployment, id_, "--json").stdout)
        return found

    story = eventually(look, lambda found: len(found["spans"]) >= len(STORY))
    assert story["trace_id"] == CALLER[0]
    spans: list[dict[str, Any]] = story["spans"]
    return spans


@pytest.mark.parametrize("id_", ["request", "job", "trace"])
def test_one_command_tells_a_requests_story(deployment: Deployment, told: dict[str, str], id_: str) -> None:
    """All that ran for it, callers before what they called, whichever of its ids is known."""
    spans = story_of(deployment, told[id_])
    assert [
        (each["depth"], each["lambda"], each["line"].get("function"), each["line"]["status"],
         each["line"].get("attempt"))
        for each in spans
    ] == STORY  # fmt: skip
    assert spans[0]["parent_id"] == CALLER[1]
    began = [each["begin"] for each in spans if each["depth"] == 2]
    assert began == sorted(began)
    failed = spans[5]
    (record,) = (each for each in failed["records"] if "traceback" in each)
    assert "RuntimeError" in record["traceback"]
    assert "hunter2" not in json.dumps(spans)


def test_a_person_reads_why_it_failed(deployment: Deployment, told: dict[str, str]) -> None:
    """It stands below the attempt that did, without anything that is secret."""
    text = run(deployment, told["job"]).stdout
    lines = text.splitlines()
    attempt = next(number for number, line in enumerate(lines) if "attempt 1" in line)
    assert "500" in lines[attempt - 1]
    assert any("RuntimeError" in line for line in lines[attempt:])
    assert "hunter2" not in text


@pytest.mark.nightly
def test_it_takes_two_seconds(deployment: Deployment, told: dict[str, str]) -> None:
    """At the most, with the start of the command, on a machine that does nothing else."""
    target = ("--endpoint-url", deployment.engine.url, "--stack", deploy.LOCAL_STACK)
    took = []
    for _ in range(3):
        began = time.monotonic()
        command = [sys.executable, "-m", "silvaengine_cli.main", "trace", told["job"], *target]
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.monotonic() - began)
    assert min(took) < 2


def test_a_collector_gets_the_same_spans(deployment: Deployment, told: dict[str, str]) -> None:
    """By the protocol's own schema, and by the names of the conventions for functions and HTTP."""
    spans = story_of(deployment, told["request"])
    with collector() as collected:
        run(deployment, told["request"], "--otlp", collected.url, "--otlp-headers", "x-key=a%20b")
        check(collected, spans)
        assert collected.headers[0]["x-key"] == "a b"
    with collector() as collected:
        run(deployment, "export", "--since", "10m", "--otlp", collected.url)
        collected.spans = [each for each in collected.spans if each[1].trace_id.hex() == CALLER[0]]
        check(collected, spans)


def check(collected: Collector, spans: list[dict[str, Any]]) -> None:
    """Check that a collector has these spans, and what it knows of them."""
    by_id = {span.span_id.hex(): (about, span) for about, span in collected.spans}
    assert by_id.keys() == {each["span_id"] for each in spans}
    for each in spans:
        about, span = by_id[each["span_id"]]
        assert span.trace_id.hex() == CALLER[0]
        assert span.parent_span_id.hex() == each["parent_id"]
        assert span.end_time_unix_nano - span.start_time_unix_nano == pytest.approx(
            each["line"]["total_ms"] * 1e6, abs=1e3
        )
        assert (about["faas.name"], about["cloud.platform"]) == (each["lambda"], "aws_lambda")
        assert attributes(span)["faas.invocation_id"] == each["line"]["request_id"]
        assert (span.status.code == span.status.STATUS_CODE_ERROR) == (each["line"]["status"] >= 500)
    _, root = by_id[spans[0]["span_id"]]
    known = {"faas.trigger": "http", "http.request.method": "POST", "http.response.status_code": 200}
    assert known.items() <= attributes(root).items()
    (event,) = (event for event in by_id[spans[5]["span_id"]][1].events if event.name == "exception")
    assert attributes(event)["exception.type"] == "RuntimeError"
