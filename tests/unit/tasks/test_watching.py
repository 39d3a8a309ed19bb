"""What the sweeper does with canaries: it takes them back or lets them go forward, once, and says why."""

from typing import Any

import pytest

from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.errors import InvocationError, UnavailableError
from silvaengine.registry.outcomes import REPORT_SECONDS
from silvaengine.registry.packages import CANARIES, POINTER_ITEM
from silvaengine.registry.turns import turn
from silvaengine.tables import CONFIG_DATA, PACKAGES, outcomes_setting_id
from silvaengine_tasks.canary import watching
from silvaengine_tasks.canary.judging import Verdict
from silvaengine_tasks.canary.watching import SETTLED_SECONDS, Canaries

from ..shared.published import PREFIX, SHOP, Lambdas, Published
from ..shared.ways import REFRESH

BACK, FORWARD, WAIT = Verdict("back", "it fails"), Verdict("forward", "no sign"), Verdict("wait", "too early")
CRASH = InvocationError("The function crashed")


class World(Published):
    """A package with two releases, a gateway, and the sweeper's part that looks at canaries."""

    def __init__(self) -> None:
        super().__init__()
        self.write_release(1)
        self.write_release(2)
        self.canaries = self.watch()
        self.seen = self.end({"function_arn": SHOP, "package": "shop"}, 1)
        self.lambdas = Lambdas(self)

    def watch(self, prefix: str = PREFIX) -> Canaries:
        """Return what looks at a stack's canaries."""
        return Canaries(self.reader, self.writer, self.alert_publisher(), prefix, lambda: self.now)

    def start(self, **changes: Any) -> None:
        """Start a canary of release 2 for everybody, or as ``changes`` say."""
        canary = {"release": 2, "percent": 100, "started_at": int(self.now), "after": 1800, **changes}
        self._turn(self.pointer(), 1, canary)

    def end(self, seen: Row, release: int) -> Row:
        """Turn the pointer by hand, so that no canary runs."""
        return self._turn(seen, release, None)

    def _turn(self, seen: Row, release: int, canary: Row | None) -> Row:
        after = turn(
            self.writer, seen, release=release, pins={}, canary=canary, by="somebody", now=self.now
        )  # fmt: skip
        self.now += REFRESH
        return after

    def pointer(self, function_arn: str = SHOP) -> Row:
        """Return the pointer's row."""
        return self.reader.get(PACKAGES, {"function_arn": function_arn, "item": POINTER_ITEM}) or {}

    def ask(self, times: int, failing: int = 0) -> None:
        """Have a tenant call, each ``failing``-th time in vain, and its instance report."""
        for number in range(times):
            self.failure = CRASH if failing and number % failing == 0 else None
            self.lambdas.http()
        self.now += REPORT_SECONDS
        self.lambdas.http()

    def look(self, seconds: float = 60) -> None:
        """Let time pass, and look."""
        self.now += seconds
        self.canaries.look()

    def told(self) -> list[Any]:
        """Return the notices about canaries."""
        return [alert for alert in self.alerts if "canary" in alert[0]]

    def marks(self) -> list[Row]:
        """Return the marks of canaries."""
        return self.reader.query(PACKAGES, CANARIES)

    def reports(self) -> list[Row]:
        """Return what instances have told."""
        return self.reader.query(CONFIG_DATA, outcomes_setting_id(SHOP))


@pytest.fixture
def world() -> World:
    """Return a package whose release 1 serves."""
    return World()


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """Return the verdicts that come next; after the last, canaries wait."""
    coming: list[Verdict] = []
    monkeypatch.setattr(watching, "judge", lambda *_, **__: coming.pop(0) if coming else WAIT)
    return coming


def test_a_canary_that_fails_is_taken_back_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A fifth of its calls fail: at the first look everybody is on the old release again."""
    world.ask(200)
    world.start()
    world.ask(50, failing=5)
    world.look()
    pointer = world.pointer()
    assert (pointer["release"], "canary" in pointer, pointer["by"]) == (1, False, "silvaengine sweeper")
    assert pointer["left"] == {"2": int(world.now)}
    world.now += REFRESH
    assert world.lambdas.release_of() == "1"
    for _ in range(3):
        world.look()
    ((subject, facts),) = world.told()
    assert subject == "silvaengine: canary 2 of package 'shop' went back"
    assert (facts["package"], facts["canary"], facts["release"], facts["verdict"]) == ("shop", 2, 1, "back")
    assert "10 of 51 calls failed" in facts["reason"]
    (line,) = (record.getMessage() for record in caplog.records if record.name == watching.__name__)
    assert facts["reason"] in line
    assert (world.marks(), world.reports()) == ([], [])


def test_a_good_one_goes_forward_when_its_time_is_over(world: World) -> None:
    """Not before; then the old release has left."""
    world.ask(100, failing=50)
    world.start(after=600)
    world.ask(100, failing=50)
    world.look(500)
    assert world.pointer()["canary"]["release"] == 2
    assert world.reports()
    world.look(100)
    pointer = world.pointer()
    assert (pointer["release"], pointer["previous"], "canary" in pointer) == (2, 1, False)
    assert list(pointer["left"]) == ["1"]
    ((subject, _),) = world.told()
    assert subject.endswith("went forward")


@pytest.mark.parametrize(("failing", "runs"), [(0, True), (5, False)], ids=["good", "bad"])
def test_a_manual_one_goes_back_by_itself_and_forward_by_people(
    failing: int, runs: bool, world: World
) -> None:
    """Forward it goes by people, however long it runs."""
    world.ask(100)
    world.start(after=0, manual=True)
    world.ask(100, failing=failing)
    world.look(4000)
    world.look()
    assert ("canary" in world.pointer(), len(world.told())) == (runs, int(not runs))
    assert world.pointer()["release"] == 1


def test_who_was_pinned_since_takes_no_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What instances have told of a tenant before doesn't count any more."""
    judged: list[Any] = []

    def judge(tenants: Any, *_: Any, **__: Any) -> Verdict:
        judged.append([tenant.endpoint_id for tenant in tenants])
        return WAIT

    monkeypatch.setattr(watching, "judge", judge)
    world.start()
    world.lambdas.http()
    world.look()
    pins, canary = {"demo": 1}, world.pointer()["canary"]
    turn(world.writer, world.pointer(), release=1, pins=pins, canary=canary, by="somebody", now=world.now)
    world.look()
    assert judged == [["demo"], []]


def test_each_look_spends_the_time_since_the_one_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one all of it; ``after`` stays as it was at the beginning."""
    looks = []

    def judge(_: Any, elapsed: float, *, after: float, since: float) -> Verdict:
        looks.append((elapsed, after, since))
        return WAIT

    monkeypatch.setattr(watching, "judge", judge)
    world.start(after=900)
    world.look(55)
    world.look(60)
    world.look(600)
    assert looks == [(60, 900, 60), (120, 900, 60), (720, 900, 600)]


def test_of_two_sweepers_one_looks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read the same mark: the error is spent once."""
    looks = []

    def judge(*_: Any, **__: Any) -> Verdict:
        looks.append(1)
        return WAIT

    monkeypatch.setattr(watching, "judge", judge)
    world.start()
    world.now += 60
    other, claim = world.watch(), world.canaries._claim

    def late(*arguments: Any) -> None:
        other.look()
        claim(*arguments)

    monkeypatch.setattr(world.canaries, "_claim", late)
    world.canaries.look()
    assert looks == [1]


def test_whoever_ends_it_by_hand_meanwhile_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was judged to go back while somebody promoted it: it stays so, and nobody is told otherwise."""

    def judge(*_: Any, **__: Any) -> Verdict:
        world.end(world.pointer(), 2)
        return BACK

    monkeypatch.setattr(watching, "judge", judge)
    world.start()
    world.look()
    pointer = world.pointer()
    assert (pointer["release"], pointer["by"], world.told()) == (2, "somebody", [])
    world.look(SETTLED_SECONDS + 1)
    assert (world.marks(), world.told()) == ([], [])


def test_a_sweeper_that_dies_before_the_turn_leaves_it_to_the_next(
    world: World, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary runs on until then."""
    world.start()
    verdicts += [BACK, BACK]
    with monkeypatch.context() as patched:
        patched.setattr(TableWriter, "transact", _die)
        world.look()
    assert "canary" in world.pointer()
    assert world.told() == []
    world.look()
    assert "canary" not in world.pointer()
    assert len(world.told()) == 1


def test_a_sweeper_that_dies_before_it_told_leaves_it_to_the_next(
    world: World, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark has the notice, and goes only after that."""
    world.start()
    verdicts.append(BACK)
    with monkeypatch.context() as patched:
        patched.setattr(Canaries, "_tell", _die)
        world.look()
    assert "canary" not in world.pointer()
    assert world.told() == []
    world.look()
    ((_, facts),) = world.told()
    assert facts["reason"] == BACK.reason
    world.look()
    assert (len(world.told()), world.marks()) == (1, [])


def test_two_stacks_on_the_same_tables_have_canaries_of_their_own(
    world: World, verdicts: list[Verdict]
) -> None:
    """Each sweeper looks at its own stack's, though the packages have the same name."""
    other = SHOP.replace("se-pkg-", "other-pkg-")
    row = {**world.pointer(), "function_arn": other, "canary": {"release": 2, "started_at": 1}}
    world.writer.put(PACKAGES, row)
    world.writer.put(PACKAGES, {"function_arn": CANARIES, "item": other, "started_at": 1})
    assert outcomes_setting_id(other) != outcomes_setting_id(SHOP)
    world.start()
    verdicts += [BACK, BACK]
    world.look()
    assert ("canary" in world.pointer(), "canary" in world.pointer(other), len(verdicts)) == (False, True, 1)
    assert {mark["item"] for mark in world.marks()} == {SHOP, other}


def test_one_that_cant_be_looked_at_keeps_no_other_waiting(
    world: World, verdicts: list[Verdict], caplog: pytest.LogCaptureFixture
) -> None:
    """A row that somebody wrote by hand, before it in order."""
    broken = f"{PREFIX}a"
    world.writer.put(PACKAGES, {"function_arn": broken, "item": POINTER_ITEM, "canary": {"release": "x"}})
    world.writer.put(PACKAGES, {"function_arn": CANARIES, "item": broken, "started_at": 1})
    world.start()
    verdicts.append(BACK)
    world.look()
    assert "canary" not in world.pointer()
    assert f"Canary of {broken} can't be looked at" in caplog.text


def test_tables_that_cant_be_read_are_no_failure_of_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another stack may have made them before there were packages."""
    monkeypatch.setattr(TableReader, "query", _die)
    world.look()
    assert "Canaries can't be read" in caplog.text


def test_what_is_reported_late_goes_too(world: World) -> None:
    """An instance may not know yet that the canary has ended: nothing is cleared before it does."""
    world.start()
    world.lambdas.http()
    world.end(world.pointer(), 1)
    world.look(30)
    assert world.marks()
    assert world.reports()
    world.look(SETTLED_SECONDS)
    assert (world.marks(), world.reports()) == ([], [])


def _die(*_: Any, **__: Any) -> None:
    raise UnavailableError("away", detail="it died")
