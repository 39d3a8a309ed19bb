"""Times of several subjects, taken in turns so that a busy moment of the machine meets all of them."""

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks.harness.subject import Subject, running


def warm_microseconds(subjects: Sequence[Subject], *, rounds: int, calls: int) -> list[float]:
    """Return each subject's median over the rounds of the microseconds per warm call."""
    with ExitStack() as stack:
        children = [stack.enter_context(running(subject)) for subject in subjects]
        times = [[child.call(calls) for child in children] for _ in range(rounds)]
    return [median(column) for column in zip(*times, strict=True)]
