"""A package published for real: what serves, what is refused, what a broken publication leaves."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from shutil import copy
from threading import Barrier, Event
from typing import Any, override

import click
import pytest
from click.testing import CliRunner

from silvaengine.errors import SilvaEngineError
from silvaengine.tables import FUNCTIONS
from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.main import cli
from silvaengine_cli.publishing import publisher as steps
from silvaengine_cli.publishing.behind import CurrentPlatform
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.platform_update import update
from silvaengine_cli.publishing.prune import KEPT_SECONDS, Pruned, Pruning
from silvaengine_cli.publishing.publication import Publication
from silvaengine_cli.publishing.rollout import Rollout
from silvaengine_cli.publishing.versions import Versions

from .conftest import Deployment, wait_for_record
from .http_client import Response
from .own_package import decisive
from .shop import PACKAGE, TENANTS, Shop, ask, build_of, open_to
from .test_announcements import eventually

DECISIVE = {"change the stack", "publish a version", "write the release", "turn the pointer"}
STEPS = [title for title, _ in (*steps.PLANNING, *steps.PREPARING, *steps.RELEASING, *steps.FINISHING)]
TURN = STEPS.index("turn the pointer")


@pytest.fixture(scope="module", autouse=True)
def opened(deployment: Deployment) -> None:
    """The tests' tenants may call the package."""
    open_to(deployment.rows)


def served(deployment: Deployment, build: int) -> bool:
    """Return whether a build serves within the promised time."""
    return _is(eventually(lambda: ask(deployment.api), lambda it: _is(it, build)), build)


def _is(response: Response, build: int) -> bool:
    return response.status == 200 and build_of(response) == build


def test_what_is_published_serves(deployment: Deployment, shop: Shop) -> None:
    """A new release, the one before again, and nothing new; the log names package and release."""
    first, second = shop.publish_next(), shop.publish_next()
    assert served(deployment, second)
    assert not shop.publish().is_new
    turn = shop.roll_back()
    assert (shop.builds[turn.left], shop.builds[turn.release]) == (second, first)
    assert served(deployment, first)
    log = deployment.gateway_log()
    ask(deployment.api)
    record = wait_for_record(log, lambda each: each.get("function") == "build")
    assert (record["package"], record["release"]) == (PACKAGE, turn.release)


MOVED = """\
endpoints:
  moved: {connection: own}
functions:
  where: {call: "e2e_moved:where", area: core}
  where_later: {call: "e2e_moved:where", area: core, type: Event, methods: [POST]}
connections:
  - endpoint: moved
    api_key: moved-key
    functions: [where, where_later]
"""


def test_a_function_moves_from_the_worker_to_a_package(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls go on meanwhile; what jobs and keys said stays readable."""
    key, api = {"x-api-key": "moved-key"}, deployment.api
    (shipped := tmp_path / "services/worker/functions").mkdir(parents=True)
    (shipped / "registry.yaml").write_text(MOVED)
    copy(deployment.project / "services/worker/functions/e2e_moved.py", shipped)
    monkeypatch.chdir(tmp_path)

    def silvaengine(*arguments: str, local: bool = True) -> str:
        where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url] if local else []
        done = CliRunner().invoke(cli, [*arguments, *where])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def ask() -> str:
        response = api.get("/core/moved/where", key)
        return str(response.json()["ran_in"]) if response.status == 200 else response.text

    def begin(name: str, **headers: str) -> Response:
        return api.post(f"/core/moved/{name}", {}, key | {"idempotency-key": f"{name}-1"} | headers)

    def job(job_id: str) -> Any:
        return api.get(f"/core/moved/job_status?job_id={job_id}", key).json()

    silvaengine("apply")
    assert eventually(ask, "worker".__eq__) == "worker"
    kept, accepted = begin("where"), begin("where_later").json()["job_id"]
    facts = eventually(lambda: job(accepted), lambda it: it["status"] == "succeeded")
    assert (facts["result"], kept.json()) == ({"ran_in": "worker"},) * 2
    over, answers = Event(), list[str]()

    def call() -> None:
        while not over.is_set():
            answers.append(ask())

    with ThreadPoolExecutor(1) as pool:
        caller = pool.submit(call)
        try:
            said = silvaengine("packages", "move", "e2e_moved", "--as", "moved", local=False)
            silvaengine("publish", "packages/moved")
            assert begin("where").headers["idempotency-replayed"] == "true"
            silvaengine("apply")
            assert eventually(lambda: answers[-1], "package".__eq__) == "package"
        finally:
            over.set()
        caller.result()
    assert set(answers) == {"worker", "package"}
    assert "an Idempotency-Key" in said
    assert job(accepted) == facts
    listed = json.loads(silvaengine("jobs", "list", "--endpoint", "moved", "--json"))
    assert {each["function"]: each["state"] for each in listed} == {
        "where": "succeeded",
        "where_later": "succeeded",
    }

    def run_later() -> Any:
        later = begin("where_later", **{"idempotency-key": token_hex(8)}).json()["job_id"]
        return eventually(lambda: job(later), lambda it: it["status"] == "succeeded")["result"]

    # Another instance of the gateway may not have heard of the move yet.
    assert eventually(run_later, {"ran_in": "package"}.__eq__) == {"ran_in": "package"}
    silvaengine("packages", "delete", "moved", "--yes")


def test_one_tenant_is_pinned(deployment: Deployment, shop: Shop) -> None:
    """The others have what serves."""
    first, second = shop.publish_next(), shop.publish_next()
    number = next(number for number, build in shop.builds.items() if build == first)
    shop.pointing.pin(number, TENANTS[1])
    assert served(deployment, second)
    assert eventually(lambda: build_of(ask(deployment.api, TENANTS[1])), first.__eq__) == first
    shop.pointing.unpin(TENANTS[1])
    assert eventually(lambda: build_of(ask(deployment.api, TENANTS[1])), second.__eq__) == second


@pytest.mark.parametrize("title", decisive(STEPS, DECISIVE))
def test_a_killed_publisher_does_no_harm(deployment: Deployment, shop: Shop, title: str) -> None:
    """Before the pointer turns the old release serves, then the new one; the next publication succeeds."""
    old = shop.publish_next()
    shop.write()
    program = Path(__file__).with_name("killed_publisher.py")
    where = [title, str(shop.folder), deploy.LOCAL_STACK, deployment.engine.url]
    done = subprocess.run([sys.executable, program, *where], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    has_turned = STEPS.index(title) >= TURN
    serving = shop.releases.pointer()["release"]
    assert shop.builds.get(serving) == (None if has_turned else old)
    assert ask(deployment.api).status == 200
    again = shop.publish()
    assert again.is_new is not has_turned
    assert shop.releases.pointer()["release"] == again.release
    rows = shop.deployment.tables().query(FUNCTIONS, shop.releases.function_arn)
    assert {row["release"] for row in rows} == {again.release}


class LimitedCommandLine(CommandLine):
    """The command line of somebody whose clients have few rights."""

    def __init__(self, open_client: Callable[[str], Any], url: str) -> None:
        super().__init__(stack=deploy.LOCAL_STACK, endpoint_url=url)
        self._open_client = open_client

    @override
    def client(self, service: str, url: str | None = None) -> Any:
        return self._open_client(service)


def test_a_publisher_needs_no_other_rights(
    deployment: Deployment, shop: Shop, publisher: Callable[[str], Any]
) -> None:
    """PublisherPolicy suffices to publish and roll back, and tells whom a canary covers, without connections.

    A change of the stack is refused, with its lines.
    """
    limited, said = (
        replace(shop, deployment=LimitedCommandLine(publisher, deployment.engine.url)),
        list[str](),
    )
    shop.publish_next()
    limited.publish_next()
    limited.roll_back()
    limited.write()
    with pytest.raises(click.ClickException, match=r"no connection of 'shop-acm' .*did you mean shop-acme"):
        limited.publish(rollout=Rollout({"tenants": ["shop-acm"]}))
    canary = limited.publish(said.append, rollout=Rollout({"tenants": [TENANTS[0]]}))
    assert canary.tenants == [TENANTS[0]]
    assert "you may not read connections: all tenants count as the package's" in said
    limited.roll_back()
    limited.write()
    manifest = shop.folder / "package.yaml"
    manifest.write_text(manifest.read_text().replace("memory: 256", "memory: 300"))
    with pytest.raises(click.ClickException, match="you may not change the stack") as caught:
        limited.publish()
    assert "~ PackageFunction.MemorySize" in caught.value.message
    shop.write()
    shop.publish()


class UpdatedCommandLine(CommandLine):
    """A command line that finds the stack in an update."""

    @override
    def client(self, service: str, url: str | None = None) -> Any:
        found = super().client(service, url)
        if service == "cloudformation":
            found.meta.events.register("after-call.cloudformation.DescribeStacks", self._say_so)
        return found

    def _say_so(self, parsed: dict[str, Any], **_: object) -> None:
        for stack in parsed["Stacks"]:
            if stack["StackName"] == self.stack:
                stack["StackStatus"] = "UPDATE_IN_PROGRESS"


def test_nothing_is_published_while_the_stack_is_updated(deployment: Deployment, shop: Shop) -> None:
    """A release keeps what the platform is: half an update would stay in it."""
    shop.publish_next()
    before = shop.releases.all()
    updated = UpdatedCommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    shop.write()
    with pytest.raises(click.ClickException, match=f"stack {deploy.LOCAL_STACK} is in UPDATE_IN_PROGRESS"):
        replace(shop, deployment=updated).publish()
    with pytest.raises(click.ClickException, match=f"stack {deploy.LOCAL_STACK} is in UPDATE_IN_PROGRESS"):
        update(updated, PACKAGE, CurrentPlatform(updated), lambda _line: None)
    assert shop.releases.all() == before


def test_a_second_publisher_is_told(deployment: Deployment, shop: Shop, tmp_path: Path) -> None:
    """Of two at the same time one succeeds; the other one is told, and succeeds afterwards."""
    shop.publish_next()
    shops = [Shop(tmp_path / name / "packages" / PACKAGE, shop.deployment) for name in ("one", "other")]
    for number, each in enumerate(shops):
        for _ in range(1000 + number):
            each.write()
    together = Barrier(2)

    def publish(each: Shop) -> Any:
        together.wait()
        try:
            return each.publish()
        except click.ClickException as error:
            return error.message

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(publish, shops))
    refused = [each for each in outcomes if isinstance(each, str)]
    assert ["somebody else" in each for each in refused] == [True], outcomes
    assert served(deployment, 1001 if outcomes[0] in refused else 1000)
    second = shops[outcomes.index(refused[0])]
    assert second.publish().is_new
    assert served(deployment, 1000 if second is shops[0] else 1001)


def test_an_altered_object_is_not_published(
    deployment: Deployment, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced between upload and update: one line names it, and the old release serves."""
    old, new = shop.publish_next(), shop.write()

    def alter(publication: Publication) -> None:
        body = deploy.zip_files({"main.py": b""})
        bucket = publication.platform.bucket
        deployment.engine.client("s3").put_object(Bucket=bucket, Key=publication.object_key, Body=body)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "PREPARING", (*steps.PREPARING, ("alter the object", alter)))
        with pytest.raises(click.ClickException, match=r"s3://.*packages/shop/.* was altered") as caught:
            shop.publish()
    assert "\n" not in caught.value.message
    assert served(deployment, old)
    shop.publish()
    assert served(deployment, new)


@pytest.mark.parametrize(
    ("attribute", "old", "new"), [("functions", "core", "admin"), ("digest", "", "0")], ids=["row", "digest"]
)
def test_an_altered_release_is_not_served(
    deployment: Deployment, shop: Shop, attribute: str, old: str, new: str
) -> None:
    """Neither turned to nor, where it serves, called; a new release is the way out."""
    shop.publish_next()
    row = shop.releases.release(shop.releases.pointer()["release"])
    deployment.rows.put("packages", **row | {attribute: row[attribute].replace(old, new)})
    shop.announce()
    assert eventually(lambda: ask(deployment.api).status, (500).__eq__) == 500
    with pytest.raises(SilvaEngineError) as caught:
        shop.pointing.pin(row["release"], TENANTS[0])
    assert f"release {row['release']} of package 'shop': its row was altered" in caught.value.detail
    assert served(deployment, shop.publish_next())
    deployment.rows.put("packages", **row)


def test_releases_are_pruned(deployment: Deployment, shop: Shop) -> None:
    """What has left the pointer long ago, without a pin or a job; versions and objects go with it."""
    for _ in range(3):
        shop.publish_next()
    releases = shop.releases
    serving = releases.pointer()["release"]
    before = {row["release"] for row in releases.all()}
    versions = Versions(
        deployment.engine.client("lambda"), releases.function_name, Patience(lambda _line: None)
    )

    def prune(days: float, *, dry_run: bool = False) -> Pruned:
        return Pruning(shop.deployment, releases, versions, time.time() + days).run(dry_run=dry_run)

    assert prune(-KEPT_SECONDS).releases == []
    planned = prune(60, dry_run=True)
    assert set(planned.releases) == before - {serving}
    assert {row["release"] for row in releases.all()} == before
    assert prune(60).releases == planned.releases
    assert (
        {row["release"] for row in releases.all()}
        == {serving}
        == {number for number, _ in versions.numbers()}
    )
    assert served(deployment, shop.builds[serving])
