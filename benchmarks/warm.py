"""A warm request in one process: from event to proxy answer, from a worker's payload to its result."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.harness.interleaved import warm_microseconds
from benchmarks.harness.loopback import loopback
from benchmarks.harness.paths import BUILT, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.report import table, write_section
from benchmarks.harness.subject import Subject, warm_instructions
from benchmarks.subjects import HELLO, PEER_MODULES, RESULT, gateway, peer, registry
from silvaengine.protocol.messages import Invocation, WorkerCall

WITH_BOTO3 = ("bare handler", "Powertools", "Mangum + FastAPI")


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    with loopback(registry(), RESULT) as server:
        alone = replace(
            gateway(server, "benchmarks.peers.gateway_alone:handler"),
            name="SilvaEngine gateway, nothing sent",
        )
        sending = [gateway(server), *(peer(server, name, work="boto3") for name in WITH_BOTO3)]
        plain = [alone, *(peer(server, name, work="none") for name in PEER_MODULES)]
        text = (
            "### With the Invoke, over TLS on a kept connection\n"
            + measured(sending, base="bare handler + boto3", quick=quick)
            + "\n### Without the Invoke\n"
            + measured(plain, base="Powertools", quick=quick)
            + "\n### Worker\n"
            + measured(worker(), base="the function, called directly", quick=quick)
        )
    if not quick:
        write_section("Warm request", text)
    print(text)


def measured(subjects: Sequence[Subject], *, base: str, quick: bool) -> str:
    """Return a table of times and instructions; the ratios are to the subject of that name."""
    rounds, calls, counted = (2, 20, 5) if quick else (21, 200, 50)
    if quick:
        subjects = [each for each in subjects if each is subjects[0] or each.name == base]
    times = warm_microseconds(subjects, rounds=rounds, calls=calls)
    instructions = [warm_instructions(subject, counted) for subject in subjects]
    at = [subject.name for subject in subjects].index(base)
    rows = [
        (subject.name, time, time / times[at], count, count / instructions[at])
        for subject, time, count in zip(subjects, times, instructions, strict=True)
    ]
    return table(("", "µs", "ratio", "instructions", "ratio"), rows)


def worker() -> list[Subject]:
    """Return the worker with the demo's function, and that function alone."""
    call = WorkerCall(
        callee=HELLO,
        params={"name": "Ada", "endpoint_id": "demo", "area": "core"},
        context={"channel": "demo", "area": "core", "headers": {}},
        invocation=Invocation(
            request_id="0" * 32, endpoint_id="demo", area="core", function="hello", deadline=4e9
        ),
    )
    folders = (BUILT / "Worker", BUILT / "SharedLayer/python", PROJECT, RUNTIME)
    environment = {"AWS_REGION": "us-east-1", "BENCHMARK_PAYLOAD": call.encode()}
    subject = Subject(
        "SilvaEngine worker", PYTHON, folders, "benchmarks.peers.worker_call:worker", environment
    )
    bare = replace(subject, name="the function, called directly", call="benchmarks.peers.worker_call:bare")
    return [subject, bare]
