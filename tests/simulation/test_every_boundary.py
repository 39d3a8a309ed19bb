"""One fault, and every pair of faults, at every boundary of a call; nothing is random."""

from collections.abc import Iterator
from itertools import islice

import pytest

from .account import Request
from .callers import add_functions, ask
from .world import CALM, FAULTS, INVOKES, FaultKind, World

pytestmark = pytest.mark.timeout(900)  # the longest takes a minute of a processor that may be shared

type Way = dict[str, object]

WAYS: dict[str, Way] = {
    "job, retry": {"function": "often", "is_async": True},
    "job, retry, conditional": {"function": "exact", "is_async": True},
    "job, fail": {"function": "once", "is_async": True},
    "job with a key, fail": {"function": "once", "is_async": True, "key": "k"},
    "call with a key, fail": {"function": "once", "is_async": False, "key": "k"},
    "call with a key, conditional": {"function": "exact", "is_async": False, "key": "k"},
    "job that always fails": {"function": "once", "is_async": True, "fails": 500},
}


def walk(way: Way, at: dict[int, FaultKind]) -> World:
    """Run one call, with a sweeper each minute, and these faults."""
    world = World(1, CALM, at=at or {-1: "refused"})
    add_functions(world)
    details = {"key": None, "fails": None, **way}
    function = str(details["function"])
    request = Request(
        number=0,
        tenant="acme",
        principal="a",
        on_lost="fail" if function == "once" else "retry",
        conditional=function == "exact",
        **details,  # type: ignore[arg-type]
    )
    ask(world, request)
    world.sweep()
    world.run_to_the_end()
    world.account.check(world.rows())
    return world


def single_faults(way: Way) -> Iterator[dict[int, FaultKind]]:
    """Return each fault at each boundary."""
    for number, name in enumerate(walk(way, {}).faults.seen):
        for fault in faults_of(name):
            yield {number: fault}


def faults_of(name: str) -> Iterator[FaultKind]:
    """Return the faults that a boundary may have."""
    return (fault for fault in FAULTS if fault != "server_error" or name in INVOKES)


def pairs(way: Way) -> Iterator[dict[int, FaultKind]]:
    """Return each pair: the second fault may hit what only the first one makes happen."""
    for first in single_faults(way):
        ((number, _),) = first.items()
        names = walk(way, first).faults.seen
        for second in range(number + 1, len(names)):
            if names[second] == names[second - 1] == "Query":
                continue  # one of the sweeper's sixteen idle looks stands for all
            for fault in faults_of(names[second]):
                yield {**first, second: fault}


@pytest.mark.parametrize("name", WAYS)
def test_one_fault_at_any_boundary_breaks_no_promise(name: str) -> None:
    """Whichever process dies or gets a wrong answer, the call's promise holds and its outcome is reported."""
    for at in single_faults(WAYS[name]):
        assert walk(WAYS[name], at).account.violations == [], at


@pytest.mark.parametrize("every", [10, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", WAYS)
def test_two_faults_at_any_pair_of_boundaries_break_no_promise(name: str, every: int) -> None:
    """The promises hold for any two faults, too: by day for each tenth pair."""
    for at in islice(pairs(WAYS[name]), 0, None, every):
        assert walk(WAYS[name], at).account.violations == [], at


@pytest.mark.parametrize("name", ["job, retry", "job, retry, conditional"])
def test_one_fault_never_costs_a_job(name: str) -> None:
    """An accepted job with attempts left succeeds in spite of any single fault."""
    for at in single_faults(WAYS[name]):
        world = walk(WAYS[name], at)
        assert {row.state for row in world.rows()} <= {"succeeded"}, at
        if any(status == 202 for status, _ in world.account.requests[0].responses):
            assert world.rows(), at


@pytest.mark.parametrize("name", [name for name in WAYS if "always" not in name])
def test_a_repeated_write_changes_nothing(name: str) -> None:
    """A client that sends a write again, because the response was lost, is recognized."""
    calm = walk(WAYS[name], {})
    for number in range(len(calm.faults.seen)):
        world = walk(WAYS[name], {number: "resent"})
        assert [row.state for row in world.rows()] == ["succeeded"], number
        assert world.notes == {}, number


def test_the_calls_meet_every_kind_of_boundary() -> None:
    """Rows, the index, both kinds of Invoke, the effect, the queue and the notice are among them."""
    seen: set[str] = set()
    for way in WAYS.values():
        for at in single_faults(way):
            seen |= set(walk(way, at).faults.seen)
    assert seen == {
        "PutItem", "GetItem", "UpdateItem", "Query", "BatchGetItem",
        "event", "invoke", "effect", "queue", "notice",
    }  # fmt: skip
