"""The local engine: MiniStack as a child process that lives as long as a `with` block.

It has a virtual environment of its own, because it shares that environment with every Lambda that it runs,
and the project doesn't need its requirements. For the same reason it starts with clean environment variables.
"""

import fcntl
import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine_debugger import PORT_VARIABLE, WAITING_FILE
from silvaengine_cli.leash import STOP_SECONDS, leashed
from silvaengine_cli.uv import install_group

HOST = "127.0.0.1"
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
READY_SECONDS = 60.0
LAUNCHER = Path(__file__).with_name("engine_launcher.py")
STRICT_VARIABLE = "SILVAENGINE_STRICT"  # read by the launcher


class EngineError(click.ClickException):
    """The engine can't be installed, started or used; the message says what to do."""


def install_engine(platform: Path) -> Path:
    """Install the engine into an environment of its own; return its interpreter; raise as `install_group`."""
    return install_group(platform, "engine") / "bin" / "python"


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


def require_free(port: int) -> None:
    """Raise EngineError if a TCP port of 127.0.0.1 is in use."""
    if free_port(port) != port:
        raise EngineError(f"port {port} of {HOST} is in use: choose another, or none")


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """A running engine; ``log`` has its output and its Lambdas', and ``.log.old`` that of the run before."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """The URL of every AWS API that the engine serves."""
        return f"http://{HOST}:{self.port}"

    @property
    def temporary(self) -> Path:
        """The folder that is emptied when an engine starts, whatever became of the one before."""
        return self.log.with_suffix(".tmp")

    @property
    def has_waiting_call(self) -> bool:
        """Whether a call waits at a `breakpoint()` for a debugger."""
        return (self.temporary / WAITING_FILE).exists()

    def environment(self) -> dict[str, str]:
        """Return the variables that point an AWS client, such as the `sam` command, to this engine."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> AwsClient:
        """Return a client of the engine's root user for one AWS service."""
        return Deployment(endpoint_url=self.url, region=REGION).client(service)


class Front(Protocol):
    """What clients and functions call in an engine's place: ``silvaengine_cli.strict.Double``."""

    mark: str
    """By which the engine knows the calls that it has changed."""

    def before(self, engine: LocalEngine) -> AbstractContextManager[LocalEngine]:
        """Stand before an engine that isn't started yet, until the block ends; yield the one to call."""


@contextmanager
def local_engine(
    program: Path,
    state: Path,
    *,
    port: int = 0,
    fresh: bool = False,
    debug_port: int | None = None,
    double: "Front | None" = None,
) -> Iterator[LocalEngine]:
    """Run a MiniStack process on 127.0.0.1 with IAM enforced, until the block ends.

    State (tables, objects, stacks, functions) is read at the start and written at a clean end.

    Args:
        program: the result of `install_engine`.
        state: the folder of the state, for one engine at a time.
        port: 0 for the last run's port if that is free, so that addresses stay the same, else for any.
        fresh: empty the folder first.
        debug_port: where a call that is at a `breakpoint()` waits for a debugger.
        double: stands before the engine, for its clients and its functions; the engine is yielded with the
            double's port.

    Raises:
        EngineError: the folder is in use, or the engine is not ready within 60 seconds.
    """
    log = state.with_name(f"{state.name}.log")
    with _locked(state) as lock, _folders(state, fresh=fresh) as temporary:
        engine = LocalEngine(_choose_port(state, port), log)
        _mend_stacks(state)
        if log.exists():
            log.replace(log.with_suffix(".log.old"))
        with (
            log.open("wb") as output,
            double.before(engine) if double else nullcontext(engine) as front,
            leashed(
                [str(program), "-I", str(LAUNCHER)],
                env=_process_environment(engine.port, state, temporary)
                | ({PORT_VARIABLE: str(debug_port)} if debug_port else {})
                | ({STRICT_VARIABLE: double.mark, "AWS_ENDPOINT_URL": front.url} if double else {}),
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],
            ) as process,
        ):
            _wait_until_ready(engine, process)
            yield front


@contextmanager
def _locked(state: Path) -> Iterator[int]:
    """Hold the locks of a state's user and of its engine; yield the latter's descriptor.

    The engine inherits its lock: a user that was killed has left one that is still saving its state.
    """
    state.parent.mkdir(parents=True, exist_ok=True)
    user, engine = (state.with_name(f"{state.name}.{suffix}") for suffix in ("lock", "engine.lock"))
    with user.open("w") as user_lock, engine.open("w") as engine_lock:
        if not _lock(user_lock):
            raise EngineError(f"another engine uses {state}: stop it first")
        deadline = time.monotonic() + STOP_SECONDS + 5
        while not _lock(engine_lock):
            if time.monotonic() > deadline:
                raise EngineError(f"the engine of an earlier run still uses {state}: end that process first")
            time.sleep(0.1)
        yield engine_lock.fileno()


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _folders(state: Path, *, fresh: bool) -> Iterator[Path]:
    """Make the folder of the state, and an empty one for what a run leaves behind."""
    temporary = state.with_name(f"{state.name}.tmp")
    for folder in (temporary, *([state] if fresh else [])):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (temporary, state):
        folder.mkdir(exist_ok=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _choose_port(state: Path, requested: int) -> int:
    record = state / "port"
    last = int(record.read_text()) if record.exists() else 0
    if requested:
        require_free(requested)
    port = free_port(requested or last)
    if last not in (0, port):
        # Queues are known by their URLs, and stacks have URLs among their outputs and variables.
        _replace_in_state(state, "*", rf"{re.escape(HOST)}:{last}\b", f"{HOST}:{port}")
    record.write_text(str(port))
    return port


def _mend_stacks(state: Path) -> None:
    """Let a stack be updated again whose update ended with its engine: the next one goes over what it did."""
    updating = r'("StackStatus": )"UPDATE_\w*(?:IN_PROGRESS|FAILED)"'
    _replace_in_state(state, "cloudformation", updating, r'\1"UPDATE_ROLLBACK_COMPLETE"')


def _replace_in_state(state: Path, service: str, pattern: str, replacement: str) -> None:
    for path in (state / "services").glob(f"{service}.json"):
        changed = path.with_suffix(".new")
        changed.write_text(re.sub(pattern, replacement, path.read_text()))
        changed.replace(path)  # whole, whenever this is killed


def _process_environment(port: int, state: Path, temporary: Path) -> dict[str, str]:
    return {
        **CREDENTIALS,
        "PATH": "/usr/bin:/bin",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
        "LAMBDA_WARM_TTL_SECONDS": "30",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "objects"),
    }


def _wait_until_ready(engine: LocalEngine, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(engine.port):
        if process.poll() is not None or time.monotonic() > deadline:
            last_lines = "\n".join(engine.log.read_text(errors="replace").splitlines()[-15:])
            raise EngineError(f"the local engine did not start on port {engine.port}:\n{last_lines}")
        time.sleep(0.05)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/_ministack/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
