"""WebSocket: a message from event to post, and a frame for many connections, beside bare handlers."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import quantiles
from typing import Any, NamedTuple

from benchmarks.harness.loopback import Loopback, Rows, loopback
from benchmarks.harness.paths import BUILT, PEERS, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.report import table, write_section
from benchmarks.harness.subject import Running, Subject, running, warm_instructions
from benchmarks.subjects import BOTOCORE_AUTHORITIES, HELLO, OUR_AUTHORITIES, RESULT, registry
from silvaengine.protocol.messages import Invocation, ReplyTo, WorkerCall
from silvaengine.tables import WSS_CONNECTIONS

OURS, BARE, ALONE = "SilvaEngine", "bare handlers, boto3", "one bare handler that calls and posts, boto3"
CONNECTION = "L0SM9cOFvHcCIhw="
SIZES = (100, 1_000, 5_000)
MANY = (10_000, 20_000)


class Fan(NamedTuple):
    """What broadcasts took: milliseconds of each post since its broadcast began, CPU µs a post, memory."""

    posts: list[float]
    seconds: float
    cpu: float
    peak: float


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    text = "### A message and its answer\n" + echo(quick=quick)
    sizes = (20,) if quick else SIZES
    text += "\n### One frame to many connections\n" + fan_out(sizes, rounds=1 if quick else 7)
    text += "\n### Memory of the broadcaster\n" + memory((20, 40) if quick else (*SIZES, *MANY))
    if not quick:
        write_section("WebSocket", text)
    print(text)


def echo(*, quick: bool) -> str:
    """Return the table of a warm message."""
    rounds, calls, counted = (2, 10, 3) if quick else (20, 100, 30)
    with loopback(registry(), RESULT) as server:
        subjects = [
            ours(server, "echo", 0),
            bare(server, "echo", 0),
            bare(server, "echo_alone", 0, name=ALONE),
        ]
        times, calls_made = _latencies(server, subjects, rounds, calls)
        instructions = [warm_instructions(subject, counted) for subject in subjects]
    rows = []
    for subject, taken, made, count in zip(subjects, times, calls_made, instructions, strict=True):
        rate, p50, p99 = 1e6 * len(taken) / sum(taken), *_percentiles(taken)
        rows.append((subject.name, rate, p50, p99, count, instructions[0] / count, made))
    columns = ("", "messages/s", "p50 µs", "p99 µs", "instructions", "ours, as a multiple", "AWS calls")
    return table(columns, rows)


def fan_out(sizes: Sequence[int], rounds: int) -> str:
    """Return the table of broadcasts."""
    rows = []
    for size in sizes:
        with loopback(connections(size), RESULT) as server:
            names = [ours(server, "fan_out", size), bare(server, "fan_out", size)]
            fans = list(_fans(server, names, rounds=rounds * max(1, min(5, 1000 // size))))
        for subject, fan in zip(names, fans, strict=True):
            rate, p50, p99 = len(fan.posts) / fan.seconds, *_percentiles(fan.posts)
            rows.append((f"{size:,}, {subject.name}", rate, p50, p99, fan.cpu, fans[0].cpu / fan.cpu))
    columns = ("connections", "posts/s", "p50 ms", "p99 ms", "CPU µs a post", "ours, as a multiple")
    return table(columns, rows)


def memory(sizes: Sequence[int]) -> str:
    """Return the table of the most memory that our broadcaster had, in a process of its own for each size."""
    rows = []
    for size in sizes:
        with loopback(connections(size), RESULT) as server:
            (fan,) = _fans(server, [ours(server, "fan_out", size)], rounds=1)
            rows.append((f"{size:,}", fan.peak))
    return table(("connections", "peak MB of the process"), rows)


def _latencies(
    server: Loopback, subjects: Sequence[Subject], rounds: int, calls: int
) -> tuple[list[list[float]], list[str]]:
    """Return each subject's microseconds for single calls, taken in turns, and the AWS calls of one."""
    times: list[list[float]] = [[] for _ in subjects]
    with ExitStack() as stack:
        children = [stack.enter_context(running(subject)) for subject in subjects]
        made = [_calls_of_one(server, child) for child in children]
        for _ in range(rounds):
            for child, taken in zip(children, times, strict=True):
                taken += [child.call(1) for _ in range(calls)]
    return times, made


def _calls_of_one(server: Loopback, child: Running) -> str:
    child.call(1)  # it may be a while since the last look whether the registry has changed
    server.answers.requests.clear()
    child.call(1)
    return " + ".join(f"{count} {name}" for name, count in server.answers.requests.items())


def _fans(server: Loopback, subjects: Sequence[Subject], rounds: int) -> Iterator[Fan]:
    """Return what each subject's broadcasts took, in turns."""
    with ExitStack() as stack:
        children = [stack.enter_context(running(subject)) for subject in subjects]
        taken: list[list[Fan]] = [[] for _ in subjects]
        for _ in range(rounds):
            for child, fans in zip(children, taken, strict=True):
                fans.append(_fan(server, child))
    for fans in taken:
        posts = [post for fan in fans for post in fan.posts]
        cpu = sum(fan.cpu for fan in fans) / len(posts) * 1e6
        yield Fan(posts, sum(fan.seconds for fan in fans), cpu, fans[-1].peak)


def _fan(server: Loopback, child: Running) -> Fan:
    server.answers.posts.clear()
    used, began = child.cpu_seconds(), time.perf_counter_ns()
    child.call(1)
    seconds = (time.perf_counter_ns() - began) / 1e9
    posts = [(moment - began) / 1e6 for moment in server.answers.posts]
    return Fan(posts, seconds, child.cpu_seconds() - used, child.peak_megabytes())


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile."""
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]


def connections(count: int) -> Rows:
    """Return the rows of so many open connections."""
    born = int(time.time())
    row: dict[str, Any] = {
        "endpoint_id": "demo",
        "api_key": "#####",
        "area": "core",
        "data": {"principalId": "key-0123456789abcdef"},
        "status": "active",
        "created_at": "2026-11-24T12:00:00.000000+0000",
        "updated_at": "2026-11-24T12:00:00.000000+0000",
        "expires_at": born + 86_400,
    }
    return {WSS_CONNECTIONS: [{**row, "connection_id": f"L0SM9cOF{number:05}="} for number in range(count)]}


def ours(server: Loopback, call: str, count: int) -> Subject:
    """Return our Lambdas from their artefacts."""
    layers = ("WebsocketGateway", "Worker", "SharedLayer/python")
    folders = (*(BUILT / name for name in layers), PROJECT, RUNTIME)
    environment = server.environment(OUR_AUTHORITIES) | {
        "LEDGER_SECRET": "ledger",
        "BENCHMARK_PAYLOAD": worker_call().encode(),
    }
    return _subject(OURS, folders, f"benchmarks.peers.socket_lambdas:{call}", server, environment, count)


def bare(server: Loopback, call: str, count: int, name: str = BARE) -> Subject:
    """Return a bare handler."""
    environment = server.environment(BOTOCORE_AUTHORITIES)
    return _subject(
        name, (PROJECT, PEERS), f"benchmarks.peers.socket_bare:{call}", server, environment, count
    )


def _subject(
    name: str,
    folders: tuple[Any, ...],
    call: str,
    server: Loopback,
    environment: dict[str, str],
    count: int,
) -> Subject:
    own = {
        "BENCHMARK_CONNECTIONS": str(count),
        "BENCHMARK_EVENT": json.dumps(event()),
        "WEBSOCKET_MANAGEMENT_URL": server.url,
    }
    return Subject(name, PYTHON, folders, call, environment | own, warm_ups=1 if count else 20)


def event() -> dict[str, Any]:
    """Return a message as API Gateway hands it over, of a connection that was authorized."""
    authorizer = {
        "endpoint_id": "demo",
        "area": "core",
        "api_key": "#####",
        "connection_id": CONNECTION,
        "principalId": "1:demo",
    }
    message = {"id": "1", "funct": "hello", "payload": json.dumps({"name": "Ada"})}
    return {
        "requestContext": {
            "routeKey": "$default",
            "eventType": "MESSAGE",
            "connectionId": CONNECTION,
            "stage": "beta",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "apiId": "a1b2c3d4e5",
            "authorizer": authorizer,
        },
        "body": json.dumps(message),
        "isBase64Encoded": False,
    }


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
