"""WebSocket: a message from event to post, and a frame for many connections, beside bare handlers."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from statistics import quantiles
from typing import Any

from benchmarks.harness import BUILT, PEERS, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.loopback import Loopback, Rows, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import (
    Running,
    Subject,
    count_all,
    cpu_seconds,
    peak_megabytes,
    running,
    warm_instructions,
    warm_microseconds,
)
from benchmarks.subjects import BOTOCORE_AUTHORITIES, HELLO, OUR_AUTHORITIES, RESULT, registry
from silvaengine.protocol.messages import Invocation, ReplyTo, WorkerCall
from silvaengine.tables import WSS_CONNECTIONS

OURS, BARE, ALONE = "SilvaEngine", "bare handlers, boto3", "one bare handler that calls and posts, boto3"
CONNECTION = "L0SM9cOFvHcCIhw="
SIZES = (100, 1_000, 5_000, 10_000, 20_000)
MANY = 10_000
"""So many connections are for our broadcaster's memory alone: the peer's posts would take minutes."""


def run(*, quick: bool) -> str:
    """Return the section."""
    text = "### A message and its response\n" + echo(quick=quick)
    sizes, rounds = ((20,), 1) if quick else (SIZES, 7)
    return f"{text}\n### One frame to many connections\n{fan_out(sizes, rounds)}"


def echo(*, quick: bool) -> str:
    """Return the table of a warm message."""
    rounds, calls, counted = (2, 10, 3) if quick else (21, 100, 30)
    with loopback(registry(), RESULT) as server:
        subjects = [ours(server, "echo"), bare(server, "echo"), bare(server, "echo_alone", name=ALONE)]
        times = warm_microseconds(subjects, rounds=rounds, calls=calls)
        counts = count_all(partial(warm_instructions, times=counted), subjects)
        rows = [
            (subject.name, took, count, counts[0] / count, aws_calls(server, subject))
            for subject, took, count in zip(subjects, times, counts, strict=True)
        ]
    return table(("", "µs", "instructions", "ours, as a multiple", "AWS calls"), rows)


def aws_calls(server: Loopback, subject: Subject) -> str:
    """Return what a warm message calls at AWS."""
    with running(subject) as child:
        child.call(1)  # it may be a while since the last look whether the registry has changed
        server.responses.requests.clear()
        child.call(1)
    return " + ".join(f"{count} {name}" for name, count in server.responses.requests.items())


def fan_out(sizes: Sequence[int], rounds: int) -> str:
    """Return the table of broadcasts; each size and each subject has a process of its own."""
    rows = []
    for size in sizes:
        with loopback(connections(size), RESULT) as server, ExitStack() as stack:
            subjects = [ours(server, "fan_out", size)]
            subjects += [bare(server, "fan_out", size)] if size < MANY else []
            children = [stack.enter_context(running(subject)) for subject in subjects]
            turns = range(rounds * max(1, min(5, 1000 // size)))
            fans = [[fan(server, child) for child in children] for _ in turns]
            peaks = [peak_megabytes(child.folder) for child in children]
        costs = [
            sum(cpu for _, cpu in column) / size / len(turns) * 1e6 for column in zip(*fans, strict=True)
        ]
        for subject, column, cost, peak in zip(subjects, zip(*fans, strict=True), costs, peaks, strict=True):
            cuts = quantiles([post for posts, _ in column for post in posts], n=100)
            rows.append((f"{size:,}, {subject.name}", cuts[49], cuts[98], cost, costs[0] / cost, peak))
    columns = ("p50 ms", "p99 ms", "CPU µs a post", "ours, as a multiple", "peak MB")
    return table(("connections", *columns), rows)


def fan(server: Loopback, child: Running) -> tuple[list[float], float]:
    """Return the milliseconds from a broadcast to each of its posts, and its seconds of CPU."""
    server.responses.posts.clear()
    used, began = cpu_seconds(child.folder), time.perf_counter_ns()
    child.call(1)
    posts = [(moment - began) / 1e6 for moment in server.responses.posts]
    return posts, cpu_seconds(child.folder) - used


def connections(count: int) -> Rows:
    """Return the rows of so many open connections."""
    made = "2026-11-24T12:00:00.000000+0000"
    row: dict[str, Any] = {
        "endpoint_id": "demo", "api_key": "#####", "area": "core", "status": "active",
        "data": {"principalId": "key-0123456789abcdef"},
        "created_at": made, "updated_at": made, "expires_at": int(time.time()) + 86_400,
    }  # fmt: skip
    return {WSS_CONNECTIONS: [{**row, "connection_id": f"L0SM9cOF{number:05}="} for number in range(count)]}


def ours(server: Loopback, call: str, count: int = 0) -> Subject:
    """Return our Lambdas from their artefacts, for a message or for so many connections."""
    layers = ("WebsocketGateway", "Worker", "SharedLayer/python")
    folders = (*(BUILT / name for name in layers), PROJECT, RUNTIME)
    environment = server.environment(OUR_AUTHORITIES) | variables(server, count)
    return Subject(
        OURS, PYTHON, folders, f"benchmarks.parts.sockets:{call}", environment, warm_ups=1 if count else 20
    )


def bare(server: Loopback, call: str, count: int = 0, *, name: str = BARE) -> Subject:
    """Return a bare handler, likewise."""
    environment = server.environment(BOTOCORE_AUTHORITIES) | variables(server, count)
    call = f"benchmarks.peers.sockets:{call}"
    return Subject(name, PYTHON, (PROJECT, PEERS), call, environment, warm_ups=1 if count else 20)


def variables(server: Loopback, count: int) -> dict[str, str]:
    """Return the environment that both have."""
    return {
        "BENCHMARK_CONNECTIONS": str(count),
        "BENCHMARK_EVENT": json.dumps(event()),
        "BENCHMARK_PAYLOAD": worker_call().encode(),
        "LEDGER_SECRET": "ledger",
        "WEBSOCKET_MANAGEMENT_URL": server.url,
    }


def event() -> dict[str, Any]:
    """Return a message as API Gateway hands it over, of a connection that was authorized."""
    authorizer = {
        "endpoint_id": "demo", "area": "core", "api_key": "#####", "connection_id": CONNECTION,
        "principalId": "1:demo",
    }  # fmt: skip
    message = {"id": "1", "funct": "hello", "payload": json.dumps({"name": "Ada"})}
    context = {
        "routeKey": "$default", "eventType": "MESSAGE", "connectionId": CONNECTION, "stage": "beta",
        "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com", "apiId": "a1b2c3d4e5",
        "authorizer": authorizer,
    }  # fmt: skip
    return {"requestContext": context, "body": json.dumps(message), "isBase64Encoded": False}


def worker_call() -> WorkerCall:
    """Return what the gateway hands to the worker for that message."""
    return WorkerCall(
        callee=HELLO,
        params={"endpoint_id": "demo", "area": "core", "connection_id": CONNECTION, "funct": "hello"},
        body=json.dumps({"name": "Ada"}),
        context={**event()["requestContext"], "channel": "demo", "area": "core"},
        invocation=Invocation("0" * 32, "demo", "core", "hello", None),
        socket=ReplyTo(CONNECTION, "1", wants_result=True),
    )
