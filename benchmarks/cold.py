"""Cold starts: instructions up to the first response, and each Lambda under AWS's runtime emulator."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import BUILT, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.emulator import cold_starts
from benchmarks.harness.loopback import Loopback, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, cold_instructions, count_all
from benchmarks.subjects import HTTP_PEERS, OUR_AUTHORITIES, RESULT, event, gateway, peer, registry
from benchmarks.warm import worker
from benchmarks.websocket import event as message

DIRECT = {"endpoint_id": "demo", "funct": "hello", "params": {"name": "Ada"}}

type Lambda = tuple[Subject, str, Any]
"""A Lambda, its handler (``package.module.name``), and the first event that it gets."""


def run(*, quick: bool) -> str:
    """Return the section."""
    with loopback(registry(), RESULT) as server:
        text = f"### Instructions\n{instructions(server, quick=quick)}\n"
        text += f"### Under the runtime interface emulator\n{emulated(server, rounds=1 if quick else 11)}\n"
    return f"{text}### Artefacts\n{sizes()}"


def instructions(server: Loopback, *, quick: bool) -> str:
    """Return a table: process start, import, first look-up and Invoke, answer."""
    subjects = [peer(server, name, work="boto3") for name in HTTP_PEERS[: 0 if quick else None]]
    subjects.append(gateway(server))
    counts = count_all(cold_instructions, (replace(subject, warm_ups=1) for subject in subjects))
    rows = [(each.name, count, count / counts[0]) for each, count in zip(subjects, counts, strict=True)]
    return table(("", "instructions", "ratio"), rows)


def emulated(server: Loopback, rounds: int) -> str:
    """Return a table of the four functions and of the peers, from the start to the first response."""
    subjects = [*(_peer(server, name) for name in HTTP_PEERS), *services(server)]
    starts = cold_starts(subjects, rounds)
    base = starts[0].wall
    rows = [
        (subject.name, took.wall, took.wall / base, took.cpu, took.memory, modules(subject, handler))
        for (subject, handler, _), took in zip(subjects, starts, strict=True)
    ]
    return table(
        ("", "ms to the first response", "ratio", "ms of CPU", "MB, peak", "modules at import"), rows
    )


def modules(subject: Subject, handler: str) -> int:
    """Count what the import of a handler loads, above an empty interpreter."""
    code = "before = len(sys.modules); __import__(sys.argv[1]); print(len(sys.modules) - before)"
    return int(subject.evaluate(code, handler.rpartition(".")[0]))


def sizes() -> str:
    """Return a table of the artefacts' sizes."""
    rows = []
    for folder in sorted(path for path in BUILT.iterdir() if path.is_dir()):
        files = [path for path in folder.rglob("*") if path.is_file()]
        with TemporaryDirectory() as temporary:
            archive = Path(temporary, "artefact.zip")
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
                for path in files:
                    zipped.write(path, path.relative_to(folder))
            rows.append((folder.name, archive.stat().st_size, sum(path.stat().st_size for path in files)))
    return table(("", "bytes, zipped", "unzipped"), rows)


def services(server: Loopback) -> list[Lambda]:
    """Return this project's four functions; each but the worker looks a function up and invokes it."""
    run = worker()[0]
    return [
        (gateway(server), "silvaengine_http.app.handler", event()),
        _service(server, "WebsocketGateway", "silvaengine_websocket.app.handler", message()),
        _service(server, "Tasks", "silvaengine_tasks.app.handler", DIRECT),
        (run, "silvaengine_worker.app.handler", json.loads(run.environment["BENCHMARK_PAYLOAD"])),
    ]


def _service(server: Loopback, name: str, handler: str, first: object) -> Lambda:
    folders = (BUILT / name, BUILT / "SharedLayer/python", PROJECT, RUNTIME)
    environment = server.environment(OUR_AUTHORITIES) | {
        "BENCHMARK_EVENT": json.dumps(first),
        "WEBSOCKET_MANAGEMENT_URL": server.url,
        "LEDGER_SECRET": "ledger",
    }
    return Subject(f"SilvaEngine {name}", PYTHON, folders, "", environment), handler, first


def _peer(server: Loopback, name: str) -> Lambda:
    return peer(server, name, work="boto3"), "benchmarks.peers.http.handler", event()
