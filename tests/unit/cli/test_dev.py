"""What `silvaengine dev` says when sources change, without an engine."""

import io
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from rich.console import Console

from silvaengine_cli import deploy, dev
from silvaengine_cli.logs import LogReader
from silvaengine_cli.project import Project
from silvaengine_cli.registry.file import load
from silvaengine_cli.registry.plan import Plan, make_plan
from silvaengine_cli.registry.rows import all_rows
from silvaengine_cli.screen import NORMAL, Screen

from .test_registry_round_trip import WORKER, TablesInMemory

CLONE = Path(__file__).parents[3]
FUNCTIONS = "services/worker/functions"
BROKEN = 'File "/var/task/shop/orders.py", line 1'
ENDPOINTS = "endpoints: {first: , second: , third: }\n"

type Edit = Callable[[], object]
type Session = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with functions, all of whose rows are in the tables."""
    (tmp_path / FUNCTIONS).mkdir(parents=True)
    (tmp_path / "services/worker/lambdas.toml").write_text("[Worker]\n")
    shutil.copy(CLONE / "template.yaml", tmp_path)
    (tmp_path / FUNCTIONS / "registry.yaml").write_text(ENDPOINTS)
    return tmp_path


@pytest.fixture
def function_arns() -> dict[str, str]:
    """The Lambdas that are deployed, by their names in the template."""
    return {}


@pytest.fixture
def session(project: Path, function_arns: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Session:
    """Run a session with these edits, one after the other; returns what it printed."""
    rows = [
        (table, row | {"revision": 1})
        for table, row in all_rows(load(project / FUNCTIONS / "registry.yaml").spec, WORKER)
    ]

    def apply_file(path: Path, tables: TablesInMemory, worker_arn: str, **_: object) -> Plan:
        return make_plan(load(path).spec, tables, worker_arn)  # type: ignore[arg-type]

    outputs: Any = SimpleNamespace(
        api_url="", websocket_url="", worker_arn=WORKER, table_prefix="", function_arns=function_arns
    )
    engine: Any = SimpleNamespace(client=lambda _service: None, url="")
    for step in ("build", "restore_functions"):
        monkeypatch.setattr(deploy, step, lambda *_: None)
    monkeypatch.setattr(deploy, "deploy", lambda *_, **__: outputs)
    monkeypatch.setattr(dev, "RegistryTables", lambda *_: TablesInMemory(rows))
    monkeypatch.setattr(dev, "apply_file", apply_file)
    monkeypatch.setattr(dev, "LogReader", SimpleNamespace(of=lambda _: LogReader(None, {"Worker": ""})))
    monkeypatch.setattr(dev, "LogTail", lambda _: SimpleNamespace(new_lines=list))
    monkeypatch.setattr(dev, "log_groups", lambda _: {})

    def run(*edits: Edit) -> str:
        rest = iter(edits)

        def edit_next(_seconds: float) -> None:
            next(rest, interrupt)()

        monkeypatch.setattr(dev.time, "sleep", edit_next)  # type: ignore[attr-defined]
        printed = io.StringIO()
        console = Console(file=printed, soft_wrap=True, highlight=False)
        screen = Screen(console, project, NORMAL)
        with pytest.raises(KeyboardInterrupt):
            dev.DevSession(console, screen, Project.find(project), engine, None).follow()
        return printed.getvalue()

    return run


def interrupt() -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def test_row_that_left_the_file_is_said_once(project: Path, session: Session) -> None:
    """When another row leaves, that one alone is said; one that left again is said again."""
    registry = project / FUNCTIONS / "registry.yaml"
    texts = ("first: , second: ", "first: ", "first: , second: , third: ", "first: , second: ")
    edits = [lambda text=text: registry.write_text(f"endpoints: {{{text}}}\n") for text in texts]
    said = [line for line in session(*edits).splitlines() if "not in the file" in line]
    assert said == [
        f"  rows that are not in the file stay: endpoints {name} (--prune deletes them)"
        for name in ("third", "second", "third")
    ]


def test_missing_import_is_said_with_the_line_to_add(project: Path, session: Session) -> None:
    """It is said at the start and when it comes, with its place, and once."""
    source, requirements = project / FUNCTIONS / "shop.py", project / FUNCTIONS / "requirements.txt"
    source.write_text("import json\nimport yaml_of_nobody\n")
    said = [
        line
        for line in session(
            lambda: source.write_text("import json\nimport yaml_of_nobody\nx = 1\n"),
            lambda: source.write_text("import PIL\n"),
            lambda: requirements.write_text("pillow\n"),
        ).splitlines()
        if "requirements.txt" in line and not line.startswith("changed")
    ]
    unknown = "which neither the layer nor requirements.txt is known to provide: add the line"
    assert said == [
        f"  {FUNCTIONS}/shop.py:2: imports yaml_of_nobody, {unknown} `yaml_of_nobody` to requirements.txt",
        f"  {FUNCTIONS}/shop.py:1: imports PIL, {unknown} `pillow` to requirements.txt",
    ]


def test_function_is_applied_once_its_source_has_it(project: Path, session: Session) -> None:
    """An entry that is saved before its function is refused, and taken up when the function is saved."""
    source, registry = project / FUNCTIONS / "shop.py", project / FUNCTIONS / "registry.yaml"
    source.write_text("def greet(): ...\n")
    shown = session(
        lambda: registry.write_text(f"{ENDPOINTS}functions:\n  greet_all: {{module: shop, area: core}}\n"),
        lambda: source.write_text("def greet(): ...\ndef greet_all(): ...\n"),
    )
    refused, applied = shown.index("(did you mean greet?)"), shown.index("create functions")
    assert refused < applied


@pytest.fixture
def published(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two packages, one of which has an error until ``mended`` is in its code; what was published."""
    for name in ("depot", "shop"):
        (project / "packages" / name / name).mkdir(parents=True)
        (project / "packages" / name / "package.yaml").touch()
        (project / "packages" / name / name / "orders.py").touch()
    published, numbers = list[str](), count(1)

    def publish(_: object, folder: Path, *__: object, allow_breaking: bool) -> object:
        assert allow_breaking
        if folder.name == "shop" and "mended" not in (folder / "shop/orders.py").read_text():
            raise click.ClickException(BROKEN)
        published.append(folder.name)
        (folder / "requirements.lock").write_text("written by each publication" + "!" * len(published))
        return SimpleNamespace(package=folder.name, release=next(numbers))

    monkeypatch.setattr(dev, "publish", publish)
    monkeypatch.setattr(dev, "prune_before_latest", lambda *_: None)
    return published


def test_a_package_that_cannot_be_published_holds_nothing_up(
    project: Path, session: Session, published: list[str]
) -> None:
    """It is shown with the path of its sources, the others are published, the registry is applied."""
    shown = session()
    assert published == ["depot"]
    assert shown.index('File "packages/shop/shop/orders.py", line 1') < shown.index("apply registry.yaml")
    assert ", release 1\n" in shown


def test_a_package_is_published_when_a_file_of_it_changes(
    project: Path, session: Session, published: list[str]
) -> None:
    """One that failed is tried again with the next change; tests change nothing."""
    (project / "packages/shop/tests").mkdir()
    shown = session(
        lambda: (project / "packages/shop/tests/test_orders.py").write_text("changed"),
        lambda: (project / "packages/depot/depot/orders.py").write_text("changed"),
        lambda: (project / "packages/shop/shop/orders.py").write_text("mended"),
        lambda: (project / "packages/shop/requirements.txt").write_text("httpx"),
    )
    assert published == ["depot", "depot", "shop", "shop"]
    assert shown.count(BROKEN.replace("/var/task", "packages/shop")) == 2


def test_what_a_publication_writes_is_no_change(
    project: Path, session: Session, published: list[str]
) -> None:
    """A lock that it has made doesn't publish the package once more; one that somebody else writes does."""
    lock = project / "packages/depot/requirements.lock"
    session(lambda: None, lambda: None)
    assert published == ["depot"]
    session(lambda: None, lambda: lock.write_text("pulled"), lambda: None)
    assert published == ["depot"] * 3


def test_the_workers_code_is_deployed_before_packages_take_it(
    project: Path,
    session: Session,
    published: list[str],
    function_arns: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error in it is shown, and packages that have changed are published all the same."""
    code = project / "services/worker/silvaengine_worker/app.py"
    code.parent.mkdir()

    def redeploy(_project: Path, _engine: object, _outputs: object, logical_id: str) -> None:
        published.append(logical_id)
        if "error" in code.read_text():
            raise deploy.DeployError("it can't be compiled")

    function_arns["Worker"] = WORKER
    monkeypatch.setattr(deploy, "redeploy_function", redeploy)
    shown = session(lambda: code.write_text("error"), lambda: code.write_text("mended"))
    assert published == ["depot", "Worker", "depot", "Worker", "depot"]
    assert "it can't be compiled" in shown


def test_missing_import_of_a_package_is_said(project: Path, session: Session, published: list[str]) -> None:
    """With its place, as those of the functions that ship."""
    (project / "packages/depot/depot/orders.py").write_text("import PIL\n")
    assert "packages/depot/depot/orders.py:1: imports PIL, which neither" in session()
