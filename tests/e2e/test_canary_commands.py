"""Canaries and warm turns by command: whom a release serves, what is refused, a herd of cold starts."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli import deploy
from silvaengine_cli.main import cli
from silvaengine_cli.publishing.rollout import Rollout

from .conftest import Deployment
from .http_client import Api
from .shop import PACKAGE, TENANTS, Shop, ask, build_of, open_to
from .test_announcements import eventually

ACME, FARM, MILL = TENANTS
RESERVED, BURST, PAUSE = 12, 2, 0.25
SLOW = "import time\ntime.sleep(3)\n"


@pytest.fixture(scope="module", autouse=True)
def opened(deployment: Deployment) -> None:
    """The tests' tenants may call the package."""
    open_to(deployment.rows)


@pytest.fixture
def old(shop: Shop) -> Iterator[int]:
    """Publish a build that serves everybody; end what a test has left."""
    yield shop.publish_next()
    pointer = shop.releases.pointer()
    if "canary" in pointer:
        shop.pointing.roll_back(None, move_jobs=False)
    for tenant in pointer["pins"]:
        shop.pointing.unpin(tenant)


def run(deployment: Deployment, *command: str) -> Result:
    """Run a command against the stack."""
    where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]
    return CliRunner(mix_stderr=False).invoke(cli, [*command, *where])


def told(deployment: Deployment, *command: str) -> Any:
    """Run a command; return the JSON that it prints."""
    result = run(deployment, *command, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def served(api: Api) -> dict[str, int]:
    """Return the build that serves each tenant."""
    return {tenant: build_of(ask(api, tenant)) for tenant in TENANTS}


def comes_to(api: Api, *builds: int) -> bool:
    """Return whether these builds serve the tenants within the promised time."""
    wanted = dict(zip(TENANTS, builds, strict=True))
    return eventually(lambda: served(api), wanted.__eq__) == wanted


def test_a_canary_from_its_beginning_to_all(deployment: Deployment, shop: Shop, old: int) -> None:
    """Whom it covers has it and is told, others never; it is shown, grown and promoted."""
    new = shop.write()
    published = told(deployment, "publish", str(shop.folder), "--canary", ACME, "--manual")
    assert published["tenants"] == [ACME]
    assert comes_to(deployment.api, new, old, old)
    assert [served(deployment.api)[FARM] for _ in range(5)] == [old] * 5
    (canary,) = (each["canary"] for each in told(deployment, "releases", "list", PACKAGE) if "canary" in each)
    assert (canary["release"], canary["tenants"]) == (published["release"], [ACME])
    shown = run(deployment, "packages", "list", "--wide").output
    assert f"release {published['release']} for {ACME} since " in shown
    pinned = told(deployment, "pin", PACKAGE, str(shop.releases.pointer()["release"]), "--endpoint", MILL)
    assert pinned["pins"].keys() == {MILL}
    assert FARM in told(deployment, "canary", PACKAGE, "100%")["since_now"]
    assert comes_to(deployment.api, new, new, old)
    assert told(deployment, "promote", PACKAGE)["release"] == published["release"]
    told(deployment, "unpin", PACKAGE, "--endpoint", MILL)
    assert comes_to(deployment.api, new, new, new)
    assert "canary" not in shop.releases.pointer()


@pytest.mark.usefixtures("old")
def test_how_its_calls_end_is_shown(deployment: Deployment, shop: Shop) -> None:
    """As far as it was reported: at once, and then each ten seconds."""
    shop.write()
    told(deployment, "publish", str(shop.folder), "--canary", f"1%,{ACME}")

    def shown() -> int:
        assert ask(deployment.api).status == 200
        (package,) = (each for each in told(deployment, "packages", "list") if each["package"] == PACKAGE)
        return int(package["canary"]["calls"])

    assert eventually(shown, lambda calls: calls > 0, seconds=30) > 0


def test_a_canary_is_taken_back(deployment: Deployment, shop: Shop, old: int) -> None:
    """Until it has ended nothing else is published."""
    new = shop.write()
    told(deployment, "publish", str(shop.folder), "--canary", f"{ACME},{FARM}")
    assert comes_to(deployment.api, new, new, old)
    shop.write()
    refused = run(deployment, "publish", str(shop.folder))
    assert f"of '{PACKAGE}' is a canary: `promote {PACKAGE}` or `rollback {PACKAGE}` first" in refused.stderr
    assert shop.builds[told(deployment, "rollback", PACKAGE)["release"]] == old
    assert comes_to(deployment.api, old, old, old)


def test_what_would_cover_nobody_is_refused(deployment: Deployment, shop: Shop, old: int) -> None:
    """Before anything is made; so are events that would change for everybody."""
    before, functions = shop.releases.all(), deployment.engine.client("lambda")
    versions = functions.list_versions_by_function(FunctionName=shop.releases.function_name)["Versions"]
    told(deployment, "pin", PACKAGE, str(shop.releases.pointer()["release"]), "--endpoint", ACME)
    shop.write()
    refused = run(deployment, "publish", str(shop.folder), "--canary", ACME)
    assert f"{ACME} covers none of the " in refused.stderr
    manifest = shop.folder / "package.yaml"
    event = f"{{endpoint: {ACME}, queue: Inbox}}"
    manifest.write_text(
        manifest.read_text().replace("methods: [GET]", f"methods: [GET], events: [{event}]")
        + "resources:\n  Inbox: {Type: AWS::SQS::Queue}\n"
    )
    refused = run(deployment, "publish", str(shop.folder), "--canary", FARM)
    assert "its events would change" in refused.stderr
    assert shop.releases.all() == before
    found = functions.list_versions_by_function(FunctionName=shop.releases.function_name)["Versions"]
    assert len(found) == len(versions)
    assert eventually(lambda: build_of(ask(deployment.api)), old.__eq__) == old


class Bursts:
    """Calls that come two at a time, however long those before take."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = Lock()
        self._over = Event()
        self.statuses: Counter[int] = Counter()
        self.builds: Counter[int] = Counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send them for a block."""
        with ThreadPoolExecutor(64) as pool:
            sender = pool.submit(self._send, pool)
            try:
                yield
            finally:
                self._over.set()
                sender.result()

    def _send(self, pool: ThreadPoolExecutor) -> None:
        while not self._over.wait(PAUSE):
            for _ in range(BURST):
                pool.submit(self._ask)

    def _ask(self) -> None:
        response = ask(self._api)
        with self._lock:
            self.statuses[response.status] += 1
            if response.status == 200:
                self.builds[build_of(response)] += 1


@pytest.mark.nightly  # whether calls are refused depends on how fast the machine starts processes
@pytest.mark.parametrize("warm", [0, 6])
def test_a_herd_is_met_by_environments_that_are_warm(deployment: Deployment, shop: Shop, warm: int) -> None:
    """With three seconds to import and twelve environments a turn refuses calls; not if six are warm."""
    functions, name = deployment.engine.client("lambda"), shop.releases.function_name
    _write_slow(shop)
    shop.publish()
    bursts = Bursts(deployment.api)
    with bursts.running():
        assert eventually(lambda: sum(bursts.builds.values()), lambda it: it > 40, seconds=60) > 40
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=RESERVED)
        try:
            bursts.statuses.clear()
            build = _write_slow(shop)
            shop.publish(rollout=Rollout(warm=warm))
            assert eventually(lambda: bursts.builds[build], lambda it: it > 40, seconds=60) > 40
        finally:
            functions.delete_function_concurrency(FunctionName=name)
    if warm:
        assert bursts.statuses.keys() == {200}, bursts.statuses
    else:
        assert bursts.statuses[503] > 0, bursts.statuses


def _write_slow(shop: Shop) -> int:
    """Write a build whose import takes three seconds, and a call a part of one."""
    build = shop.write()
    number, builds = shop.folder / PACKAGE / "number.py", shop.folder / PACKAGE / "builds.py"
    number.write_text(SLOW + number.read_text())
    text = builds.read_text().replace("    return", "    time.sleep(0.15)\n    return")
    builds.write_text("import time\n" + text)
    return build
