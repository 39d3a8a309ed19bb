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

from benchmarks.harness.subject import Subject, cpu_seconds, peak_megabytes

MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
EMULATOR = Path(samcli.__file__).parent / f"local/rapid/aws-lambda-rie-{MACHINE}"
SECONDS = 30.0


class Start(NamedTuple):
    """What a cold start takes: milliseconds until the first response, of CPU, megabytes at the most."""

    wall: float
    cpu: float
    memory: float


def cold_starts(subjects: Sequence[tuple[Subject, str, Any]], rounds: int) -> list[Start]:
    """Return the medians of subjects with their handlers (``package.module.name``) and events, in turns."""
    starts = [[cold_start(*subject) for subject in subjects] for _ in range(rounds)]
    return [Start(*map(median, zip(*column, strict=True))) for column in zip(*starts, strict=True)]


def cold_start(subject: Subject, handler: str, event: object) -> Start:
    """Start a Lambda and wait for its first response."""
    port, inner = _free_port(), _free_port()
    environment = {
        **subject.environment,
        "PYTHONPATH": ":".join(map(str, subject.folders)),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
    }
    addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    addresses += ["--runtime-api-address", f"127.0.0.1:{inner}"]
    command: list[str | Path] = [EMULATOR, "--log-level", "ERROR", *addresses]
    command += [subject.python, "-S", "-m", "awslambdaric", handler]
    started = time.perf_counter()
    silence = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, stdout=silence, stderr=silence, start_new_session=True
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
        response = connection.getresponse()
        body = response.read()
        if response.status != 200 or b"Runtime." in body:
            raise RuntimeError(body.decode())
        return


def _used(emulator: int) -> tuple[float, float]:
    """Return CPU seconds and peak megabytes of the emulator's child, the runtime; any thread started it."""
    tasks = Path(f"/proc/{emulator}/task").glob("*/children")
    (child,) = [Path("/proc", child) for task in tasks for child in task.read_text().split()]
    return cpu_seconds(child), peak_megabytes(child)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
