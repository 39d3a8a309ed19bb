"""`silvaengine dev`: the whole system on this machine, updated as files are edited."""

import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console

from silvaengine_cli import deploy, watch
from silvaengine_cli.deployment import Deployment, local_deployment
from silvaengine_cli.engine import (
    REGION,
    EngineError,
    LocalEngine,
    install_engine,
    local_engine,
    require_free,
)
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.groups import log_groups
from silvaengine_cli.packages import PACKAGES_FOLDER, package_folders
from silvaengine_cli.packages.examine import missing_requirements, summarize
from silvaengine_cli.platform_sources import is_clone
from silvaengine_cli.project import Project
from silvaengine_cli.publishing.lock import LOCK
from silvaengine_cli.publishing.prune import prune_before_latest
from silvaengine_cli.publishing.publisher import publish
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.describing import describe_shipped
from silvaengine_cli.registry.plan import Note
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.sam import find_sam
from silvaengine_cli.screen import NORMAL, QUIET, VERBOSE, Screen, in_sources
from silvaengine_cli.secrets import LocalSecrets
from silvaengine_cli.stages import all_parameters

if TYPE_CHECKING:
    from silvaengine_cli.strict import Double

PARAMETERS = {
    "CacheDir": "none",  # a disk tier would outlive the code whose results it caches; on AWS it doesn't
    "RegistryRefreshSeconds": "0",  # whoever saves a file has the next request see it
}
DEBUG_PORT = 5678  # debugpy's own
DEBUG_SECONDS = 900  # as long as a Lambda that waits for a debugger
POLL_SECONDS = 0.1
LOG_POLLS = 3  # of the sources for one of all logs
KEPT_RELEASES = 3  # of a package: the engine keeps the code of each in memory

_EXAMPLES = """
HTTP       {url}
WebSocket  {websocket}
functions  silvaengine list functions --local
{console}"""

_DEMO = """\
Try:
  curl '{url}/core/demo/hello?name=Ada'
  curl '{url}/core/demo/guests'
  {url}/core/demo/page#{websocket}
  silvaengine events send sqs --local
"""


@click.command()
@click.option("--fresh", is_flag=True, help="Start with an empty engine.")
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=None, help="The engine's port.  [default: a free one]"
)
@click.option("--verbose", "-v", "level", flag_value=VERBOSE, help="Show all that the Lambdas log.")
@click.option("--quiet", "-q", "level", flag_value=QUIET, help="Show only failures and deployments.")
@click.option(
    "--debug",
    "debug_port",
    is_flag=False,
    flag_value=DEBUG_PORT,
    type=click.IntRange(1024, 65535),
    metavar="[PORT]",
    help=f"Let breakpoint() wait for a debugger.  [default port: {DEBUG_PORT}]",
)
@click.option("--strict", is_flag=True, help="Refuse what AWS refuses: docs/strict.md.")
@click.option("--write", is_flag=True, help="Let the console's pages change something: docs/console.md.")
def dev(
    *, fresh: bool, port: int | None, level: int | None, debug_port: int | None, strict: bool, write: bool
) -> None:
    """Run everything on this machine and redeploy what changes.

    Starts the local engine, builds and deploys the stack with the parameters of stage dev, publishes
    packages/*, applies registry.yaml and prints what to try. Then it watches the sources: a changed function
    runs within seconds. It follows the logs of all Lambdas: each request, message and event is a
    line, each failure is shown with its cause. Where the extra `console` is installed, it serves the console.
    Ctrl-C ends it; stack and tables are kept for the next time.

    \b
    Examples:
      silvaengine dev
      silvaengine dev --fresh          forget the stack and tables of earlier runs
      silvaengine dev --port 4566      have the engine listen there
      silvaengine dev --debug          attach a debugger where a function calls breakpoint()
      silvaengine dev --strict         find what the engine forgives before AWS does
    """
    console = Console(highlight=False, soft_wrap=True)
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, _exit_on_signal)
    # A shell starts a script's background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    project = Project.find(Path.cwd())
    try:
        with (
            _running_engine(
                console, project, port or 0, fresh=fresh, debug_port=debug_port, strict=strict
            ) as engine,
            _running_console(engine, may_write=write) as line,
        ):
            screen = Screen(console, project.folder, NORMAL if level is None else level)
            DevSession(console, screen, project, engine, debug_port, line).follow()
    except KeyboardInterrupt:
        console.print("\nended; stack and tables are kept for the next time")


class DevSession:
    """A stack on a running engine that is redeployed when sources change, and packages, published then.

    Creating one deploys and publishes everything, applies the registry and prints what to try, with the line
    of the console in a browser.
    """

    def __init__(
        self,
        console: Console,
        screen: Screen,
        project: Project,
        engine: LocalEngine,
        debug_port: int | None,
        console_line: str = "",
    ) -> None:
        self._console = console
        self._screen = screen
        self._project = project
        self._platform = project.platform()
        self._engine = engine
        self._debug_port = debug_port
        self._snapshot = watch.take_snapshot(project)
        self._pending: set[Path] = set()  # what failed is tried again with the next change
        self._said: dict[str, Sequence[Note]] = {}  # notes by what they are on, each said once
        self._unpublished: set[str] = set()  # packages whose last publication failed
        self._outputs = self._deploy_everything()
        self._logs = LogReader.of(self._deployment)
        self._publish(package_folders(project.folder))
        self._apply_registry()
        urls = {"url": self._outputs.api_url, "websocket": self._outputs.websocket_url}
        console.print(_EXAMPLES.format(**urls, console=console_line), markup=False)
        if is_clone(project.folder):
            console.print(_DEMO.format(**urls), markup=False)

    def follow(self) -> NoReturn:
        """Redeploy what changes, and show requests and failures, until interrupted."""
        tail = LogTail(self._logs)
        self._console.print("watching the sources; Ctrl-C ends")
        while True:
            for _ in range(LOG_POLLS):
                time.sleep(POLL_SECONDS)
                self._catch_up()
            self._show_calls(tail)

    def _show_calls(self, tail: LogTail) -> None:
        if self._debug_port:
            waiting = f"a call waits at breakpoint(): attach to 127.0.0.1:{self._debug_port}"
            self._say("debugger", [Note(waiting)] if self._engine.has_waiting_call else [])
        for line in self._new_lines(tail):
            self._screen.show(line)
        if "Worker" not in self._logs.groups:
            raise EngineError("the stack was deleted; start again to deploy it")

    def _new_lines(self, tail: LogTail) -> list[Line]:
        from botocore.exceptions import EndpointConnectionError  # lazy: slow, and `--help` reads this module

        try:
            return tail.new_lines()
        except EndpointConnectionError:
            raise EngineError(f"the engine ended; its log: {self._engine.log}; start again") from None

    def _catch_up(self) -> None:
        before, self._snapshot = self._snapshot, watch.take_snapshot(self._project)
        changed = watch.changed_files(before, self._snapshot)
        if not changed:
            return
        self._pending.update(changed)
        try:
            work = watch.work_for(self._project, self._platform, self._pending)
            if work != watch.Work():
                names = ", ".join(str(path.relative_to(self._project.folder)) for path in changed)
                self._console.print(f"changed: {names}", markup=False)
                self._carry_out(work)
            self._pending.clear()
        except click.ClickException as error:
            self._show_error(error, self._project.functions.relative_to(self._project.folder))

    def _carry_out(self, work: watch.Work) -> None:
        if work.everything:
            self._project = Project.find(self._project.folder)
        self._platform = self._project.platform()
        if work.everything:
            self._outputs = self._deploy_everything()
            self._publish(package_folders(self._project.folder))
        else:
            self._check_packages()
            try:
                for logical_id in sorted(work.functions & self._outputs.function_arns.keys()):
                    with _step(self._console, f"redeploy {logical_id}"):
                        deploy.redeploy_function(self._platform, self._engine, self._outputs, logical_id)
            finally:
                self._publish(work.packages)  # with the worker's code as it is deployed by now
        if work.everything or work.registry:
            self._apply_registry()

    def _deploy_everything(self) -> deploy.StackOutputs:
        self._check_packages()
        with _step(self._console, "sam build"):
            deploy.build(self._platform)
        with _step(self._console, "sam deploy"):
            outputs = deploy.deploy(self._platform, self._engine, parameters=self._parameters())
            deploy.restore_functions(self._platform, self._engine, outputs)
        self._deployment = _deployment_on(self._engine)
        LocalSecrets(self._project.folder).restore(self._deployment)
        return outputs

    def _parameters(self) -> dict[str, str]:
        # This machine's processor is in the environment.
        own = {name: it for name, it in self._project.local.parameters.items() if name != "Architecture"}
        return all_parameters(self._platform, {**PARAMETERS, **own}, self._engine.url)

    def _publish(self, packages: Iterable[str]) -> None:
        """Publish packages, and those whose last publication failed: that is shown, and the rest goes on."""
        pending = sorted(self._unpublished.union(packages))
        self._unpublished = {package for package in pending if not self._has_published(package)}
        locks = watch.states(self._project.folder / PACKAGES_FOLDER / package / LOCK for package in pending)
        self._snapshot = {**self._snapshot, **locks}  # what publishing writes is no change

    def _has_published(self, package: str) -> bool:
        folder = PACKAGES_FOLDER / package
        try:
            with _step(self._console, f"publish {package}") as outcome:
                path = self._project.folder / folder
                # Nobody has been promised anything on this machine.
                published = publish(self._deployment, path, "", lambda _line: None, allow_breaking=True)
                outcome.append(f"release {published.release}")
            prune_before_latest(KEPT_RELEASES, self._deployment, published.package)
        except click.ClickException as error:
            self._show_error(error, folder)
            return False
        self._logs.groups |= log_groups(self._deployment)
        return True

    def _show_error(self, error: click.ClickException, folder: Path) -> None:
        message = in_sources(error.format_message(), folder, self._project.folder)
        self._console.print(message, style="red", markup=False)

    def _apply_registry(self) -> None:
        tables = RegistryTables(self._engine.client("dynamodb"), self._outputs.table_prefix)
        with _step(self._console, "apply registry.yaml"):
            settings = self._project.local.settings
            plan = apply_file(self._project.registry, tables, self._outputs.worker_arn, settings=settings)
            described = describe_shipped(tables, self._outputs.worker_arn, self._engine.client("lambda"))
        for change in plan.changes:
            self._console.print(f"  {change.action} {change.row_name}", markup=False)
        self._say("registry", (*plan.notes, *map(Note, described.notes)))

    def _say(self, what: str, notes: Sequence[Note]) -> None:
        """Print the notes, and the names in them, that weren't among the last ones on the same."""
        before = {note.what: note.names for note in self._said.get(what, ())}
        for note in notes:
            known = before.get(note.what, ())
            names = tuple(name for name in note.names if name not in known)
            if names or note.what not in before:
                self._console.print(f"  {replace(note, names=names)}", style="cyan", markup=False)
        self._said[what] = notes

    def _check_packages(self) -> None:
        application = self._project.folder
        packages = (application / PACKAGES_FOLDER / package for package in package_folders(application))
        for folder in filter(Path.is_dir, (self._project.functions, *packages)):
            name = folder.relative_to(application)
            missing = missing_requirements(folder)
            self._say(str(name), [Note(f"{name}/{each}") for each in summarize(missing)])


@contextmanager
def _step(console: Console, what: str) -> Iterator[list[str]]:
    """Show a step while it runs, and how long it took; yield a list for what it has come to."""
    start, outcome = time.monotonic(), list[str]()
    with console.status(what):
        yield outcome
    console.print(", ".join([f"{what}: {time.monotonic() - start:.1f} s", *outcome]), markup=False)


@contextmanager
def _running_engine(
    console: Console, project: Project, port: int, *, fresh: bool, debug_port: int | None, strict: bool
) -> Iterator[LocalEngine]:
    with _step(console, "install the local engine"):
        platform = project.platform()
        program = install_engine(platform)
        find_sam(platform)
    state = project.folder / ".silvaengine" / "state"
    with local_engine(
        program,
        state,
        port=0 if strict else port,
        fresh=fresh,
        debug_port=debug_port,
        double=_make_double(port, debug_port) if strict else None,
    ) as engine:
        console.print(f"engine at {engine.url}; its log: {engine.log.relative_to(project.folder)}")
        with local_deployment(project.folder, engine.url, deploy.LOCAL_STACK, REGION):
            yield engine


@contextmanager
def _running_console(engine: LocalEngine, *, may_write: bool) -> Iterator[str]:
    """Serve the console; yield the line with its address, empty where its extra isn't installed."""
    try:
        from silvaengine_cli.console.serving import running_console  # lazy: `--help` reads this module
    except click.ClickException:
        yield ""
        return
    from silvaengine_cli.console.session import Session

    session = Session(_deployment_on(engine), may_write=may_write)
    with running_console(session) as address:
        session.open_clients()
        yield f"console    {address}\n"


def _deployment_on(engine: LocalEngine) -> Deployment:
    return Deployment(stack=deploy.LOCAL_STACK, endpoint_url=engine.url, region=REGION)


def _make_double(port: int, debug_port: int | None) -> "Double":
    """Return what refuses as AWS does at a port, 0 for any; an API waits for who debugs."""
    from silvaengine_cli.strict import Double, Script  # lazy: `--help` reads this module

    if port:
        require_free(port)
    return Double(Script(api_seconds=DEBUG_SECONDS) if debug_port else Script(), port)


def _exit_on_signal(signal_number: int, _frame: object) -> NoReturn:
    sys.exit(128 + signal_number)
