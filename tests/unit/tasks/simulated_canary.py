"""Canaries as chance makes them: tenants that differ, their hour before, and the canary's minutes."""

from collections.abc import Iterable, Iterator
from math import exp, lgamma, log
from random import Random
from typing import NamedTuple

from silvaengine_tasks.canary.judging import TenantCalls, judge


class Tenant(NamedTuple):
    """A tenant's mean calls in a minute of the hour before and of the canary, and their rates of failure."""

    calls_before: float
    rate_before: float
    calls: float
    rate: float


class Back(NamedTuple):
    """When a canary was taken back, and after how many failed calls."""

    minute: int
    failures: int


def seeded(number: int) -> Random:
    """Return what draws a simulation, which the number replays."""
    return Random(number)  # noqa: S311 - a seed replays a run


def good_tenants(random: Random, count: int, *, times: float = 1, wobble: float = 0) -> list[Tenant]:
    """Return tenants that differ, for which the canary is no worse unless it is said.

    They have 5 calls a minute in the median and a thousand times more or less at the ends; on average 2 % of
    calls fail, and one tenant in twenty always failed at 30 %.

    Args:
        random: what draws them.
        count: how many.
        times: how many times its odds of failing in the hour before each tenant's are on the canary.
        wobble: standard deviation of the logarithm by which each tenant's odds differ from that.
    """
    tenants = []
    for _ in range(count):
        calls = random.lognormvariate(log(5), 1.5)
        rate = 0.3 if random.random() < 0.05 else random.betavariate(0.5, 25)
        odds = times * rate / (1 - rate) * random.lognormvariate(0, wobble)
        tenants.append(Tenant(calls, rate, calls * random.lognormvariate(0, 0.5), odds / (1 + odds)))
    return tenants


def alike_tenants(random: Random, count: int, calls: float, before: float, rate: float) -> list[Tenant]:
    """Return tenants with so many calls a minute in all and rates that are the same for each."""
    shares = [random.lognormvariate(0, 1.5) for _ in range(count)]
    return [
        Tenant(calls * share / sum(shares), before, calls * share / sum(shares), rate) for share in shares
    ]


def minutes(random: Random, tenants: Iterable[Tenant], count: int = 30) -> Iterator[list[TenantCalls]]:
    """Yield what there is to look at after each minute of a canary."""
    seen = []
    for number, tenant in enumerate(tenants):
        calls = _calls(random, 60 * tenant.calls_before)
        failures = random.binomialvariate(calls, tenant.rate_before)
        seen.append((tenant, TenantCalls(f"tenant-{number}", calls, failures, 0, 0)))
    for _ in range(count):
        for index, (tenant, so_far) in enumerate(seen):
            calls = _calls(random, tenant.calls)
            failures = so_far.failures + random.binomialvariate(calls, tenant.rate)
            seen[index] = tenant, so_far._replace(calls=so_far.calls + calls, failures=failures)
        yield [so_far for _, so_far in seen]


def judged(random: Random, tenants: Iterable[Tenant]) -> Back | None:
    """Return when a canary was taken back within half an hour, if it was."""
    for minute, calls in enumerate(minutes(random, tenants), 1):
        if judge(calls, 60 * minute).action == "back":
            return Back(minute, sum(tenant.failures for tenant in calls))
    return None


def judged_by_fisher(random: Random, tenants: Iterable[Tenant]) -> bool:
    """Return whether Fisher's one-sided test at 1 % takes a canary back, over all tenants, at any minute."""
    return any(fisher(calls) < 0.01 for calls in minutes(random, tenants))


def fisher(tenants: Iterable[TenantCalls]) -> float:
    """Return the value of Fisher's one-sided exact test of the sums over all tenants, or 1 below the mean."""
    sums = zip(*(tenant[1:] for tenant in tenants), strict=True)
    calls_before, failures_before, calls, failures = map(sum, sums)
    failed = failures_before + failures
    if failures * (calls_before + calls) <= failed * calls:
        return 1.0
    ways = _log_ways(calls, failures) + _log_ways(calls_before, failures_before)
    term, total = exp(ways - _log_ways(calls_before + calls, failed)), 0.0
    while term > total * 1e-9:
        total += term
        term *= (calls - failures) * (failed - failures)
        failures += 1
        term /= failures * (calls_before - failed + failures)
    return total


def _calls(random: Random, mean: float) -> int:
    return random.binomialvariate(round(100 * mean), 0.01)


def _log_ways(among: int, count: int) -> float:
    return lgamma(among + 1) - lgamma(count + 1) - lgamma(among - count + 1)
