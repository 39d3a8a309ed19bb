"""Times of several callables in this process, taken in turns."""

import time
from collections.abc import Callable, Mapping
from statistics import median

type Work = Callable[[int], object]
"""Does its work so many times."""


def calls(function: Callable[[], object]) -> Work:
    """Return the work that calls a function."""

    def work(times: int) -> None:
        for _ in range(times):
            function()

    return work


def microseconds(works: Mapping[str, Work], *, rounds: int, times: int) -> dict[str, float]:
    """Return each one's median of the microseconds that one time takes."""
    for work in works.values():
        work(max(1, times // 10))
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work(times)
            taken[name].append((time.perf_counter() - started) / times * 1e6)
    return {name: median(values) for name, values in taken.items()}


def rows(measured: Mapping[str, float], base: str) -> list[tuple[object, ...]]:
    """Return table rows with the ratio to the one of that name."""
    return [(name, value, value / measured[base]) for name, value in measured.items()]
