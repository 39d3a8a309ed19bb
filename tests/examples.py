"""How many examples Hypothesis tries: the profile's number, or a multiple of it for a quick or slow test."""

from typing import Any

from hypothesis import settings


def examples(times: float, **others: Any) -> settings:
    """Return settings with so many times the profile's number of examples, and at least one."""
    return settings(max_examples=max(1, round(times * settings().max_examples)), **others)
