"""Upgrades reach packages, removals wait, packages end: each command for real, and again after a crash."""

import io
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import urlopen

import click
import pytest
from click.testing import CliRunner

from silvaengine.registry.releases import PROTOCOL, release_digest, release_item
from silvaengine.tables import FUNCTIONS
from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.main import cli
from silvaengine_cli.publishing import deletion, platform_update
from silvaengine_cli.publishing.artefact import release_file
from silvaengine_cli.publishing.behind import CurrentPlatform
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.prune import KEPT_SECONDS, Pruning
from silvaengine_cli.publishing.versions import Versions
from silvaengine_worker.release import RELEASE_FILE

from ..upgrade.load import InvokedApi
from .conftest import Deployment, copy_project
from .http_client import Response
from .registry_rows import Rows
from .shop import Shop
from .test_announcements import eventually

TENANTS = ("end-acme", "end-farm")
KEY = "end-key"
ORDERS = """\
resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Inbox: {Type: AWS::SQS::Queue, DeletionPolicy: Delete}
  News: {Type: AWS::SNS::Topic}
permissions:
  - {Sid: Orders, Effect: Allow, Action: ["dynamodb:GetItem"], Resource: !GetAtt Orders.Arn}
environment:
  default: {ORDERS: !Ref Orders}
"""
NUMBERS = count(1)


@pytest.fixture
def package(deployment: Deployment, tmp_path: Path) -> Shop:
    """A package of its own: the engine counts versions of a deleted Lambda anew, where AWS goes on."""
    name = f"end{next(NUMBERS)}"
    for tenant in TENANTS:
        deployment.rows.put("endpoints", endpoint_id=tenant, special_connection=False)
    listed = [{"package": name}]
    deployment.rows.put("connections", endpoint_id="1", api_key=KEY, functions=[], packages=listed)
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    return Shop(tmp_path / name, target, name=name)


class Worker:
    """The stack's worker, which the update of a stack changes."""

    def __init__(self, deployment: Deployment) -> None:
        self._lambda = deployment.engine.client("lambda")
        self._arn = deployment.outputs.worker_arn
        self._numbers = count(1)
        found = self._lambda.get_function(FunctionName=self._arn)
        self._variables: dict[str, str] = found["Configuration"]["Environment"]["Variables"]
        with urlopen(found["Code"]["Location"], timeout=10) as code:  # noqa: S310 - the engine's own URL
            self._code: bytes = code.read()

    def change(self) -> str:
        """Give it other code and another variable; return the variable's value."""
        value = f"change {next(self._numbers)}"
        written = io.BytesIO(self._code)
        with zipfile.ZipFile(written, "a") as archive:
            archive.writestr("silvaengine_worker/change.py", f"CHANGE = {value!r}\n")
        self._put(written.getvalue(), self._variables | {"PLATFORM_CHANGE": value})
        return value

    def restore(self) -> None:
        """Take all changes back."""
        self._put(self._code, self._variables)

    def _put(self, code: bytes, variables: dict[str, str]) -> None:
        self._lambda.update_function_code(FunctionName=self._arn, ZipFile=code)
        self._lambda.update_function_configuration(
            FunctionName=self._arn, Environment={"Variables": variables}
        )


@pytest.fixture
def worker(deployment: Deployment) -> Iterator[Worker]:
    """The worker, restored in the end."""
    found = Worker(deployment)
    yield found
    found.restore()


def run(package: Shop, *arguments: str, fails: bool = False) -> str:
    """Return what a command prints for the engine."""
    where = ["--stack", package.deployment.stack, "--endpoint-url", str(package.deployment.endpoint_url)]
    outcome = CliRunner().invoke(cli, [*arguments, *where], terminal_width=200)
    assert (outcome.exit_code != 0) is fails, (outcome.output, outcome.exception)
    return outcome.output


def ask(deployment: Deployment, tenant: str = TENANTS[0], path: str = "build") -> Response:
    """Call a function of the package."""
    return deployment.api.get(f"/core/{tenant}/{path}", {"x-api-key": KEY})


def built(deployment: Deployment, tenant: str = TENANTS[0]) -> Any:
    """Return the build that serves a tenant, else the status."""
    response = ask(deployment, tenant)
    return response.json()[0] if response.status == 200 else response.status


def kill_after(package: Shop, what: str, title: str) -> None:
    """Run a command that is killed after a step."""
    program = Path(__file__).with_name("killed.py")
    where = [what, title, package.name, deploy.LOCAL_STACK, str(package.deployment.endpoint_url)]
    done = subprocess.run([sys.executable, program, *where], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def variables(deployment: Deployment, package: Shop, number: int) -> dict[str, str]:
    """Return the variables of a release's version."""
    found = deployment.engine.client("lambda").get_function_configuration(
        FunctionName=package.releases.function_name, Qualifier=str(number)
    )
    result: dict[str, str] = found["Environment"]["Variables"]
    return result


def test_a_change_of_the_platform_reaches_packages(
    deployment: Deployment, package: Shop, worker: Worker
) -> None:
    """Named as behind, then released anew: same code and own variables, for pinned tenants, too."""
    package.more = ORDERS
    first, second = package.publish_next(), package.publish_next()
    numbers = {build: number for number, build in package.builds.items()}
    package.pointing.pin(numbers[first], TENANTS[1])
    assert "the worker's code" not in run(package, "packages", "list")
    value = worker.change()
    assert f"silvaengine packages update --stack {deploy.LOCAL_STACK}" in run(package, "upgrade", "local")
    listed = run(package, "packages", "list")
    assert "the worker's code, variables: PLATFORM_CHANGE" in listed
    said = run(package, "packages", "update", package.name)
    pointer = package.releases.pointer()
    assert f"release {pointer['release']} of {package.name} serves instead of {numbers[second]}" in said
    assert pointer["pins"].keys() == {TENANTS[1]}
    for number, before in ((pointer["release"], second), (pointer["pins"][TENANTS[1]], first)):
        assert number > max(numbers.values())
        had = variables(deployment, package, numbers[before])
        assert variables(deployment, package, number) == had | {"PLATFORM_CHANGE": value}
        assert had["ORDERS"]
    for tenant, build in zip(TENANTS, (second, first), strict=True):
        assert eventually(lambda tenant=tenant: built(deployment, tenant), build.__eq__) == build  # type: ignore[misc]
    assert "the worker's code" not in run(package, "packages", "list")
    assert "has what the platform has" in run(package, "packages", "update", package.name)


def test_no_request_is_lost_while_packages_are_updated(
    deployment: Deployment, package: Shop, worker: Worker
) -> None:
    """Two updates under load, after changes of the platform."""
    build, over, answers = package.publish_next(), Event(), list[Any]()
    assert eventually(lambda: built(deployment), build.__eq__) == build

    def call(tenant: str) -> None:
        while not over.is_set():
            answers.append(built(deployment, tenant))

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(call, tenant) for tenant in TENANTS * 2]
        try:
            for _ in range(2):
                worker.change()
                before = package.releases.pointer()["release"]
                run(package, "packages", "update", package.name)
                assert package.releases.pointer()["release"] > before
        finally:
            over.set()
        for caller in callers:
            caller.result()
    assert len(answers) > 100
    assert set(answers) == {build}


@pytest.mark.nightly  # a stack of its own
def test_the_update_of_a_stack_loses_no_request(engine: LocalEngine, tmp_path: Path) -> None:
    """Two packages under load: the stack gets another layer and worker, then they do, one after the other.

    The engine ends a Lambda's running calls when its code changes, where AWS lets them end: so a call of each
    client may fail for each Lambda that it needs, while the stack is updated.
    """
    project, stack, names = copy_project(tmp_path / "project"), "upgraded", ("enda", "endb")
    parameters = {"TablePrefix": f"{stack}-", "CacheDir": str(tmp_path / "cache")}
    deploy.build(project)
    outputs = deploy.deploy(project, engine, stack=stack, parameters=parameters)
    rows = Rows(engine.client("dynamodb"), outputs.table_prefix)
    target = CommandLine(stack=stack, endpoint_url=engine.url)
    shops = [Shop(tmp_path / name, target, name=name) for name in names]
    rows.put("endpoints", endpoint_id=TENANTS[0], special_connection=False)
    for shop in shops:
        rows.put("connections", endpoint_id="1", api_key=shop.name, packages=[{"package": shop.name}])
        shop.publish_next()
    api, over, updating = InvokedApi(engine.client("lambda"), f"{stack}-HttpGateway"), Event(), Event()
    failed: dict[bool, list[str]] = {True: [], False: []}
    served = count()

    def call(name: str) -> None:
        while not over.is_set():
            during = updating.is_set()
            response = api.get(f"/core/{TENANTS[0]}/build", {"x-api-key": name})
            next(served)
            if response.status != 200:
                failed[during or updating.is_set()].append(response.text)

    for source in ("shared/silvaengine/errors.py", "services/worker/silvaengine_worker/instances.py"):
        with (project / source).open("a") as code:
            code.write("\nCHANGED = True\n")
    deploy.build(project)
    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(call, name) for name in names * 2]
        try:
            updating.set()
            deploy.deploy(project, engine, stack=stack, parameters=parameters)
            updating.clear()
            listed = run(shops[0], "packages", "list")
            assert listed.count("the worker's code, the layer") == len(names)
            updated = run(shops[0], "packages", "update")
        finally:
            over.set()
        for caller in callers:
            caller.result()
    assert updated.count("serves instead of 1") == len(names)
    assert "the worker's code" not in run(shops[0], "packages", "list")
    assert failed[False] == []
    assert len(failed[True]) <= 2 * len(callers)
    assert next(served) > 100


@pytest.mark.parametrize("title", [title for title, _ in platform_update.STEPS])
def test_a_killed_update_goes_on(deployment: Deployment, package: Shop, worker: Worker, title: str) -> None:
    """What serves answers at any time; the next update finishes it."""
    build = package.publish_next()
    assert eventually(lambda: built(deployment), build.__eq__) == build
    worker.change()
    kill_after(package, "update", title)
    assert built(deployment) == build
    run(package, "packages", "update", package.name)
    assert CurrentPlatform(package.deployment).behind(package.releases, package.releases.pointer()) == {}
    serving = package.releases.pointer()["release"]
    rows = package.deployment.tables().query(FUNCTIONS, package.releases.function_arn)
    assert {row["release"] for row in rows} == {serving}
    assert built(deployment) == build


@pytest.mark.parametrize(("protocol", "status"), [(PROTOCOL - 1, 200), (PROTOCOL - 2, 500)])
def test_a_release_of_an_older_protocol_is_rebuilt(
    deployment: Deployment, package: Shop, protocol: int, status: int
) -> None:
    """The last one is served meanwhile, an older one refused; both are released anew."""
    build = package.publish_next()
    assert eventually(lambda: built(deployment), build.__eq__) == build
    serving = package.releases.pointer()["release"]
    row = package.releases.release(serving)
    older = release_digest(package.name, row["code"], row["functions"], is_isolated=False, protocol=protocol)
    next_number = serving + 1  # no instance has it in memory
    item = {"release": next_number, "item": release_item(next_number), "protocol": protocol}
    lambdas = deployment.engine.client("lambda")
    code = (
        deployment.engine.client("s3")
        .get_object(Bucket=package.deployment.output("PayloadBucket"), Key=row["object"])["Body"]
        .read()
    )
    written, file = io.BytesIO(), release_file(package.name, older)
    with zipfile.ZipFile(io.BytesIO(code)) as before, zipfile.ZipFile(written, "w") as after:
        for name in before.namelist():
            after.writestr(name, file if name == RELEASE_FILE else before.read(name))
    made = lambdas.update_function_code(
        FunctionName=package.releases.function_name, ZipFile=written.getvalue(), Publish=True
    )
    assert made["Version"] == str(next_number)
    key = f"packages/{package.name}/{older}.zip"
    deployment.engine.client("s3").put_object(
        Bucket=package.deployment.output("PayloadBucket"), Key=key, Body=written.getvalue()
    )
    changed = {"digest": older, "object": key, "code_sha256": made["CodeSha256"]}
    deployment.rows.put("packages", **row | item | changed)
    pointer = package.releases.pointer()
    deployment.rows.put("packages", **pointer | {"release": next_number})
    package.announce()
    wanted = build if status == 200 else status
    assert eventually(lambda: built(deployment), wanted.__eq__) == wanted
    assert f"protocol {PROTOCOL} (it has {protocol})" in run(package, "packages", "list", "--wide")
    upgrade = run(package, "upgrade", "local", fails=status == 500)
    assert ("this version's gateways don't serve" in upgrade) is (status == 500)
    run(package, "packages", "update", package.name)
    assert package.releases.pointer()["release"] > next_number
    assert eventually(lambda: built(deployment), build.__eq__) == build


def test_an_altered_object_is_not_rebuilt(deployment: Deployment, package: Shop, worker: Worker) -> None:
    """It is named, and what served before serves on."""
    build = package.publish_next()
    row = package.releases.release(package.releases.pointer()["release"])
    bucket = package.deployment.output("PayloadBucket")
    deployment.engine.client("s3").put_object(Bucket=bucket, Key=row["object"], Body=b"")
    worker.change()
    said = run(package, "packages", "update", package.name, fails=True)
    assert f"s3://{bucket}/{row['object']} was altered" in said
    assert eventually(lambda: built(deployment), build.__eq__) == build


def test_a_removal_waits_for_the_releases_that_need_it(deployment: Deployment, package: Shop) -> None:
    """They stay until the last such release is pruned; then data alone stays, in the account."""
    package.more = ORDERS
    old = package.publish_next()
    number = package.releases.pointer()["release"]
    table = variables(deployment, package, number)["ORDERS"]
    role = "dynamodb:GetItem"
    package.more = ""
    package.write()
    assert "kept until no release needs it: resource Inbox" in str(package.publish().changes)
    assert role in policy(deployment, package)
    said = run(package, "packages", "contract", package.name)
    for what in ("resource Orders", "resource Inbox", "resource News", "permission"):
        assert f"stays: {what}" in said
    assert said.count(f"needed by releases {number}\n") == 4
    package.roll_back()
    assert eventually(lambda: built(deployment), old.__eq__) == old
    package.roll_back()
    prune(deployment, package)
    before = run(package, "packages", "contract", package.name, "--dry-run")
    assert "would go: resource Orders" in before
    assert role in policy(deployment, package)
    said = run(package, "packages", "contract", package.name)
    for line in (
        "removed: resource Orders",
        "stays in the account, without a stack: resource Orders",
        "removed: resource News",
        "removed: permission",
        "stays: resource Inbox (AWS::SQS::Queue): it would be deleted with its data",
    ):
        assert line in said
    assert role not in policy(deployment, package)
    assert deployment.engine.client("dynamodb").describe_table(TableName=table)
    assert "removed" not in run(package, "packages", "contract", package.name)
    assert package.publish_next()


def prune(deployment: Deployment, package: Shop) -> None:
    """Prune the package's releases as in a month."""
    lambdas = deployment.engine.client("lambda")
    versions = Versions(lambdas, package.releases.function_name, Patience(lambda _line: None))
    Pruning(package.deployment, package.releases, versions, time.time() + 2 * KEPT_SECONDS).run(dry_run=False)


def policy(deployment: Deployment, package: Shop) -> str:
    """Return what the package's role may do."""
    arn = deployment.engine.client("lambda").get_function_configuration(
        FunctionName=package.releases.function_name
    )["Role"]
    found = deployment.engine.client("iam").get_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyName="package"
    )
    return str(found["PolicyDocument"])


def test_a_package_is_deleted(deployment: Deployment, package: Shop) -> None:
    """Not while a connection lists it; then calls, pins and jobs end, each with a word, and data stays."""
    package.more = ORDERS
    build = package.publish_next()
    number = package.releases.pointer()["release"]
    table = variables(deployment, package, number)["ORDERS"]
    package.pointing.pin(number, TENANTS[1])
    assert eventually(lambda: built(deployment), build.__eq__) == build
    assert "connections of 1 list" in run(package, "packages", "delete", package.name, fails=True)
    assert built(deployment) == build
    job_id = failed_once(deployment)
    said = run(package, "packages", "delete", package.name, "--yes")
    for line in (
        f"releases that end: {number}",
        f"pins that end: {TENANTS[1]}",
        "1 jobs end",
        "connections still list it: 1",
        f"stays: {table}",
        f"stays: s3://{package.deployment.output('PayloadBucket')}/packages/{package.name}/",
    ):
        assert line in said
    assert eventually(lambda: built(deployment), (404).__eq__) == 404
    assert deployment.engine.client("dynamodb").describe_table(TableName=table)
    assert cause_of(deployment, job_id) == "release_missing"
    nothing_is_left(deployment, package)
    assert f"there is no package '{package.name}'" in run(
        package, "packages", "delete", package.name, "--yes", fails=True
    )


@pytest.mark.parametrize("title", [title for title, _ in deletion.STEPS])
def test_a_killed_deletion_goes_on(deployment: Deployment, package: Shop, title: str) -> None:
    """The same command finishes it, unless it was done."""
    package.publish_next()
    kill_after(package, "delete", title)
    done = title == deletion.STEPS[-1][0]
    run(package, "packages", "delete", package.name, "--yes", fails=done)
    nothing_is_left(deployment, package)


def nothing_is_left(deployment: Deployment, package: Shop) -> None:
    """Check that nothing of the package is there but its objects."""
    assert package.releases.read_pointer() is None
    assert package.releases.all() == []
    assert list(package.deployment.tables().query(FUNCTIONS, package.releases.function_arn)) == []
    lambdas = deployment.engine.client("lambda")
    with pytest.raises(lambdas.exceptions.ResourceNotFoundException):
        lambdas.get_function(FunctionName=package.releases.function_name)
    with pytest.raises(click.ClickException, match="there is no package"):
        deletion.Deletion(package.deployment, package.name).find()


def failed_once(deployment: Deployment) -> str:
    """Return the id of a job that waits for its second attempt."""
    response = deployment.api.post(f"/core/{TENANTS[0]}/build_never", {}, {"x-api-key": KEY})
    assert response.status == 202, response.text
    job_id = str(response.json()["job_id"])
    waits = ("accepted", "1")
    assert eventually(lambda: state_of(deployment, job_id), waits.__eq__) == waits
    return job_id


def state_of(deployment: Deployment, job_id: str) -> tuple[str, str]:
    """Return a job's state, and how many attempts it has had."""
    row = job_row(deployment, job_id)
    return row["state"]["S"], row["attempts"]["N"]


def job_row(deployment: Deployment, job_id: str) -> Any:
    """Return a row of the ledger."""
    return deployment.engine.client("dynamodb").get_item(
        TableName=f"{deployment.outputs.table_prefix}executions",
        Key={"job_id": {"S": job_id}},
        ConsistentRead=True,
    )["Item"]


def cause_of(deployment: Deployment, job_id: str) -> str:
    """Let the sweeper come to a job; return the cause of its end."""
    deployment.engine.client("dynamodb").update_item(
        TableName=f"{deployment.outputs.table_prefix}executions",
        Key={"job_id": {"S": job_id}},
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    deployment.sweep()
    return str(job_row(deployment, job_id)["cause"]["S"])
