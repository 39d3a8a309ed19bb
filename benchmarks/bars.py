"""The bars of what a request costs, measured in one run: met or missed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from benchmarks.harness.loopback import Loopback, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, cold_instructions, warm_instructions
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

    def count(subject: Subject) -> tuple[int, int]:
        return warm_instructions(subject, calls), warm_instructions(from_browser(subject), calls)

    invoking, boto3 = count(gateway(server)), count(peer(server, "bare handler", work="boto3"))
    for event, ours, theirs, limit in zip(
        ("small", "a browser's"), invoking, boto3, (430_000, 420_000), strict=True
    ):
        yield Bar(f"gateway with the Invoke, {event}", ours, limit)
        yield Bar(f"the same, of a bare handler with boto3, {event}", ours / theirs, 0.09)
    _, alone = count(gateway(server, "benchmarks.parts.unsent:handler"))
    for name, ratio in (("Powertools", 1.05), *((name, 0.40) for name in LOGGING_PEERS)):
        _, theirs = count(peer(server, name, work="none"))
        yield Bar(f"gateway without the Invoke, of {name}, a browser's", alone / theirs, ratio)
    for event, (called, bare), limit in (
        ("small", worker(), 180_000),
        ("a browser's", worker(browser_context()), 190_000),
    ):
        beyond = warm_instructions(called, calls) - warm_instructions(bare, calls)
        yield Bar(f"worker beyond the function, {event}", beyond, limit)


def cold_bars(server: Loopback) -> Iterator[Bar]:
    """Measure process start, import and first response."""
    for name, subject, limit in (
        ("gateway", gateway(server), 294_000_000),
        ("worker", worker()[0], 234_000_000),
    ):
        yield Bar(f"cold start of the {name}", cold_instructions(replace(subject, warm_ups=1)), limit)
