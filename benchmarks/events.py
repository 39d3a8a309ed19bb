"""A batch of ten SQS messages in one process, beside Powertools' batch processor with its idempotency."""

from benchmarks.harness.interleaved import warm_microseconds
from benchmarks.harness.paths import PEERS, PROJECT, PYTHON, version
from benchmarks.harness.report import table, write_section
from benchmarks.harness.subject import Subject

RECORDS = 10
FOLDERS = (PROJECT / "services/tasks", PROJECT / "shared", PROJECT, PEERS)


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    rounds, calls = (2, 5) if quick else (21, 50)
    environment = {"POWERTOOLS_SERVICE_NAME": "tasks", "AWS_REGION": "us-east-1"}
    subjects = [
        Subject(name, PYTHON, FOLDERS, f"benchmarks.peers.event_batch:{call}", environment)
        for name, call in (
            ("SilvaEngine", "ours"),
            (f"{version('aws-lambda-powertools')} around the same claims and calls", "around"),
            ("Powertools with its own idempotency, which invokes nothing", "powertools"),
        )
    ]
    times = warm_microseconds(subjects, rounds=rounds, calls=calls)
    rows = [
        (subject.name, time, time / RECORDS, time / times[1])
        for subject, time in zip(subjects, times, strict=True)
    ]
    text = table(("batch of ten, claims and function in memory", "µs", "µs a record", "ratio"), rows)
    if not quick:
        write_section("Event batch", text)
    print(text)
