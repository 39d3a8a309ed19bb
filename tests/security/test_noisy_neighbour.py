"""T22: a tenant that floods the platform hurts itself; a simulation of an account under a virtual clock.

The gateway is the real one, with registry, limits and worker. What Lambda adds is modelled: an account has so
many environments, a call takes one for a while, and waits where none is free.
"""

import gc
import heapq
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from silvaengine.lru import Budget

from .platform import Platform, rest_event

ENVIRONMENTS = 20
SERVICE_SECONDS = 0.1
SECONDS = 15.0
LIMIT = {"per_second": 50, "burst": 50}  # a quarter of what the account can do in a second
QUIET = {"victim": 20.0}
FLOOD = {"victim": 20.0, "flooder": 500.0}  # ten times its limit


class Clock:
    """Virtual seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def arrivals(rates: dict[str, float], seed: int) -> Iterator[tuple[float, str]]:
    """Return the arrivals of each tenant in order, at random."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    times = [(chance.expovariate(rate), tenant) for tenant, rate in rates.items()]
    heapq.heapify(times)
    while times[0][0] < SECONDS:
        now, tenant = times[0]
        yield now, tenant
        heapq.heapreplace(times, (now + chance.expovariate(rates[tenant]), tenant))


def served(rates: dict[str, float], *, limited: bool, seed: int) -> dict[str, list[float | None]]:
    """Let them call for a while; return each tenant's seconds to a response, None for a refusal."""
    clock = Clock()
    platform = Platform({"echo": {"module_name": "sample_functions.plain"}}, clock)
    for tenant in rates:
        limit = {"rate_limit": LIMIT} if limited else {}
        platform.add_tenant(tenant, "key", {}, **limit)
    free_at = [0.0] * ENVIRONMENTS
    seconds: dict[str, list[float | None]] = {tenant: [] for tenant in rates}
    for now, tenant in arrivals(rates, seed):
        clock.now = now
        response = platform.call(rest_event("GET", f"/core/{tenant}/echo", headers={"x-api-key": "key"}))
        if response["statusCode"] == 429:
            assert int(response["headers"]["Retry-After"]) >= 1
            seconds[tenant].append(None)
            continue
        assert response["statusCode"] == 200
        begun = max(now, heapq.heappop(free_at))
        heapq.heappush(free_at, begun + SERVICE_SECONDS)
        seconds[tenant].append(begun + SERVICE_SECONDS - now)
    return seconds


def p99(seconds: list[Any]) -> float:
    """Return the hundredth part's bound of those that were served."""
    times = sorted(each for each in seconds if each is not None)
    return float(times[int(len(times) * 0.99)])


@pytest.mark.parametrize("seed", range(2))
def test_t22_a_flood_does_not_slow_its_neighbour(seed: int) -> None:
    """At ten times its limit a tenant is refused; the other's p99 stays below twice its quiet one."""
    quiet = served(QUIET, limited=True, seed=seed)["victim"]
    flooded = served(FLOOD, limited=True, seed=seed)
    assert None not in flooded["victim"]
    assert p99(flooded["victim"]) < 2 * p99(quiet)
    let_in = sum(each is not None for each in flooded["flooder"])
    assert let_in <= 50 * SECONDS + 50
    assert len(flooded["flooder"]) > 8 * let_in


def test_t22_without_a_limit_the_neighbour_would_wait() -> None:
    """The simulation sees the harm that the limit prevents: the account's environments are all taken."""
    quiet = served(QUIET, limited=False, seed=0)["victim"]
    assert p99(served(FLOOD, limited=False, seed=0)["victim"]) > 5 * p99(quiet)


@pytest.mark.slow
def test_a_gateway_holds_its_budget_however_many_tenants_ask() -> None:
    """Keys, rows, settings, limits: all that grows with tenants stays within one number of bytes."""
    budget = Budget(60_000, in_bytes=True)
    platform = Platform({"echo": {"module_name": "sample_functions.plain"}}, budget=budget)
    for number in range(400):
        limit = {"per_second": 1_000, "burst": 1_000}
        platform.add_tenant(f"tenant-{number}", "key", {"greeting": "Hello"}, rate_limit=limit)
    held = []
    tracemalloc.start()
    try:
        for number in range(400):
            event = rest_event("GET", f"/core/tenant-{number}/echo", headers={"x-api-key": "key"})
            with redirect_stdout(StringIO()):
                assert platform.call(event)["statusCode"] == 200
            assert budget.used <= 60_000
            if number in {270, 399}:  # from then on the 256 paths that are kept are others'
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < 20_000, held
