"""A Lambda as AWS runs it: its runtime client under the runtime interface emulator of the SAM CLI."""

import json
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import samcli

from benchmarks.harness.subject import Subject

MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
EMULATOR = Path(samcli.__file__).parent / f"local/rapid/aws-lambda-rie-{MACHINE}"
TICKS = os.sysconf("SC_CLK_TCK")
SECONDS = 30.0


class Start(NamedTuple):
    """A cold start and what it took: milliseconds until the first answer, of CPU, megabytes at the most."""

    wall: float
    cpu: float
    memory: float


def cold_starts(subjects: Sequence[tuple[Subject, str, Any]], rounds: int) -> list[Start]:
    """Return each subject's medians over the rounds, taken in turns.

    Args:
        subjects: each with its handler (``package.module.name``) and its event.
        rounds: how often.

    """
    starts = [[cold_start(*subject) for subject in subjects] for _ in range(rounds)]
    return [Start(*map(median, zip(*column, strict=True))) for column in zip(*starts, strict=True)]


def cold_start(subject: Subject, handler: str, event: object) -> Start:
    """Start a Lambda and wait for its first answer."""
    port, inner = _free_port(), _free_port()
    environment = {
        **subject.environment,
        "PYTHONPATH": ":".join(map(str, subject.folders)),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
    }
    command: list[str | Path] = [
        EMULATOR,
        "--log-level",
        "ERROR",
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
    ]
    command += ["--runtime-api-address", f"127.0.0.1:{inner}"]
    command += [subject.python, "-S", "-m", "awslambdaric", handler]
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _post(port, event, started + SECONDS)
            wall = time.perf_counter() - started
            cpu, memory = _used(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    return Start(wall * 1000, cpu * 1000, memory)


def _post(port: int, event: object, until: float) -> None:
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
        except ConnectionRefusedError:
            if time.perf_counter() > until:
                raise
            time.sleep(0.001)
            continue
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or b"Runtime." in body:
            raise RuntimeError(body.decode())
        return


def _used(emulator: int) -> tuple[float, float]:
    """Return CPU seconds and peak megabytes of the emulator's child, the runtime."""
    (child,) = Path(f"/proc/{emulator}/task/{emulator}/children").read_text().split() or _children(emulator)
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{child}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / TICKS, int(peak.split()[1]) / 1024


def _children(parent: int) -> list[str]:
    """Find the children of a process whose threads started them."""
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
