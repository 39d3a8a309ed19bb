"""Which sources are watched, and what a change of each requires."""

import os
import shutil
from pathlib import Path

import pytest

from silvaengine_cli.deploy import DeployError
from silvaengine_cli.project import Project
from silvaengine_cli.watch import REGISTRY_FILE, Snapshot, Work, changed_files, take_snapshot, work_for

PROJECT = Path(__file__).parents[3]
LAMBDAS = tuple(path.relative_to(PROJECT).as_posix() for path in PROJECT.glob("services/*/lambdas.toml"))
WORKERS = frozenset({"Worker", "WorkerIsolated"})
FILES = (
    "authorizers/demo/__init__.py",
    "packages/shop/package.yaml",
    "packages/shop/shop/orders.py",
    "packages/shop/tests/test_orders.py",
    "packaging/Makefile",
    "services/http_gateway/silvaengine_http/app.py",
    "services/tasks/silvaengine_tasks/app.py",
    "services/websocket_gateway/silvaengine_websocket/app.py",
    "services/worker/functions/demo/greet.py",
    "services/worker/silvaengine_worker/app.py",
    *LAMBDAS,
    "shared/silvaengine/settings.py",
    "template.yaml",
    REGISTRY_FILE,
)
IGNORED = (
    "README.md",
    "packages/shop/shop/__pycache__/orders.cpython-313.pyc",
    "services/worker/functions/demo/.greet.py.swp",
    "services/worker/functions/demo/__pycache__/greet.cpython-313.pyc",
    "services/worker/functions/demo/greet.py~",
    "tests/unit/test_watch.py",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file of each kind."""
    for name in (*FILES, *IGNORED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for name in LAMBDAS:
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def snapshot_of(project: Path) -> Snapshot:
    """Return what is watched of a project."""
    return take_snapshot(Project.find(project))


def work_of(project: Path, paths: list[Path]) -> Work:
    """Return what changes of a project's files require."""
    return work_for(Project.find(project), Project.find(project).platform(), paths)


def test_sources_are_watched(project: Path) -> None:
    """Sources are watched, what tools and editors write beside them is not."""
    assert {path.relative_to(project).as_posix() for path in snapshot_of(project)} == set(FILES)


def test_changes_of_every_kind_are_seen(project: Path) -> None:
    """A file that was written, added or removed has changed."""
    before = snapshot_of(project)
    written, made, removed = (
        project / "shared" / name for name in ("silvaengine/settings.py", "new.py", "old.py")
    )
    os.utime(written, ns=(1, 1))
    made.write_text("")
    assert changed_files(before, snapshot_of(project)) == [made, written]
    made.rename(removed)
    assert changed_files(before, snapshot_of(project)) == [removed, written]


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("services/http_gateway/silvaengine_http/app.py", Work(functions=frozenset({"HttpGateway"}))),
        (
            "services/websocket_gateway/x/app.py",
            Work(functions=frozenset({"WebsocketGateway", "Broadcaster"})),
        ),
        ("services/tasks/silvaengine_tasks/app.py", Work(functions=frozenset({"Tasks", "Sweeper", "Usage"}))),
        ("services/worker/functions/demo/greet.py", Work(functions=WORKERS)),
        ("services/worker/functions/requirements.txt", Work(functions=WORKERS)),
        ("services/worker/functions/test_shop.py", Work()),
        ("services/worker/functions/shop/tests/data.json", Work()),
        ("services/worker/functions/shop/conftest.py", Work()),
        ("packages/shop/shop/orders.py", Work(packages=frozenset({"shop"}))),
        ("packages/shop/requirements.txt", Work(packages=frozenset({"shop"}))),
        ("packages/shop/tests/test_orders.py", Work()),
        ("packages/depot/depot.py", Work()),  # no package.yaml yet
        (
            "services/worker/silvaengine_worker/app.py",
            Work(functions=WORKERS, packages=frozenset({"shop"})),
        ),
        ("authorizers/demo/__init__.py", Work(functions=frozenset({"HttpGateway", "WebsocketGateway"}))),
        (REGISTRY_FILE, Work(registry=True)),
        ("shared/silvaengine/settings.py", Work(everything=True)),
        ("packaging/artefact.py", Work(everything=True)),
        ("template.yaml", Work(everything=True)),
    ],
)
def test_a_change_requires_the_least_work(project: Path, name: str, work: Work) -> None:
    """A change asks for no more than what runs the changed file."""
    assert work_of(project, [project / name]) == work


def test_a_lambda_is_known_by_its_folder(project: Path) -> None:
    """Its lambdas.toml is all that the watch needs of it; one that can't be read is a failed deployment."""
    source, declared = project / "services/reports/app.py", project / "services/reports/lambdas.toml"
    assert work_of(project, [source]) == Work()
    declared.parent.mkdir()
    declared.write_text("[Reports]\noperators = 'authorizers'\n")
    assert work_of(project, [source]) == Work(functions=frozenset({"Reports"}))
    assert "Reports" in work_of(project, [project / "authorizers/demo/__init__.py"]).functions
    declared.write_text("[Reports")
    with pytest.raises(DeployError, match=r"services/reports/lambdas\.toml"):
        work_of(project, [source])


def test_several_changes_are_one_work(project: Path) -> None:
    """The work that several changes require is done together."""
    names = (REGISTRY_FILE, "services/tasks/x.py", "services/worker/functions/new/__init__.py")
    expected = Work(functions=WORKERS | {"Tasks", "Sweeper", "Usage"}, registry=True)
    assert work_of(project, [project / name for name in names]) == expected


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("silvaengine.toml", Work(everything=True)),
        ("registry.yaml", Work(registry=True)),
        ("functions/greet.py", Work(functions=WORKERS)),
        ("authorizers/doors.py", Work(functions=frozenset({"HttpGateway", "WebsocketGateway"}))),
        ("packages/shop/shop/orders.py", Work(packages=frozenset({"shop"}))),
        ("shared/notes.txt", None),
    ],
)
def test_an_applications_own_files_are_watched(tmp_path: Path, name: str, work: Work | None) -> None:
    """An application's changes require what a clone's do; a folder named as one of the platform doesn't."""
    for each in ("packages/shop/package.yaml", name):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("")
    (tmp_path / "silvaengine.toml").write_text('stack = "shop"\n')
    watched = snapshot_of(tmp_path)
    assert (tmp_path / name in watched) == (work is not None)
    if work is not None:
        assert work_of(tmp_path, [tmp_path / name]) == work
    assert not [path for path in watched if ".silvaengine" in path.parts]
