"""How a release comes to its tenants: canaries by command, shares that grow, environments made ready."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any, override

import click
import pytest

from silvaengine.registry.packages import Pointer
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, outcomes_setting_id
from silvaengine_cli.publishing.coverage import outcomes_text, parse_coverage, with_outcomes
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.publisher import publish
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollback import Pointing
from silvaengine_cli.publishing.rollout import AT_ONCE, Rollout, Turning
from silvaengine_cli.publishing.versions import Versions
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.registry.tables import RegistryTables

from ..fakes.publishing import FUNCTION_ARN, WORKER, PackageLambda, deployment_of, refused, release_row

TENANTS = ("acme", "farm", "mill")
MANIFEST = 'package: shop\nfunctions:\n  hello: {call: "shop:hello", area: core}\n'


class World:
    """A package whose first release serves three tenants; the second is there."""

    def __init__(self, dynamodb: Any) -> None:
        self.functions = PackageLambda()
        self.functions.code = {"1": "sha-1", "2": "sha-2", "3": "sha-3"}
        self.deployment = deployment_of(dynamodb, self.functions)
        self.tables = RegistryTables(dynamodb)
        self.releases = PackageReleases(self.deployment, "shop")
        self.said: list[str] = []
        self.pointing = Pointing(self.deployment, "shop", self.said.append)
        self.releases.put(release_row(1, "hello"))
        self.releases.put(release_row(2, "hello", "new", code="other", warm=2))
        self.releases.turn(None, 1, {})
        for tenant in TENANTS:
            self.tables.create(ENDPOINTS, {"endpoint_id": tenant})
        self.tables.create(
            CONNECTIONS, {"endpoint_id": "1", "api_key": "k", "packages": [{"package": "shop"}]}
        )

    def turning(self, sleep: Callable[[float], None] = lambda _seconds: None) -> Turning:
        """Return what turns the pointer."""
        versions = Versions(self.functions, "demo-pkg-shop", Patience(self.said.append))
        return Turning(self.deployment, self.releases, versions, self.said.append, sleep)

    def begin(self, whom: str) -> None:
        """Begin a canary of the second release."""
        self.turning().begin_canary(self.releases.pointer(), 2, parse_coverage(whom))

    def served(self) -> dict[str, int]:
        """Return which release serves each tenant."""
        pointer = Pointer.from_row(self.releases.pointer())
        return {tenant: pointer.choose(tenant) for tenant in TENANTS}

    def publish(self, folder: Path, whom: str = "") -> None:
        """Publish the package, as far as nothing is made."""
        (folder / "package.yaml").write_text(MANIFEST)
        (folder / "shop.py").write_text("def hello(): ...\n")
        rollout = Rollout(parse_coverage(whom)) if whom else AT_ONCE
        publish(self.deployment, folder, "", self.said.append, rollout=rollout)


@pytest.fixture
def world(dynamodb: Any) -> World:
    """Return a package with two releases."""
    return World(dynamodb)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("10%", {"percent": 10}),
        ("globex,acme", {"tenants": ["acme", "globex"]}),
        ("acme, 100%", {"percent": 100, "tenants": ["acme"]}),
    ],
)
def test_whom_a_canary_is_for_is_a_share_or_names(text: str, row: dict[str, Any]) -> None:
    """Or both."""
    assert parse_coverage(text) == row


@pytest.mark.parametrize("text", ["", "acme,", "0%", "101%", "1.5%", "-1%", "%", "10%,20%"])
def test_what_is_neither_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="share"):
        parse_coverage(text)


def test_a_canary_grows_and_is_promoted(world: World) -> None:
    """No tenant ever moves back; who is pinned stays."""
    world.pointing.pin(1, "mill")
    world.begin("acme")
    assert world.served() == {"acme": 2, "farm": 1, "mill": 1}
    first = world.releases.pointer()["canary"]
    pointer, since_now = world.pointing.grow({"percent": 100})
    assert since_now == ["farm"]
    assert pointer["canary"] == first | {"percent": 100}
    assert world.served() == {"acme": 2, "farm": 2, "mill": 1}
    turn = world.pointing.promote(AT_ONCE)
    assert (turn.left, turn.release, turn.changes) == (1, 2, ("code", "function new comes back"))
    after = world.releases.pointer()
    assert (after["release"], after["previous"], after["pins"]) == (2, 1, {"mill": 1})
    assert "canary" not in after
    rows = list(world.tables.query(FUNCTIONS, FUNCTION_ARN))
    assert {(row["function"], row["release"]) for row in rows} == {("hello", 2), ("new", 2)}


def test_a_canary_is_taken_back(world: World) -> None:
    """By a rollback, which goes nowhere else meanwhile; pins made meanwhile stay."""
    world.begin("100%")
    world.pointing.pin(2, "mill")
    with pytest.raises(click.ClickException, match="release 2 of 'shop' is a canary: take it back first"):
        world.pointing.roll_back(2, move_jobs=False)
    assert world.served() == dict.fromkeys(TENANTS, 2)
    turn = world.pointing.roll_back(None, move_jobs=False)
    assert (turn.left, turn.release, turn.changes) == (2, 1, ("code", "function new goes"))
    assert world.served() == {"acme": 1, "farm": 1, "mill": 2}
    world.pointing.unpin("mill")
    assert list(world.releases.pointer()["left"]) == ["2"]
    with pytest.raises(click.ClickException, match="no release of 'shop' served before 1"):
        world.pointing.roll_back(None, move_jobs=False)


@pytest.mark.parametrize(
    ("whom", "message"),
    [
        ("10%", "it has 50 % of the tenants: a tenant moves forward only"),
        ("50%,acme", "it covers them already"),
        ("acne", r"no connection of 'acne' reaches 'shop' \(did you mean acme\?\)"),
    ],
)
def test_how_a_canary_does_not_grow(world: World, whom: str, message: str) -> None:
    """The pointer is as it was."""
    world.begin("50%,acme")
    seen = world.releases.pointer()
    with pytest.raises(click.ClickException, match=message):
        world.pointing.grow(parse_coverage(whom))
    assert world.releases.pointer() == seen


def test_without_a_canary_there_is_none_to_grow(world: World) -> None:
    """Nor to promote."""
    with pytest.raises(click.ClickException, match="no canary of 'shop' runs"):
        world.pointing.grow({"percent": 1})
    with pytest.raises(click.ClickException, match="no canary of 'shop' runs"):
        world.pointing.promote(AT_ONCE)


@pytest.mark.parametrize(
    ("whom", "message"),
    [
        ("1%", "1 % covers none of the 3 tenants of 'shop'"),
        ("farm", "farm covers none of the 3 tenants of 'shop', or only some that are pinned"),
        ("other", "no connection of 'other' reaches 'shop'; there are acme, farm, mill"),
    ],
)
def test_a_canary_that_covers_nobody_is_refused(
    world: World, tmp_path: Path, whom: str, message: str
) -> None:
    """Before anything is made."""
    world.pointing.pin(2, "farm")
    with pytest.raises(click.ClickException, match=message):
        world.publish(tmp_path, whom)


def test_there_is_no_second_canary(world: World, tmp_path: Path) -> None:
    """Nor another publication, until the first one has ended."""
    world.begin("acme")
    for whom in ("farm", ""):
        with pytest.raises(click.ClickException, match="release 2 of 'shop' is a canary: `promote shop` or"):
            world.publish(tmp_path, whom)


def test_a_first_release_is_no_canary(dynamodb: Any, tmp_path: Path) -> None:
    """There is nothing to go back to."""
    world = World(dynamodb)
    dynamodb.delete_item(
        TableName="se-packages", Key={"function_arn": {"S": FUNCTION_ARN}, "item": {"S": "pointer"}}
    )
    with pytest.raises(click.ClickException, match="'shop' has no release yet"):
        world.publish(tmp_path, "10%")


def test_whom_a_package_reaches(world: World) -> None:
    """Those with a key that opens it: the common one, or their own, not one for another release."""
    packages = Packages(world.tables, WORKER)
    assert packages.tenants("shop") == set(TENANTS)
    for tenant in ("own", "other", "fixed", "none"):
        world.tables.create(ENDPOINTS, {"endpoint_id": tenant, "special_connection": True})
    entry = {"aws_lambda_arn": FUNCTION_ARN, "function": "hello", "setting": ""}
    keys = {
        "own": [entry],
        "other": [entry | {"aws_lambda_arn": WORKER}],
        "fixed": [entry | {"aws_lambda_arn": f"{FUNCTION_ARN}:1"}],
    }
    for tenant, functions in keys.items():
        world.tables.create(CONNECTIONS, {"endpoint_id": tenant, "api_key": "k", "functions": functions})
    limited = {"endpoint_id": "1", "api_key": "l", "packages": [{"package": "stock"}], "endpoints": ["acme"]}
    world.tables.create(CONNECTIONS, limited)
    assert packages.tenants("shop") == {*TENANTS, "own"}
    assert packages.tenants("stock") == {"acme"}


def test_a_ramp_is_a_canary_that_grows(world: World) -> None:
    """10, 25, 50 and then 100 %; who is pinned meanwhile is; the sweeper never promotes it."""
    seen: list[tuple[int, bool]] = []

    def sleep(seconds: float) -> None:
        canary = world.releases.pointer()["canary"]
        seen.append((canary["percent"], canary["manual"]))
        if len(seen) == 2:
            world.pointing.pin(1, "farm")
        assert seconds == 20

    after = world.turning(sleep).serve_all(world.releases.pointer(), 2, 60)
    assert seen == [(10, True), (25, True), (50, True)]
    assert after == world.releases.pointer()
    assert world.served() == {"acme": 2, "farm": 1, "mill": 2}
    assert "canary" not in after


def test_a_promotion_ramps_from_where_it_is(world: World) -> None:
    """Nobody loses what they have."""
    world.begin("25%,acme")
    seen: list[Any] = []
    turning = world.turning(lambda _: seen.append(world.releases.pointer()["canary"]))
    turning.serve_all(world.releases.pointer(), 2, 60)
    assert [(each["percent"], each["tenants"]) for each in seen] == [(50, ["acme"])]


def test_a_ramp_that_somebody_ends_stays_ended(world: World) -> None:
    """Whoever ramps is told."""

    def sleep(_: float) -> None:
        world.pointing.roll_back(None, move_jobs=False)

    turning = world.turning(sleep)
    with pytest.raises(click.ClickException, match="release 2 was promoted or taken back while"):
        turning.serve_all(world.releases.pointer(), 2, 60)
    assert world.served() == dict.fromkeys(TENANTS, 1)


class Gathering(PackageLambda):
    """A Lambda that answers once so many calls are there together."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.code = {"1": "sha-1", "2": "sha-2"}
        self._together = Barrier(calls)

    @override
    def invoke(self, **request: Any) -> Any:
        self._together.wait(10)
        return super().invoke(**request)


@pytest.mark.parametrize(
    ("asked", "reserved", "calls"),
    [(None, None, 2), (5, None, 5), (5, 6, 3), (5, 1, 1), (0, None, 0)],
    ids=["the release's", "more", "half of what is reserved", "at least one", "none"],
)
def test_environments_are_made_ready_together(
    world: World, asked: int | None, reserved: int | None, calls: int
) -> None:
    """Calls at the same time have an environment each; they import the functions, and are bounded."""
    world.functions = Gathering(calls or 1)
    world.functions.reserved = reserved
    world.turning().warm(world.releases.release(2), asked)
    digest = world.releases.release(2)["digest"]
    callables = [["shop", "", "hello", False], ["shop", "", "new", False]]
    request = {"Qualifier": "2", "describe": callables, "release": digest}
    assert world.functions.invoked == [request] * calls
    assert world.said == ([f"{calls} of {asked or 2} environments are warm"] if calls else [])


def test_what_cannot_be_made_ready_stops_nothing(world: World) -> None:
    """Lambda has no room, or a function can't be imported any more: a rollback goes on."""
    world.functions.refusals = [refused("TooManyRequestsException", "Rate exceeded")]
    world.functions.answers = [{"errorMessage": "no module"}]
    world.turning().warm(world.releases.release(2), 3)
    assert world.said == ["1 of 3 environments are warm"]
    world.turning().warm(release_row(2, "hello") | {"isolated": True}, 3)
    assert world.said[1:] == ["each tenant has environments of its own: none is made ready"]


def test_a_release_is_warm_before_it_serves(world: World) -> None:
    """Whoever promotes or rolls back has what the release says, or what they ask for."""
    world.begin("acme")
    world.pointing.promote(AT_ONCE)
    assert [each["Qualifier"] for each in world.functions.invoked] == ["2", "2"]
    world.pointing.roll_back(None, move_jobs=False, rollout=Rollout(warm=3))
    assert [each["Qualifier"] for each in world.functions.invoked[2:]] == ["1"] * 3


def test_how_a_canary_does_is_said(world: World) -> None:
    """All instances' reports together, none of an earlier canary's."""
    world.begin("10%,acme")
    pointer = world.releases.pointer()
    started_at, key = pointer["canary"]["started_at"], outcomes_setting_id(FUNCTION_ARN)
    assert with_outcomes(pointer, world.tables)["canary"]["calls"] == 0
    for instance, counts in {
        f"{started_at}:a": [9, 1, 5, 2],
        f"{started_at}:b": [1, 0, 1, 0],
        "7:a": [1] * 4,
    }.items():
        row = {"setting_id": key, "variable": instance, "value": json.dumps({"acme": counts, "farm": counts})}
        world.tables.create(CONFIG_DATA, row)
    text = outcomes_text(with_outcomes(pointer, world.tables)["canary"])
    assert text.startswith("release 2 for 10 %, acme since ")
    assert text.endswith(", 4 of 12 calls failed; in the hour before 2 of 20")
