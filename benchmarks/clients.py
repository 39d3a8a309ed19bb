"""The clients that were weighed for the hot path: an Invoke warm, and the first with all that it loads."""

from dataclasses import replace
from functools import partial

from benchmarks.harness import BUILT, PEERS, PROJECT, PYTHON
from benchmarks.harness.loopback import Loopback, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import (
    Subject,
    cold_instructions,
    count_all,
    warm_instructions,
    warm_microseconds,
)
from benchmarks.subjects import BOTOCORE_AUTHORITIES, OUR_AUTHORITIES, RESULT, registry

CLIENTS = {"ours": "this project's", "awscrt": "awscrt", "botocore": "botocore, tuned"}


def run(*, quick: bool) -> str:
    """Return the section."""
    rounds, calls, counted = (2, 20, 5) if quick else (21, 200, 50)
    with loopback(registry(), RESULT) as server:
        subjects = [client(server, call) for call in CLIENTS][: 1 if quick else None]
        times = warm_microseconds(subjects, rounds=rounds, calls=calls)
        warm = count_all(partial(warm_instructions, times=counted), subjects)
        cold = count_all(cold_instructions, (replace(subject, warm_ups=1) for subject in subjects))
    rows = zip((subject.name for subject in subjects), times, warm, cold, strict=True)
    columns = ("", "µs, warm", "instructions, warm", "instructions, process start to the first response")
    return table(columns, rows)


def client(server: Loopback, call: str) -> Subject:
    """Return the client that a function of ``benchmarks.peers.clients`` calls."""
    environment = server.environment(OUR_AUTHORITIES if call == "ours" else BOTOCORE_AUTHORITIES)
    folders = (BUILT / "SharedLayer/python", PROJECT, PEERS)
    return Subject(CLIENTS[call], PYTHON, folders, f"benchmarks.peers.clients:{call}", environment)
