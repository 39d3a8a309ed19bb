"""How a canary is judged: how often one is taken back that is no worse, and how soon one that is."""

from statistics import mean, median, quantiles
from time import process_time
from timeit import repeat
from typing import TYPE_CHECKING

from tests.unit.tasks.simulated_canary import (
    Tenant,
    alike_tenants,
    good_tenants,
    judged,
    judged_by_fisher,
    minutes,
    seeded,
)

from benchmarks.harness.report import table
from silvaengine_tasks.canary.judging import WORSE, judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def run(*, quick: bool) -> str:
    """Return the section."""
    canaries = 4 if quick else 2_000
    return "\n".join(
        [
            "### Taken back though no worse, of 100, each looked at each minute for half an hour",
            _no_worse(canaries),
            "### Taken back where rates wobble from the hour before to now, of 100",
            _wobbling(canaries),
            "### Worse: when it is taken back, and after how many failed calls",
            _worse(20 if quick else 500),
            f"A look at 1,000 tenants takes {_look():.0f} µs of the processor.",
        ]
    )


def _no_worse(canaries: int) -> str:
    cases: dict[str, Callable[[Random], list[Tenant]]] = {
        "30 tenants that are alike": lambda random: alike_tenants(random, 30, 50, 0.01, 0.01),
        "1 tenant": lambda random: good_tenants(random, 1),
        "5 tenants that differ": lambda random: good_tenants(random, 5),
        "30 tenants that differ": lambda random: good_tenants(random, 30),
        "30, and the odds of each are 1.5 times what they were": lambda random: good_tenants(
            random, 30, times=WORSE
        ),
    }
    rows = []
    for name, draw in cases.items():
        ours, fishers = seeded(1), seeded(1)
        back = sum(judged(ours, draw(ours)) is not None for _ in range(canaries))
        by_fisher = sum(judged_by_fisher(fishers, draw(fishers)) for _ in range(canaries))
        rows.append((name, 100 * back / canaries, 100 * by_fisher / canaries))
    return table(("", "as it is judged", "Fisher's test at 1 % each minute"), rows)


def _wobbling(canaries: int) -> str:
    rows = [
        (f"{wobble:.0%}", *(_returned(canaries, count, wobble) for count in (1, 5, 30)))
        for wobble in (0.1, 0.2, 0.3, 0.5, 0.7)
    ]
    return table(("standard deviation of each tenant's odds", "1 tenant", "5 tenants", "30 tenants"), rows)


def _returned(canaries: int, count: int, wobble: float) -> float:
    random = seeded(1)
    draws = (good_tenants(random, count, wobble=wobble) for _ in range(canaries))
    return 100 / canaries * sum(judged(random, tenants) is not None for tenants in draws)


def _worse(canaries: int) -> str:
    rows = [
        (f"{before:.1%}", f"{rate:.1%}", calls, *_returns(canaries, calls, before, rate))
        for before in (0.001, 0.01, 0.05)
        for rate in (0.2, before + 0.05, before + 0.02)
        for calls in (5, 50, 500)
    ]
    columns = ("failed before", "fails now", "calls a minute", "taken back", "median minute")
    return table((*columns, "failed calls, mean", "95 % of them at most"), rows)


def _returns(canaries: int, calls: int, before: float, rate: float) -> tuple[str, ...]:
    random = seeded(1)
    draws = (alike_tenants(random, 10, calls, before, rate) for _ in range(canaries))
    backs = [back for tenants in draws if (back := judged(random, tenants))]
    share = f"{len(backs) / canaries:.0%}"
    if len(backs) < max(canaries / 10, 2):
        return share, "", "", ""
    failures = [back.failures for back in backs]
    most = quantiles(failures, n=20)[-1]
    return share, f"{median(back.minute for back in backs):.0f}", f"{mean(failures):.0f}", f"{most:.0f}"


def _look() -> float:
    random = seeded(1)
    *_, tenants = minutes(random, good_tenants(random, 1_000))
    return 1e6 / 20 * min(repeat(lambda: judge(tenants, 1800), number=20, repeat=20, timer=process_time))
