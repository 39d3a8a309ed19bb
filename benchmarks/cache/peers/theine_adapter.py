"""theine: W-TinyLFU in Rust, with its memoizing decorator."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from theine import Memoize

from benchmarks.cache.turns import Work, calls

NAME = "theine"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""

    @Memoize(1000, timedelta(hours=1))
    def found(endpoint_id: str, agent_id: str) -> Any:  # noqa: ANN401 - any value
        return function(endpoint_id, agent_id)

    return calls(lambda: found(*arguments))
