"""The clients that were weighed for the hot path: an Invoke warm, and the first with all that it loads."""

from dataclasses import replace

from benchmarks.harness.interleaved import warm_microseconds
from benchmarks.harness.loopback import loopback
from benchmarks.harness.paths import BUILT, PEERS, PROJECT, PYTHON
from benchmarks.harness.report import table, write_section
from benchmarks.harness.subject import Subject, cold_instructions, warm_instructions
from benchmarks.subjects import BOTOCORE_AUTHORITIES, OUR_AUTHORITIES, RESULT, registry

CLIENTS = {"ours": "this project's", "awscrt": "awscrt", "botocore": "botocore, tuned"}


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    rounds, calls, counted = (2, 20, 5) if quick else (21, 200, 50)
    with loopback(registry(), RESULT) as server:
        subjects = []
        for call, name in list(CLIENTS.items())[: 1 if quick else None]:
            ca_file = OUR_AUTHORITIES if call == "ours" else BOTOCORE_AUTHORITIES
            subjects.append(
                Subject(
                    name,
                    PYTHON,
                    (BUILT / "SharedLayer/python", PROJECT, PEERS),
                    f"benchmarks.peers.clients:{call}",
                    server.environment(ca_file),
                )
            )
        times = warm_microseconds(subjects, rounds=rounds, calls=calls)
        warm = [warm_instructions(subject, counted) for subject in subjects]
        cold = [cold_instructions(replace(subject, warm_ups=1)) for subject in subjects]
    rows = [
        (subject.name, time, count, first)
        for subject, time, count, first in zip(subjects, times, warm, cold, strict=True)
    ]
    text = table(
        ("", "µs, warm", "instructions, warm", "instructions, process start to the first answer"), rows
    )
    if not quick:
        write_section("Clients", text)
    print(text)
