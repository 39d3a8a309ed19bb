"""Usage is what was called, to the last call, whatever happens to the roll-up."""

import pytest

from silvaengine.tables import USAGE
from silvaengine_tasks.usage.roll_up import LATE_HOURS
from silvaengine_tasks.usage.rows import HOUR, deletion_row

from .usage import FAULTS, SLOW_SECONDS, START, Fault, World, simulate

AFTERWARDS = range(2, LATE_HOURS + 3)  # the hours at whose beginning it runs again, undisturbed


def walk(at: dict[int, Fault]) -> tuple[World, list[str]]:
    """Let an hour of calls be rolled up with faults, and twice undisturbed."""
    world, seen = World(), list[str]()
    for _ in range(20):
        world.now += 60
        world.call()
    world.call(late=HOUR)
    world.now = (START + 1) * HOUR + 300.0
    world.roll_up(at, seen)
    for hour in AFTERWARDS:
        world.now = (START + hour) * HOUR + 300.0
        world.roll_up()
    return world, seen


def test_a_fault_at_any_boundary_loses_and_doubles_nothing() -> None:
    """Each fault at each request to logs and table."""
    _, boundaries = walk({})
    assert {*boundaries} == {"GetItem", "Query", "DescribeLogGroups", "FilterLogEvents", "PutItem"}
    for number in range(len(boundaries)):
        for fault in FAULTS:
            world, _ = walk({number: fault})
            assert world.counted() == world.account, (number, boundaries[number], fault)


def test_two_faults_lose_and_double_nothing() -> None:
    """A second one may hit what the first one has overtaken."""
    _, boundaries = walk({})
    for first in range(0, len(boundaries), 5):
        for second in range(first + 1, len(boundaries), 7):
            world, _ = walk({first: "overtaken", second: "died after"})
            assert world.counted() == world.account, (first, second)


def test_what_was_counted_of_a_log_group_outlives_it() -> None:
    """A package's group goes with the package, within the hours that are read again."""
    world = World()
    for _ in range(40):
        world.call()
    world.now += HOUR
    world.roll_up()
    world.logs["pkg-shop"].clear()
    for hour in AFTERWARDS:
        world.now = (START + hour) * HOUR + 300.0
        world.roll_up()
    assert world.counted() == world.account


def test_a_run_that_was_overtaken_overwrites_nothing_newer() -> None:
    """What it read before a line came is older than what the other has written, even if nobody runs again."""
    assert counted_by({}) == 1
    seen = list[str]()
    counted_by({}, seen)
    for write in [number for number, name in enumerate(seen) if name == "PutItem"]:
        assert counted_by({write: "overtaken"}) == 2, write


def counted_by(at: dict[int, Fault], seen: list[str] | None = None) -> int:
    """Let one run roll up one call; a second one's line comes while it is overtaken."""
    world = World()
    world.call(by=("acme", "ask"))
    world.call(by=("acme", "ask"), late=SLOW_SECONDS / 2)
    world.roll_up(at, seen)
    return sum(amounts["calls"] for amounts in world.counted().values())


@pytest.mark.parametrize("seed", range(8))
def test_usage_is_equal_over_thousands_of_calls(seed: int) -> None:
    """Lines come up to two hours late; runs fall out, break off, and overtake one another."""
    world = simulate(seed, calls=600, hours=6)
    assert world.counted() == world.account, f"seed {seed} replays it"


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_usage_is_equal_over_a_million_calls() -> None:
    """The same over a day and a half of a busy deployment."""
    world = simulate(1, calls=1_000_000, hours=40)
    assert sum(amounts["calls"] for amounts in world.account.values()) == 1_000_000
    assert world.counted() == world.account


def test_hours_that_fell_out_are_made_up_for() -> None:
    """The next run goes back to where the last one ended."""
    world = World()
    world.call()
    world.roll_up()
    for _ in range(30):
        world.now += HOUR
        world.call()
    world.roll_up()
    assert world.counted() == world.account


def test_a_line_later_than_two_hours_after_its_hour_is_not_counted() -> None:
    """This is the bound: its hour isn't read again."""
    world = World()
    world.call(late=HOUR * (LATE_HOURS + 1) + 600)
    world.call()
    for _ in range(6):
        world.roll_up()
        world.now += HOUR
    assert sum(amounts["calls"] for amounts in world.counted().values()) == 1


def test_what_a_tenant_used_before_its_deletion_is_not_counted_again() -> None:
    """Its hour is read twice more; only what it calls afterwards counts."""
    world, by = World(), ("acme", "ask")
    world.call(by=by)
    world.now += 60
    row = deletion_row("acme", world.now)
    assert "acme" not in str(row)
    world.dynamodb.put(USAGE, **row)
    world.call(by=("globex", "ask"))
    world.roll_up()
    assert {owner for owner, _, _ in world.counted()} == {"globex"}
    world.now += 60
    world.call(by=by)
    world.roll_up()
    assert {owner: amounts["calls"] for (owner, _, _), amounts in world.counted().items()} == {
        "globex": 1,
        "acme": 1,
    }
