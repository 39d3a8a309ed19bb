"""A batch of ten SQS messages in one process, beside Powertools' batch processor."""

from benchmarks.harness import PEERS, PROJECT, PYTHON, version
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, warm_instructions, warm_microseconds

RECORDS = 10
FOLDERS = (PROJECT / "services/tasks", PROJECT / "shared", PROJECT, PEERS)
WAIT = 0.1  # seconds


def run(*, quick: bool) -> str:
    """Return the section."""
    rounds, calls = (2, 5) if quick else (21, 50)
    subjects = _subjects()
    times = warm_microseconds(subjects, rounds=rounds, calls=calls)
    counts = [warm_instructions(subject, 2 if quick else 20) for subject in subjects]
    waited = warm_microseconds(_subjects(BENCHMARK_PAUSE=str(WAIT)), rounds=1 if quick else 5, calls=1)
    rows = [
        (subject.name, time / RECORDS, count // RECORDS, count / counts[1], milliseconds / 1000)
        for subject, time, count, milliseconds in zip(subjects, times, counts, waited, strict=True)
    ]
    columns = ("", "µs a record", "instructions a record", "ratio", "ms a batch that waits 100 ms a record")
    return "Batches of ten; claims and function in memory.\n\n" + table(columns, rows)


def _subjects(**variables: str) -> list[Subject]:
    calls = {"SilvaEngine": "ours", f"{version('aws-lambda-powertools')}, its loop": "powertools"}
    environment = {"POWERTOOLS_SERVICE_NAME": "tasks", "AWS_REGION": "us-east-1", **variables}
    return [
        Subject(name, PYTHON, FOLDERS, f"benchmarks.peers.event_batch:{call}", environment, warm_ups=2)
        for name, call in calls.items()
    ]
