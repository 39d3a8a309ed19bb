from itertools import accumulate, pairwise
from math import comb, exp, log, log1p
from random import Random
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine_tasks.canary.judging import ERROR, WORSE, TenantCalls, Verdict, chance, judge, spent

from .simulated_canary import alike_tenants, good_tenants, judged, judged_by_fisher, minutes, seeded

HALF_AN_HOUR = 1800.0
SMALL = st.integers(0, 6)


def calls(*, before: tuple[int, int], since: tuple[int, int], endpoint_id: str = "acme") -> TenantCalls:
    """Return a tenant's failures of its calls, before and since."""
    return TenantCalls(endpoint_id, before[1], before[0], since[1], since[0])


def returned(random: Random, canaries: int, **odds: float) -> int:
    """Return how many canaries of 1, 5 or 30 tenants are taken back."""
    counts = [(1, 5, 30)[number % 3] for number in range(canaries)]
    return sum(judged(random, good_tenants(random, count, **odds)) is not None for count in counts)


def exact(tenants: list[TenantCalls], worse: float) -> float:
    """Return the probability that ``chance`` bounds, by adding up all ways in which the failures can fall."""
    distribution = [1.0]
    for _, before, failures_before, since, failures in tenants:
        failed = failures_before + failures
        ways = [comb(since, x) * comb(before, failed - x) * worse**x for x in range(failed + 1)]
        sums = [0.0] * (len(distribution) + failed)
        for i, p in enumerate(distribution):
            for x, way in enumerate(ways):
                sums[i + x] += p * way / sum(ways)
        distribution = sums
    return sum(distribution[sum(tenant.failures for tenant in tenants) :])


@pytest.mark.parametrize("odds", [{}, {"wobble": 0.3}, {"times": WORSE}], ids=str)
def test_good_canaries_stay(odds: dict[str, float]) -> None:
    """At most 1 % of 400 with tenants that differ are taken back, also where rates wobble or grow a bit."""
    assert returned(seeded(1), 400, **odds) <= 4


@pytest.mark.nightly
def test_the_error_is_at_most_one_in_a_hundred() -> None:
    """So few of 20,000 are taken back as an error of 1 % would give less than once in 1,000 times."""
    canaries = 20_000
    count = returned(seeded(2), canaries, times=WORSE)
    with_error_of_1_percent = (
        exp(log(comb(canaries, k)) + k * log(ERROR) + (canaries - k) * log1p(-ERROR))
        for k in range(count + 1)
    )
    assert sum(with_error_of_1_percent) < 0.001


def test_fishers_test_each_minute_takes_too_many_back() -> None:
    """That is why it isn't used: looks add up, and tenants that differ make sums that mislead."""
    random = seeded(3)
    alike = sum(judged_by_fisher(random, alike_tenants(random, 30, 50, 0.01, 0.01)) for _ in range(200))
    differing = sum(judged_by_fisher(random, good_tenants(random, 30)) for _ in range(200))
    assert alike > 4
    assert differing > 20


@pytest.mark.parametrize(("before", "most"), [(0.001, 20), (0.01, 20), (0.05, 50)])
@pytest.mark.parametrize("count", [1, 30])
def test_a_canary_that_fails_in_a_fifth_of_its_calls_goes_back(count: int, before: float, most: int) -> None:
    """With 50 calls a minute all of 200 go back, 95 % of them after no more failed calls than docs say."""
    random = seeded(4)
    backs = [judged(random, alike_tenants(random, count, 50, before, 0.2)) for _ in range(200)]
    failures = [back.failures for back in backs if back]
    assert len(failures) == 200
    assert quantiles(failures, n=20)[-1] <= most


@given(st.lists(st.tuples(SMALL, SMALL, SMALL, SMALL), max_size=4), st.floats(1, 5))
def test_chance_is_no_less_than_it_is(counts: list[tuple[int, int, int, int]], worse: float) -> None:
    """The bound holds for any few calls of any tenants, beside the sum over all ways."""
    tenants = [calls(before=(a, a + b), since=(c, c + d)) for a, b, c, d in counts]
    assert chance(tenants, worse) >= exact(tenants, worse) * (1 - 1e-6)


@given(st.lists(st.floats(0.01, 5000), min_size=1, max_size=100), st.floats(60, 100_000))
def test_looks_share_one_error(gaps: list[float], after: float) -> None:
    """However often and whenever one looks, all that is spent is less than the error."""
    looks = accumulate(gaps, initial=0.0)
    parts = [spent(look, after) - spent(before, after) for before, look in pairwise(looks)]
    assert min(parts) >= 0
    assert sum(parts) < ERROR


def test_one_broken_tenant_takes_it_back_and_is_named() -> None:
    """A small tenant for which all calls fail isn't lost beside a hot one that always failed at 30 %."""
    hot = calls(before=(30_000, 100_000), since=(3_000, 10_000), endpoint_id="hot")
    others = [calls(before=(0, 100), since=(0, 10), endpoint_id=f"other-{n}") for n in range(998)]
    broken = calls(before=(0, 500), since=(8, 8), endpoint_id="small")
    assert judge([hot, *others], 60).action == "wait"
    verdict = judge([hot, broken, *others], 60)
    assert verdict.action == "back"
    assert verdict.reason.startswith("small: 8 of 8 calls failed (100.00%)")


def test_many_tenants_need_more_evidence() -> None:
    """What is odd for one of two tenants happens to some of a thousand."""
    hot = calls(before=(30_000, 100_000), since=(3_000, 10_000), endpoint_id="hot")
    suspect = calls(before=(0, 500), since=(5, 8))
    others = [calls(before=(0, 100), since=(0, 10), endpoint_id=f"other-{n}") for n in range(998)]
    assert judge([hot, suspect], 600).action == "back"
    assert judge([hot, suspect, *others], 600).action == "wait"


def test_a_look_has_the_error_since_the_look_before() -> None:
    """The same calls suffice at the first look after ten minutes, and not where each minute had one."""
    tenants = [calls(before=(0, 1000), since=(3, 40))]
    assert judge(tenants, 600).action == "wait"
    assert judge(tenants, 600, since=600).action == "back"


def test_the_reason_has_rates_and_calls() -> None:
    """Whoever reads the notice sees what failed now, what would have before, and how sure it is."""
    tenants = [
        calls(before=(1, 1000), since=(9, 100)),
        calls(before=(3, 1000), since=(11, 100), endpoint_id="globex"),
    ]
    assert judge(tenants, 120).reason == (
        "2 tenants: 20 of 200 calls failed (10.00%); at the rates of the hour before it "
        "would be 0.4 (0.20%), "
        "of 2,000 calls then; a good release looks so with a probability of at most 3e-14"
    )


def test_only_worse_goes_back() -> None:
    """Fewer failures than before are no evidence, however many calls there are."""
    assert judge([calls(before=(3_000, 10_000), since=(1_000, 10_000))], HALF_AN_HOUR).action == "forward"


def test_two_failed_calls_take_nothing_back() -> None:
    """Not even where nothing failed in a million before; but it doesn't go forward then."""
    tenants = [calls(before=(0, 1_000_000), since=(2, 20))]
    assert judge(tenants, 60).action == "wait"
    assert judge(tenants, HALF_AN_HOUR).reason.startswith("it may be worse: acme: 2 of 20 calls failed")


@pytest.mark.parametrize(
    ("tenants", "elapsed", "verdict"),
    [
        ([calls(before=(0, 100), since=(0, 20))], 1799, ("wait", "1 of 1800 seconds are left")),
        ([calls(before=(0, 100), since=(0, 19))], 9000, ("wait", "it had 19 calls, and 20 are needed")),
        ([], 9000, ("wait", "it had 0 calls, and 20 are needed")),
        (
            [calls(before=(0, 0), since=(0, 50))],
            9000,
            ("wait", "its tenants had no calls in the hour before to compare with"),
        ),
        (
            [calls(before=(0, 100), since=(1, 50))],
            1800,
            ("forward", "1 of 50 calls failed: no sign that it is worse"),
        ),
    ],
)
def test_what_keeps_it_from_going_forward(
    tenants: list[TenantCalls], elapsed: float, verdict: tuple[str, str]
) -> None:
    """Time, calls and something to compare with are needed, and the reason says which is missing."""
    assert judge(tenants, elapsed) == verdict


def test_a_newcomers_failures_hold_it_but_take_nothing_back() -> None:
    """A tenant without calls before may fail for reasons of its own; people decide."""
    old, new = (
        calls(before=(1, 1000), since=(0, 100)),
        calls(before=(0, 0), since=(50, 100), endpoint_id="new"),
    )
    for minute in range(1, 30):
        assert judge([old, new], 60 * minute).action == "wait"
    reason = "it may be worse: tenants without calls in the hour before: 50 of 100 calls failed"
    assert judge([old, new], HALF_AN_HOUR).reason.startswith(reason)


def test_a_canary_without_a_fault_goes_forward_after_its_time() -> None:
    """And not before, nor later."""
    random = seeded(5)
    looks = enumerate(minutes(random, alike_tenants(random, 5, 50, 0.01, 0.01)), 1)
    verdicts = [judge(tenants, 60 * minute) for minute, tenants in looks]
    assert [verdict.action for verdict in verdicts] == ["wait"] * 29 + ["forward"]
    assert isinstance(verdicts[0], Verdict)
