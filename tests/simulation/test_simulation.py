"""The ledger's promises under random faults; ``run.py`` makes a million calls."""

from .run import CALLS, figures, simulate
from .world import Weather

WORLDS = 25


def test_the_promises_hold_over_2500_calls() -> None:
    """Whatever is lost, repeated, late or killed: at most once, at least once or exactly once."""
    for seed in range(WORLDS):
        assert simulate(seed).account.violations == [], f"seed {seed} replays it"


def test_a_seed_replays_a_world() -> None:
    """The same seed gives the same boundaries, effects and rows."""
    first, second = simulate(7), simulate(7)
    assert first.faults.seen == second.faults.seen
    assert figures(first) == figures(second)
    assert first.rows() == second.rows()


def test_the_weather_is_as_bad_as_it_says() -> None:
    """Deliveries are repeated, writers late, executions given up; most calls succeed all the same."""
    total = figures(simulate(0))
    for seed in range(1, 10):
        total += figures(simulate(seed))
    assert total["calls"] == 10 * CALLS
    assert total["duplicate"] > 10
    assert total["late"] > 3
    assert total["dead"] > 10
    assert total["succeeded"] > 7 * CALLS


def test_without_faults_nothing_fails() -> None:
    """Every call is accepted and has its one effect, and no write is late."""
    calm = Weather(lost=0, duplicated=0, fault=0, zombie=0, slow=0, failing=0)
    world = simulate(1, calm)
    found = figures(world)
    assert world.account.violations == []
    assert found["late"] == 0
    assert found["accepted"] == CALLS
    assert found["succeeded"] + sum(bool(each.fails) for each in world.account.requests.values()) == CALLS
    assert found["effects"] == found["succeeded"]
