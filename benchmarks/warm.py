"""A warm request in one process: from event to proxy response, from a worker's payload to its result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.harness import BUILT, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.loopback import loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import (
    Subject,
    count_all,
    has_counters,
    native_instructions,
    warm_instructions,
    warm_microseconds,
)
from benchmarks.subjects import (
    HELLO,
    HTTP_PEERS,
    LOGGING_PEERS,
    RESULT,
    browser,
    from_browser,
    gateway,
    peer,
    registry,
)
from silvaengine.protocol.messages import Invocation, WorkerCall

COUNTED = (
    "SilvaEngine and Powertools with Logger write a line for each request, the others none. "
    "valgrind knows no SHA extensions: it counts SHA-256, by which an Invoke is signed, three times too high."
)
NOT_NATIVELY = " This machine gives no access to counters of its own."
CONTEXT: Mapping[str, Any] = {"channel": "demo", "area": "core", "headers": {}}


def run(*, quick: bool) -> str:
    """Return the section."""
    with loopback(registry(), RESULT) as server:
        alone = gateway(server, "benchmarks.parts.unsent:handler")
        alone = replace(alone, name="SilvaEngine gateway, nothing sent")
        sending = [gateway(server), *(peer(server, name, work="boto3") for name in HTTP_PEERS)]
        plain = [alone, *(peer(server, name, work="none") for name in (*HTTP_PEERS, *LOGGING_PEERS))]
        text = f"{COUNTED if has_counters() else COUNTED + NOT_NATIVELY}\n\n"
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
    instructions = count_all(partial(warm_instructions, times=counted), subjects)
    at = [subject.name for subject in subjects].index(base)
    rows: list[tuple[object, ...]] = [
        (subject.name, time, time / times[at], count, count / instructions[at])
        for subject, time, count in zip(subjects, times, instructions, strict=True)
    ]
    columns = ("", "µs", "ratio", "instructions", "ratio")
    if not has_counters():
        return table(columns, rows)
    native = [native_instructions(subject) for subject in subjects]
    rows = [(*row, count, count / native[at]) for row, count in zip(rows, native, strict=True)]
    return table((*columns, "natively", "ratio"), rows)


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
