"""The local engine: MiniStack as a child process that lives as long as a `with` block.

It has a virtual environment of its own, because it shares that environment with every Lambda that it runs,
and the project doesn't need its requirements. For the same reason it starts with clean environment variables.
"""

import fcntl
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment

HOST = "127.0.0.1"
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
READY_SECONDS = 60.0
STOP_SECONDS = 20.0


class EngineError(click.ClickException):
    """The engine can't be installed, started or used; the message says what to do."""


def find_uv(project: Path) -> str:
    """Return the uv that `make` installed, else the one on the PATH; raise EngineError if there is none."""
    bootstrapped = project / ".bootstrap" / "bin" / "uv"
    uv = str(bootstrapped) if bootstrapped.exists() else shutil.which("uv")
    if uv is None:
        raise EngineError("uv is missing: run `make setup`, or install uv")
    return uv


def install_engine(project: Path) -> Path:
    """Install what uv.lock names into `.silvaengine/engine`; return the program to run.

    Raises:
        EngineError: uv is missing or can't get a package.
    """
    folder = project / ".silvaengine" / "engine"
    command = [find_uv(project), "sync", "--frozen", "--only-group", "engine", "--python", sys.executable]
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder), "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise EngineError(f"the local engine could not be installed:\n{done.stderr.strip()}")
    return folder / "bin" / "ministack"


def free_port(preferred: int = 0) -> int:
    """Return a TCP port of 127.0.0.1 that is free now: `preferred` if it is, else any."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EngineError("no TCP port is free on 127.0.0.1")


class LocalEngine:
    """A MiniStack process on 127.0.0.1 with IAM enforced; entering starts it, leaving ends it.

    State (tables, objects, stacks, functions) is read at the start and written at a clean end.

    Args:
        program: the result of `install_engine`.
        state: the folder of the state, for one engine at a time.
        port: 0 for the last run's port if that is free, so that addresses stay the same, else for any.
        fresh: empty the folder first.

    Raises:
        EngineError: the folder is in use, or the engine is not ready within 60 seconds.
    """

    def __init__(self, program: Path, state: Path, *, port: int = 0, fresh: bool = False) -> None:
        self._program = program
        self._state = state
        self._fresh = fresh
        self._requested_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._resources = ExitStack()
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of every AWS API that the engine serves."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """The output of the engine and its Lambdas; that of the run before has the suffix `.old`."""
        return self._state.with_name(f"{self._state.name}.log")

    def environment(self) -> dict[str, str]:
        """Return the variables that point an AWS client, such as the `sam` command, to this engine."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> AwsClient:
        """Return a client of the engine's root user for one AWS service."""
        return Deployment(endpoint_url=self.url, region=REGION).client(service)

    def __enter__(self) -> Self:
        """Start the process and wait until it answers."""
        with self._resources:
            self._lock_state()
            self.port = self._choose_port()
            temporary = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="silvaengine-"))
            log = self._resources.enter_context(self._open_log())
            self._process = subprocess.Popen(  # noqa: S603
                [self._program],
                env=self._process_environment(temporary),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal must not reach the engine: it saves its state only on SIGTERM.
                start_new_session=True,
            )
            self._resources.callback(self._stop)
            self._wait_until_ready(self._process)
            self._resources = self._resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process and its Lambdas, remove their temporary files, release the folder."""
        self._resources.close()

    def _lock_state(self) -> None:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        lock = self._resources.enter_context(self._state.with_name(f"{self._state.name}.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineError(f"another engine uses {self._state}: stop it first") from None
        if self._fresh:
            shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(exist_ok=True)

    def _choose_port(self) -> int:
        record = self._state / "port"
        last = int(record.read_text()) if record.exists() else 0
        port = free_port(self._requested_port or last)
        if self._requested_port not in (0, port):
            raise EngineError(f"port {self._requested_port} of {HOST} is in use: choose another, or none")
        record.write_text(str(port))
        return port

    def _open_log(self) -> IO[bytes]:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))
        return self.log.open("wb")

    def _process_environment(self, temporary: str) -> dict[str, str]:
        return {
            **CREDENTIALS,
            "PATH": "/usr/bin:/bin",
            "HOME": temporary,
            "TMPDIR": temporary,
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            "LAMBDA_WARM_TTL_SECONDS": "30",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._state / "services"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._state / "objects"),
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                last_lines = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise EngineError(f"the local engine did not start on port {self.port}:\n{last_lines}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
