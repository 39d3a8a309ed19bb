"""Changes of the platform reach packages: under load, with older protocols, and again after a crash."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import urlopen

import pytest

from silvaengine.registry.packages import PROTOCOL, release_digest, release_item
from silvaengine.tables import FUNCTIONS
from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.publishing import platform_update
from silvaengine_cli.publishing.artefact import release_file
from silvaengine_cli.publishing.behind import CurrentPlatform
from silvaengine_cli.publishing.coverage import with_outcomes
from silvaengine_worker.release import RELEASE_FILE

from ..upgrade.load import InvokedApi
from .conftest import Deployment, copy_project, wait_for_record
from .own_package import ORDERS, TENANTS, built, decisive, kill_after, make_package, run, variables
from .registry_rows import Rows
from .shop import Shop
from .test_announcements import eventually

RUNS_CALLS = "silvaengine_worker/worker.py"
DECISIVE = {"change the stack", "turn the pointer"}


@pytest.fixture
def package(deployment: Deployment, tmp_path: Path) -> Shop:
    """A package of its own, which tenants may call."""
    return make_package(deployment, tmp_path)


class Worker:
    """The stack's worker, which the update of a stack changes."""

    def __init__(self, deployment: Deployment) -> None:
        self._lambda = deployment.engine.client("lambda")
        self._arn = deployment.outputs.worker_arn
        self._numbers = count(1)
        found = self._lambda.get_function(FunctionName=self._arn)
        self._variables: dict[str, str] = found["Configuration"]["Environment"]["Variables"]
        with urlopen(found["Code"]["Location"], timeout=10) as code:  # noqa: S310 - the engine's own URL
            archive = zipfile.ZipFile(io.BytesIO(code.read()))
        self._files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}

    def change(self, *, breaks_calls: bool = False) -> str:
        """Give it other code and another variable; return the variable's value."""
        value = f"change {next(self._numbers)}"
        files = self._files | {"silvaengine_worker/change.py": f"CHANGE = {value!r}\n".encode()}
        if breaks_calls:
            files[RUNS_CALLS] += b"\nWorker.run = None\n"
            files = {name: each for name, each in files.items() if not name.endswith(".pyc")}
        self._put(files, self._variables | {"PLATFORM_CHANGE": value})
        return value

    def restore(self) -> None:
        """Take all changes back."""
        self._put(self._files, self._variables)

    def _put(self, files: Mapping[str, bytes], variables: dict[str, str]) -> None:
        self._lambda.update_function_code(FunctionName=self._arn, ZipFile=deploy.zip_files(files))
        self._lambda.update_function_configuration(
            FunctionName=self._arn, Environment={"Variables": variables}
        )


def behind(package: Shop) -> Mapping[str, list[str]]:
    """Return what releases of a package that serve lack, by number."""
    rows = json.loads(run(package, "packages", "list", "--json"))
    (found,) = (row["behind"] for row in rows if row["package"] == package.name)
    lacks: Mapping[str, list[str]] = found
    return lacks


@pytest.fixture
def worker(deployment: Deployment) -> Iterator[Worker]:
    """The worker, restored in the end."""
    found = Worker(deployment)
    yield found
    found.restore()


def test_a_change_of_the_platform_reaches_packages(
    deployment: Deployment, package: Shop, worker: Worker
) -> None:
    """Named as behind, then released anew: same code and own variables, for pinned tenants, too.

    What is published has it at once: the worker's code is the deployment's, not that of the sources.
    """
    package.more = ORDERS
    first, second = package.publish_next(), package.publish_next()
    numbers = {build: number for number, build in package.builds.items()}
    package.pointing.pin(numbers[first], TENANTS[1])
    assert behind(package) == {}
    value = worker.change()
    assert f"silvaengine packages update --stack {deploy.LOCAL_STACK}" in run(package, "upgrade", "local")
    lacked = ["the worker's code", "variables: PLATFORM_CHANGE"]
    assert behind(package) == {str(number): lacked for number in numbers.values()}
    doctor = run(package, "doctor", "--published", fails=True)
    assert " USD a month (list prices of us-east-1, 20" in doctor
    for number in numbers.values():
        assert f"package {package.name}: release {number} lacks {', '.join(lacked)}: `silvaengine" in doctor
    said = run(package, "packages", "update", "nobody", package.name, fails=True)
    assert "nobody: there is no package 'nobody'" in said
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
    assert behind(package) == {}
    assert "has what the platform has" in run(package, "packages", "update", package.name)
    worker.change()
    package.publish_next()
    assert str(package.releases.pointer()["release"]) not in behind(package)


def serving(deployment: Deployment, tenant: str) -> int:
    """Return the number of the release that answers a tenant's call."""
    log = deployment.gateway_log()
    built(deployment, tenant)
    record = wait_for_record(log, lambda each: each.get("endpoint_id") == tenant)
    return int(record["release"])


def test_a_canary_brings_the_platform_to_some_tenants_first(
    deployment: Deployment, package: Shop, worker: Worker
) -> None:
    """The same code for its tenants, until people promote it; who is pinned stays where they are."""
    package.publish_next()
    pinned = package.releases.pointer()["release"]
    package.pointing.pin(pinned, TENANTS[1])
    build = package.publish_next()
    old = package.releases.pointer()["release"]
    value = worker.change()
    whom, update = ("--canary", TENANTS[0]), ("packages", "update", package.name)
    said = run(package, *update, *whom, "--manual")
    canary = package.releases.pointer()["canary"]
    new = canary["release"]
    assert (canary["tenants"], canary["manual"]) == ([TENANTS[0]], True)
    assert f"release {new} of {package.name} is a canary for {TENANTS[0]}, beside {old}, which lacked" in said
    assert f"{package.name}: pinned tenants stay on release {pinned}, which lacked" in said
    assert f"tenants: {TENANTS[0]}" in said
    assert eventually(lambda: serving(deployment, TENANTS[0]), new.__eq__) == new
    assert serving(deployment, TENANTS[1]) == pinned
    assert built(deployment) == build
    assert variables(deployment, package, new)["PLATFORM_CHANGE"] == value
    for more in ((), whom):
        refused = run(package, *update, *more, fails=True)
        assert f"release {new} of {package.name!r} is a canary: `promote {package.name}`" in refused
    run(package, "promote", package.name)
    assert package.releases.pointer()["release"] == new
    assert behind(package).keys() == {str(pinned)}


def test_a_canary_of_a_platform_that_breaks_calls_is_taken_back(
    deployment: Deployment, package: Shop, worker: Worker
) -> None:
    """It imports all functions and fails when they are called: one tenant notices, and the sweeper."""
    build = package.publish_next()
    old = package.releases.pointer()["release"]
    assert eventually(lambda: built(deployment), build.__eq__) == build
    assert {built(deployment) for _ in range(40)} == {build}
    worker.change(breaks_calls=True)
    run(package, "packages", "update", package.name, "--canary", TENANTS[0])
    assert eventually(lambda: built(deployment), (500).__eq__) == 500
    tables = package.deployment.tables()

    def failures() -> int:
        assert built(deployment) == 500
        return int(with_outcomes(package.releases.pointer(), tables)["canary"]["failures"])

    assert eventually(failures, lambda count: count > 5, seconds=30) > 5
    assert built(deployment, TENANTS[1]) == build
    deployment.sweep()
    pointer = package.releases.pointer()
    assert ("canary" in pointer, pointer["release"], pointer["by"]) == (False, old, "silvaengine sweeper")
    assert eventually(lambda: built(deployment), build.__eq__) == build


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
            listed = run(shops[0], "packages", "list", "--wide")
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


@pytest.mark.parametrize("title", decisive(dict(platform_update.STEPS), DECISIVE))
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
