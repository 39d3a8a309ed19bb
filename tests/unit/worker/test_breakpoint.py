"""`breakpoint()` in a function, where no terminal is."""

import sys

import pytest

from silvaengine.settings import Settings
from silvaengine_worker import app


def test_breakpoint_is_refused_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails at once and says what to do, instead of waiting for a terminal until the deadline."""
    monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)
    app._open_handler(Settings())
    with pytest.raises(RuntimeError, match="silvaengine dev --debug"):
        breakpoint()


def test_debugger_that_is_there_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `silvaengine dev --debug` or a test runner has set stays."""
    stops: list[int] = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stops.append(1))
    app._open_handler(Settings())
    breakpoint()
    assert stops == [1]
