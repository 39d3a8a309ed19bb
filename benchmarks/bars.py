"""The bars of what a request costs, measured in one run: met or missed."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from benchmarks.harness.loopback import Loopback, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import cold_instructions, count_all, warm_instructions
from benchmarks.subjects import LOGGING_PEERS, RESULT, from_browser, gateway, peer, registry
from benchmarks.warm import browser_context, worker


class Bar(NamedTuple):
    """What was measured, and what it may be at most: instructions, or a ratio of them."""

    what: str
    measured: float
    limit: float


def run(*, quick: bool) -> str:
    """Return the section."""
    with loopback(registry(), RESULT) as server:
        bars = [*warm_bars(server, calls=5 if quick else 50), *cold_bars(server)]
    rows = [
        (what, f"{measured:.3f}" if limit < 10 else measured, limit, "met" if measured <= limit else "missed")
        for what, measured, limit in bars
    ]
    return table(("", "instructions, or a ratio of them", "at most", ""), rows)


def warm_bars(server: Loopback, *, calls: int) -> Iterator[Bar]:
    """Measure a request and a call, a small one and a browser's."""
    invoking = gateway(server), peer(server, "bare handler", work="boto3")
    logging = {"Powertools": 1.05, **dict.fromkeys(LOGGING_PEERS, 0.40)}
    alone = gateway(server, "benchmarks.parts.unsent:handler")
    counts = iter(
        count_all(
            partial(warm_instructions, times=calls),
            [
                *invoking,
                *map(from_browser, invoking),
                *map(from_browser, (alone, *(peer(server, name, work="none") for name in logging))),
                *worker(),
                *worker(browser_context()),
            ],
        )
    )
    for event, limit in (("small", 430_000), ("a browser's", 420_000)):
        ours, theirs = next(counts), next(counts)
        yield Bar(f"gateway with the Invoke, {event}", ours, limit)
        yield Bar(f"the same, of a bare handler with boto3, {event}", ours / theirs, 0.09)
    unsent = next(counts)
    for name, ratio in logging.items():
        yield Bar(f"gateway without the Invoke, of {name}, a browser's", unsent / next(counts), ratio)
    for event, limit in (("small", 180_000), ("a browser's", 190_000)):
        yield Bar(f"worker beyond the function, {event}", next(counts) - next(counts), limit)


def cold_bars(server: Loopback) -> Iterator[Bar]:
    """Measure process start, import and first response."""
    limits = {"gateway": 294_000_000, "worker": 234_000_000}
    subjects = (replace(subject, warm_ups=1) for subject in (gateway(server), worker()[0]))
    for (name, limit), count in zip(limits.items(), count_all(cold_instructions, subjects), strict=True):
        yield Bar(f"cold start of the {name}", count, limit)
