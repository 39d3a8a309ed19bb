"""A warm request in one process: from event to proxy response, from a worker's payload to its result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.harness import BUILT, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.loopback import loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, warm_instructions, warm_microseconds
from benchmarks.subjects import (
    HELLO,
    HTTP_PEERS,
    RESULT,
    browser,
    from_browser,
    gateway,
    peer,
    registry,
)
from silvaengine.protocol.messages import Invocation, WorkerCall

CONTEXT: Mapping[str, Any] = {"channel": "demo", "area": "core", "headers": {}}


def run(*, quick: bool) -> str:
    """Return the section."""
    with loopback(registry(), RESULT) as server:
        alone = gateway(server, "benchmarks.parts.unsent:handler")
        alone = replace(alone, name="SilvaEngine gateway, nothing sent")
        sending = [gateway(server), *(peer(server, name, work="boto3") for name in HTTP_PEERS)]
        plain = [alone, *(peer(server, name, work="none") for name in HTTP_PEERS)]
        text = ""
        for title, subjects, base in (
            ("With the Invoke, over TLS on a kept connection", sending, "bare handler + boto3"),
            ("Without the Invoke", plain, "Powertools"),
        ):
            browsers = [from_browser(subject) for subject in subjects]
            text += f"### {title}\n{compare(subjects, base=base, quick=quick)}\n"
            text += f"### {title}, a browser's request\n{compare(browsers, base=base, quick=quick)}\n"
    base = "the function, called directly"
    text += f"### Worker\n{compare(worker(), base=base, quick=quick)}\n"
    return (
        f"{text}### Worker, a browser's request\n{compare(worker(browser_context()), base=base, quick=quick)}"
    )


def compare(subjects: Sequence[Subject], *, base: str, quick: bool) -> str:
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


def browser_context() -> dict[str, Any]:
    """Return the context that the gateway makes of a browser's request."""
    event = browser()
    return {
        **event["requestContext"],
        **CONTEXT,
        "headers": event["headers"],
        "query": event["multiValueQueryStringParameters"],
    }


def worker(context: Mapping[str, Any] = CONTEXT) -> list[Subject]:
    """Return the worker with the demo's function, and that function alone."""
    call = WorkerCall(
        callee=HELLO,
        params={"name": "Ada", "endpoint_id": "demo", "area": "core"},
        context=context,
        invocation=Invocation(
            request_id="1" * 32,
            endpoint_id="demo",
            area="core",
            function="hello",
            deadline=4e9,
            traceparent=f"00-{'1' * 32}-{'2' * 16}-01",
        ),
    )
    folders = (BUILT / "Worker", BUILT / "SharedLayer/python", PROJECT, RUNTIME)
    environment = {"AWS_REGION": "us-east-1", "BENCHMARK_PAYLOAD": call.encode()}
    subject = Subject("SilvaEngine worker", PYTHON, folders, "benchmarks.parts.worker:whole", environment)
    bare = replace(subject, name="the function, called directly", call="benchmarks.parts.worker:bare")
    return [subject, bare]
