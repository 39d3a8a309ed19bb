"""In which order the files of end-to-end tests come."""

from random import Random

import pytest

LONGEST = [
    f"test_{name}"
    for name in (
        *("application", "events", "prove", "package_update", "packages", "publish", "dev", "jobs"),
        *("publish_load", "package_end", "canary_commands", "canary", "preflight", "engine", "package_walls"),
    )
]


def sort(items: list[pytest.Item], seed: str | None) -> None:
    """Take the longest files first, so that no process ends long before the other, or all as a seed says."""
    files = sorted({item.path.stem for item in items})
    order = Random(seed).sample(files, len(files)) if seed else [*LONGEST, *files]  # noqa: S311 - no secret
    items.sort(key=lambda item: order.index(item.path.stem))
