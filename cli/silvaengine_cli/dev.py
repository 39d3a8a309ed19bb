"""`silvaengine dev`: the whole system on this machine, updated as files are edited."""

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from silvaengine_cli import deploy, watch
from silvaengine_cli.deployment import DEV_FILE
from silvaengine_cli.engine import REGION, LocalEngine, install_engine, local_engine
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.tail import LogTail, Record

# A disk tier would outlive the code whose results it caches; on AWS a new deployment has a new disk.
PARAMETERS = {"CacheDir": "none"}
POLL_SECONDS = 0.3
_DEPLOYED_PATH = re.compile(r'"/(?:[^"]*/code|var/task)/([^"]+)"')
_WORKER_FRAME = re.compile(r'^  File "services/worker/silvaengine_worker/.*\n(?:    .*\n)*', re.MULTILINE)

_EXAMPLES = """
Try:
  HTTP       curl '{url}/core/demo/hello?name=Ada'
  WebSocket  {url}/core/demo/page#{websocket}
  event      silvaengine events send sqs --local
"""


@click.command()
@click.option("--fresh", is_flag=True, help="Start with an empty engine.")
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=None, help="The engine's port.  [default: a free one]"
)
def dev(*, fresh: bool, port: int | None) -> None:
    """Run everything on this machine and redeploy what changes.

    Starts the local engine, builds and deploys the stack, applies services/worker/functions/registry.yaml
    and prints what to try. Then it watches the sources: a changed function runs within seconds, and its
    tracebacks are shown here with their request ids. Ctrl-C ends it; stack and tables are kept for the next
    time.

    \b
    Examples:
      silvaengine dev
      silvaengine dev --fresh          forget the stack and tables of earlier runs
      silvaengine dev --port 4566      have the engine listen there
    """
    console = Console(highlight=False, soft_wrap=True)
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, _exit_on_signal)
    # A shell starts a script's background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    project = find_project(Path.cwd())
    try:
        with _running_engine(console, project, port or 0, fresh=fresh) as engine:
            DevSession(console, project, engine).follow()
    except KeyboardInterrupt:
        console.print("\nended; stack and tables are kept for the next time")


def find_project(start: Path) -> Path:
    """Return the folder of the template, from `start` upwards; raise ClickException if there is none."""
    for folder in (start, *start.parents):
        if (folder / "template.yaml").is_file() and (folder / "services").is_dir():
            return folder
    raise click.ClickException("no template.yaml here or above: run this in a checkout of the project")


class DevSession:
    """A stack on a running engine that is redeployed when sources change.

    Creating one deploys everything, applies the registry and prints what to try.
    """

    def __init__(self, console: Console, project: Path, engine: LocalEngine) -> None:
        self._console = console
        self._project = project
        self._engine = engine
        self._snapshot = watch.take_snapshot(project)
        self._pending: set[Path] = set()  # what failed is tried again with the next change
        self._notes: tuple[str, ...] = ()  # of the registry, each said once
        self._outputs = self._deploy_everything()
        self._apply_registry()
        urls = {"url": self._outputs.api_url, "websocket": self._outputs.websocket_url}
        console.print(_EXAMPLES.format(**urls), markup=False)

    def follow(self) -> NoReturn:
        """Redeploy what changes, and show requests and failures, until interrupted."""
        requests = LogTail(self._engine, self._outputs.http_gateway_arn)
        calls = LogTail(self._engine, self._outputs.worker_arn)
        self._console.print("watching the sources; Ctrl-C ends")
        while True:
            time.sleep(POLL_SECONDS)
            self._catch_up()
            for record in (*calls.new_records(), *filter(_is_request_or_trace, requests.new_records())):
                self._show(record)

    def _catch_up(self) -> None:
        before, self._snapshot = self._snapshot, watch.take_snapshot(self._project)
        changed = watch.changed_files(before, self._snapshot)
        if not changed:
            return
        self._pending.update(changed)
        try:
            work = watch.work_for(self._project, self._pending)
            if work != watch.Work():
                names = ", ".join(str(path.relative_to(self._project)) for path in changed)
                self._console.print(f"changed: {names}", markup=False)
                self._carry_out(work)
            self._pending.clear()
        except click.ClickException as error:
            message = _DEPLOYED_PATH.sub(self._source_path, error.format_message())
            self._console.print(message, style="red", markup=False)

    def _carry_out(self, work: watch.Work) -> None:
        if work.everything:
            self._outputs = self._deploy_everything()
        else:
            for logical_id in sorted(work.functions & self._outputs.function_arns.keys()):
                with _step(self._console, f"redeploy {logical_id}"):
                    deploy.redeploy_function(self._project, self._engine, self._outputs, logical_id)
        if work.everything or work.registry:
            self._apply_registry()

    def _deploy_everything(self) -> deploy.StackOutputs:
        with _step(self._console, "sam build"):
            deploy.build(self._project)
        with _step(self._console, "sam deploy"):
            outputs = deploy.deploy(self._project, self._engine, parameters=PARAMETERS)
            deploy.restore_functions(self._project, self._engine, outputs)
        return outputs

    def _apply_registry(self) -> None:
        tables = RegistryTables(self._engine.client("dynamodb"), self._outputs.table_prefix)
        with _step(self._console, "apply registry.yaml"):
            plan = apply_file(self._project / watch.REGISTRY_FILE, tables, self._outputs.worker_arn)
        for change in plan.changes:
            self._console.print(f"  {change.action} {change.row_name}", markup=False)
        for note in plan.notes:
            if note not in self._notes:
                self._console.print(f"  {note}", style="cyan", markup=False)
        self._notes = tuple(plan.notes)

    def _show(self, record: Record) -> None:
        if record.get("service") == "http":
            self._console.print(_request_line(record), markup=False)
        elif message := record.get("message"):
            self._console.print(f"  {message}", markup=False)
            if trace := record.get("traceback"):
                frames = own_frames(_DEPLOYED_PATH.sub(self._source_path, trace))
                self._console.print(f"request {record['request_id']}\n{frames}", style="red", markup=False)

    def _source_path(self, deployed: re.Match[str]) -> str:
        """Return the path in the sources for the path that the engine ran."""
        functions = Path("services/worker/functions", deployed[1])
        return (
            f'"{functions if (self._project / functions).exists() else Path("services/worker", deployed[1])}"'
        )


def _is_request_or_trace(record: Record) -> bool:
    """Return whether to show a record of the gateway: the others repeat the worker's."""
    return "service" in record or "traceback" in record


def own_frames(trace: str) -> str:
    """Return a traceback without the worker's frames, or unchanged if it has no others."""
    shorter = _WORKER_FRAME.sub("", trace)
    return shorter if "  File " in shorter else trace


def _request_line(record: Record) -> str:
    """Return a line for people from the gateway's log line of a request."""
    path = "/".join(str(record.get(name, "-")) for name in ("area", "endpoint_id", "function"))
    return f"{record.get('status')} /{path}  {record.get('total_ms')} ms  request {record.get('request_id')}"


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    """Show a step while it runs, and how long it took."""
    start = time.monotonic()
    with console.status(what):
        yield
    console.print(f"{what}: {time.monotonic() - start:.1f} s", markup=False)


@contextmanager
def _running_engine(console: Console, project: Path, port: int, *, fresh: bool) -> Iterator[LocalEngine]:
    with _step(console, "install the local engine"):
        program = install_engine(project)
    with local_engine(program, project / ".silvaengine" / "state", port=port, fresh=fresh) as engine:
        console.print(f"engine at {engine.url}; its log: {engine.log.relative_to(project)}")
        with _dev_file(project / DEV_FILE, engine):
            yield engine


@contextmanager
def _dev_file(path: Path, engine: LocalEngine) -> Iterator[None]:
    """Keep the file from which other commands with `--local` read where the engine is."""
    content = {"endpoint_url": engine.url, "stack": deploy.LOCAL_STACK, "region": REGION}
    path.write_text(json.dumps(content))
    try:
        yield
    finally:
        path.unlink()


def _exit_on_signal(signal_number: int, _frame: object) -> NoReturn:
    sys.exit(128 + signal_number)
