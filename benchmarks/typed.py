"""A typed function with a model of ten members: gateway and worker beside one process of each peer."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.harness import BUILT, PEERS, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.loopback import loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, count_all, warm_instructions
from benchmarks.subjects import RESULT, event, gateway, registry
from silvaengine.protocol.messages import Callee, Invocation, WorkerCall

ORDER = {
    "customer": "12345678-1234-5678-1234-567812345678",
    "due": "2026-01-31T08:30:00+01:00",
    "status": "open",
    "title": "Ada",
    "qty": 3,
    "price": 12.5,
    "express": True,
    "tags": ["new", "gift"],
    "weights": {"a": 1.5, "b": 2},
    "note": None,
}
POWERTOOLS = "Powertools with validation"


def run(*, quick: bool) -> str:
    """Return the section."""
    calls = 5 if quick else 50
    with loopback(registry(), RESULT) as server:
        ours = gateway(server, "benchmarks.parts.unsent:handler")
        sent = replace(ours, environment={**ours.environment, "BENCHMARK_EVENT": json.dumps(post())})
        subjects = {
            "SilvaEngine gateway, nothing sent": sent,
            "SilvaEngine worker, a dataclass": worker("typed"),
            "SilvaEngine worker, a model of pydantic's": worker("typed_model"),
            "SilvaEngine worker, untyped": worker("typed", is_typed=False),
            **{name: peer(name) for name in (POWERTOOLS, "Mangum + FastAPI")},
        }
        numbers = count_all(partial(warm_instructions, times=calls), subjects.values())
        counts = dict(zip(subjects, numbers, strict=True))
    sent_count, dataclass, model, *_ = counts.values()
    counts["SilvaEngine, both, a dataclass"] = sent_count + dataclass
    counts["SilvaEngine, both, a model"] = sent_count + model
    base = counts[POWERTOOLS]
    return table(
        ("", "instructions", "ratio"), [(name, count, count / base) for name, count in counts.items()]
    )


def post() -> dict[str, Any]:
    """Return a POST with the order, as a REST API hands it over."""
    return event() | {
        "httpMethod": "POST",
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "body": json.dumps(ORDER),
    }


def worker(part: str, *, is_typed: bool = True) -> Subject:
    """Return a worker's call of a part's function."""
    call = WorkerCall(
        Callee(f"benchmarks.parts.{part}", "", "place" if is_typed else "take", "{}", typed=is_typed),
        {"endpoint_id": "demo", "area": "core"},
        json.dumps(ORDER),
        {"channel": "demo", "area": "core", "headers": {}, "query": {}},
        invocation=Invocation("0" * 32, "demo", "core", "place", 4e9),
    )
    folders = (BUILT / "Worker", BUILT / "SharedLayer/python", PROJECT, RUNTIME, PEERS)
    environment = {
        "AWS_REGION": "us-east-1",
        "ALLOWED_PACKAGES": "benchmarks",
        "BENCHMARK_PAYLOAD": call.encode(),
    }
    return Subject(part, PYTHON, folders, f"benchmarks.parts.{part}:whole", environment)


def peer(name: str) -> Subject:
    """Return a peer."""
    environment = {
        "BENCHMARK_PEER": name,
        "BENCHMARK_HANDLER": "benchmarks.peers.typed:handler",
        "BENCHMARK_EVENT": json.dumps(post()),
    }
    return Subject(name, PYTHON, (PROJECT, PEERS), "benchmarks.peers.request:serve", environment)
