"""A stack of the last release becomes this version's, one Lambda after the other, while clients go on."""

import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from silvaengine_cli import deploy
from silvaengine_cli.engine import install_engine, local_engine
from silvaengine_cli.events import sample
from silvaengine_cli.packages import FUNCTIONS_FOLDER
from silvaengine_cli.prove.deploying import copy_project

from ..e2e.socket_client import Socket
from . import last_release
from .load import CLIENTS, KEY, Load
from .stack import GROUPS, PACKAGES, RollOut, Versions, add_functions, run

# One service after the other through all sixteen mixtures and back, by a Gray code: whatever the order of an
# update, its mixtures are among them.
FLIPS = [
    list(GROUPS)[min((step & -step).bit_length(), len(GROUPS)) - 1] for step in range(1, 2 ** len(GROUPS) + 1)
]
STAGE = """
[stages.beta]
stack = "{stack}"

[stages.beta.parameters]
TablePrefix = "{TablePrefix}"
EarlierWorkers = true
"""
NEEDS_RELEASE = pytest.mark.skipif(not last_release.is_there(), reason="a shallow clone")
# What a package then lacks, and a source of it.
CHANGES = {
    "the worker's code": "services/worker/silvaengine_worker/instances.py",
    "the layer": "shared/silvaengine/errors.py",
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Build both versions with the same functions."""
    folder = tmp_path_factory.mktemp("versions")
    last, this = last_release.check_out(folder / "last"), folder / "this"
    copy_project(last_release.PROJECT, this)
    for project in (last, this):
        add_functions(project)
    with ThreadPoolExecutor() as pool:
        list(pool.map(deploy.build, (last, this)))
    return Versions(last, this)


@pytest.fixture
def roll_out(versions: Versions, tmp_path: Path) -> Iterator[RollOut]:
    """The last release's stack on an engine; with Redis its worker can't settle executions."""
    program = install_engine(last_release.PROJECT)
    this = shutil.copytree(versions.this, tmp_path / "this", symlinks=True)  # which a test may change
    with local_engine(program, tmp_path / "state") as engine:
        parameters = {"CacheDir": str(tmp_path / "cache"), "WorkerTimeout": "20", "EventRuleSources": "shop"}
        yield RollOut(engine, versions._replace(this=this), parameters)


def probe(roll_out: RollOut, socket: Socket) -> None:
    """Call in every way; what is to be finished or repeated by the next mixture goes to ``waiting``."""
    for finish in roll_out.waiting:
        finish(socket)
    key = {**KEY, "idempotency-key": uuid4().hex}
    booked = roll_out.api.post("/core/roll/keyed", {}, key)
    assert booked.status == 200, booked.text
    relayed = roll_out.api.get("/core/roll/relay?name=Ada", KEY)
    assert (relayed.status, relayed.text) == (200, '{"message": "Hello, Ada!"}'), relayed.text
    rate = roll_out.api.get("/core/demo/rate").json()
    assert roll_out.api.get("/core/demo/rate").json() == rate
    job = roll_out.api.post("/core/roll/second_time", {}, KEY)
    assert job.status == 202, job.text
    once = {"funct": "keyed", "payload": {}, "id": uuid4().hex, "once": True}
    frame = said(socket, once)
    assert frame["data"]["effect"], frame
    assert said(socket, {"funct": "countdown", "payload": {"start": 2, "pause": 0}, "id": "s"})["done"]
    assert said(socket, {"funct": "say", "payload": {"text": "hi"}, "id": "b"})["data"]["sent"] == 1
    events = [sample(source) for source in ("sqs", "s3", "sns", "dynamodb", "rule")]
    answers = [roll_out.invoke("Tasks", event) for event in events]
    assert roll_out.invoke("Tasks", sample("direct")) == {"heard": ["endpoint_id", "order"]}

    def repeat(socket: Socket) -> None:
        again = roll_out.api.post("/core/roll/keyed", {}, key)
        assert (again.status, again.body) == (200, booked.body)
        assert again.headers["idempotency-replayed"] == "true"
        assert said(socket, once) == frame
        assert [roll_out.invoke("Tasks", event) for event in events] == answers

    roll_out.waiting = [repeat, lambda _: finish_job(roll_out, job.json()["job_id"])]


def finish_job(roll_out: RollOut, job_id: str) -> None:
    """Let the sweeper send a job that an earlier mixture has accepted and begun."""
    deadline = time.monotonic() + 20
    while (state := roll_out.row(job_id)["state"]["S"]) != "succeeded":
        assert time.monotonic() < deadline, roll_out.row(job_id)
        if state == "accepted":
            roll_out.sweep()
        time.sleep(0.2)
    status = roll_out.api.get(f"/core/roll/job_status?job_id={job_id}", KEY)
    assert status.status == 200, status.text
    assert status.json()["result"] == {"attempt": 2}


def said(socket: Socket, message: Mapping[str, object]) -> Any:
    """Send a message and return its last frame."""
    socket.send(message)
    while True:
        frame = socket.json()
        if frame.get("id") == message["id"] and ("done" in frame or "seq" not in frame):
            return frame


def check_jobs(roll_out: RollOut, load: Load) -> None:
    """Check that every job that was accepted ends; one whose call was cut off is due at once."""
    assert load.statuses == {200, 202}
    jobs = load.jobs()
    for job_id in jobs:
        if roll_out.row(job_id)["state"]["S"] != "succeeded":
            roll_out.make_due(job_id)
    roll_out.sweep()
    deadline = time.monotonic() + 20
    while unfinished := [each for each in jobs if roll_out.row(each)["state"]["S"] != "succeeded"]:
        assert time.monotonic() < deadline, [roll_out.row(job_id) for job_id in unfinished]
        time.sleep(0.2)


@pytest.mark.nightly
def test_a_roll_out_loses_nothing(roll_out: RollOut) -> None:
    """In each mixture every call succeeds, and what one version has accepted the other one finishes.

    The engine ends a Lambda's running calls, where AWS lets them end: what ran during an update may fail, one
    call of a client for each Lambda that it needs.
    """
    with roll_out.connect() as socket:
        probe(roll_out, socket)
    assert "workers of 0.2 still run" in roll_out.upgrade()
    assert "in two steps" in roll_out.upgrade("-p", "EarlierWorkers=true")
    assert "can't begin" not in roll_out.upgrade("-p", "EarlierWorkers=true", "--quiet-time")
    update = Load(roll_out.http_gateway)
    with update.running():
        roll_out.update_stack()
    assert len(update.failed) <= 2 * CLIENTS, update.failed
    check_jobs(roll_out, update)
    assert "can't begin" not in roll_out.upgrade("-p", "EarlierWorkers=true")
    with roll_out.connect() as socket:
        probe(roll_out, socket)
        roll_out.prepare_flips()
        load = Load(roll_out.api)
        with load.running():
            probe(roll_out, socket)
            for group in FLIPS:
                with load.updating():
                    roll_out.flip(group, "last" if roll_out.version[group] == "this" else "this")
                probe(roll_out, socket)
        for finish in roll_out.waiting:
            finish(socket)
    assert load.failed_between_updates == []
    assert len(load.failed) <= CLIENTS * len(FLIPS)
    check_jobs(roll_out, load)


def greet(roll_out: RollOut) -> None:
    """Check that a message gets its response."""
    with roll_out.connect() as socket:
        frame = said(socket, {"funct": "hail", "payload": {"name": "Ada"}, "id": uuid4().hex})
        assert frame.get("data") == {"message": "Hail, Ada!"}, frame


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, marks=NEEDS_RELEASE, id="variables"),
        pytest.param(CHANGES, marks=pytest.mark.nightly, id="code"),
    ],
)
def test_packages_follow_an_upgrade_without_a_lost_request(
    roll_out: RollOut, monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str]
) -> None:
    """The last release's stack is upgraded, its functions move into packages, and those follow a change.

    What the engine cuts off while it changes a Lambda's code may fail, as above; nothing else does.
    """
    project = roll_out.versions.this
    monkeypatch.chdir(project)
    lacked = ", ".join([*changes, "variables: LOGGINGLEVEL"])
    load = Load(roll_out.http_gateway, pause=0.2)
    with load.running():
        with load.updating():
            roll_out.update_stack()
        greet(roll_out)
        check_jobs(roll_out, load)
        for package, module in PACKAGES.items():
            run("packages", "move", module, "--as", package)
            assert "release 1 of" in roll_out.run("publish", f"packages/{package}")
        roll_out.register()
        greet(roll_out)
        for source in changes.values():
            with (project / source).open("a") as code:
                code.write("\nCHANGED = True\n")
        if changes:
            deploy.build(project)
        with load.updating():
            (roll_out.update_stack if changes else roll_out.change_parameters)(
                EarlierWorkers="false", LogLevel="DEBUG"
            )
        updated = roll_out.run("packages", "update")
        assert updated.count(f"serves instead of 1, which lacked {lacked}") == len(PACKAGES), updated
        greet(roll_out)
    assert load.failed_between_updates == []
    assert len(load.failed) <= 2 * CLIENTS * len(load.updates), load.failed
    assert len(load.told) > 100
    check_jobs(roll_out, load)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_an_application_takes_over_the_last_releases_stack(
    roll_out: RollOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its functions and registry move into a new application's folder, and its stack is a stage of that."""
    key, last = {**KEY, "idempotency-key": uuid4().hex}, roll_out.versions.last
    booked = roll_out.api.post("/core/roll/keyed", {}, key)
    monkeypatch.chdir(tmp_path)
    run("new", "shop")
    application = tmp_path / "shop"
    monkeypatch.chdir(application)
    shutil.copytree(last / FUNCTIONS_FOLDER, application / "functions")
    shutil.copytree(last / "authorizers", application / "authorizers")
    registry = (application / "functions/registry.yaml").rename(application / "registry.yaml")
    opened = registry.read_text().replace("- functions:", "- packages: [hello]\n    functions:", 1)
    registry.write_text(opened)
    with (application / "silvaengine.toml").open("a") as stages:
        stages.write(STAGE.format(stack=deploy.LOCAL_STACK, **roll_out.outputs))
    assert "EarlierWorkers" in run("upgrade", "beta", *roll_out.where)
    run("deploy", "--stage", "beta", "--yes", *roll_out.where)
    roll_out.note_update()
    again = roll_out.api.post("/core/roll/keyed", {}, key)
    assert (again.status, again.body) == (200, booked.body)
    assert again.headers["idempotency-replayed"] == "true"
    greet(roll_out)
    for path in ("hello", "greet_hello"):
        assert roll_out.api.get(f"/core/demo/{path}?name=Ada").json() == {"message": "Hello, Ada!"}
