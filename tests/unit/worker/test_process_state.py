"""What a call changes of the process, and what is restored."""

import os
import socket
import sys
import time

import pytest

from silvaengine_worker.process_state import live_environment, restore_process


def test_the_mapping_inside_the_environment_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a private attribute of Python's: a release that changes it must fail here, not at a tenant's."""
    monkeypatch.setenv("SILVAENGINE_TEST", "ä")
    assert live_environment[b"SILVAENGINE_TEST"] == "ä".encode()
    monkeypatch.delenv("SILVAENGINE_TEST")
    assert b"SILVAENGINE_TEST" not in live_environment


def test_a_variable_that_a_call_sets_is_gone_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is restored as it was."""
    monkeypatch.delenv("SILVAENGINE_TEST", raising=False)
    restore_process(live_environment.copy(), monkeypatch.setenv, "SILVAENGINE_TEST", "another tenant's")
    assert b"SILVAENGINE_TEST" not in live_environment


def test_what_a_call_sets_for_the_whole_process_is_as_before_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The C library's time zone, the mask of new files, the recursion limit, the time-out of sockets."""

    def state() -> tuple[str, object, int, int, object]:
        mask = os.umask(0o022)
        os.umask(mask)
        hour = time.strftime("%H", time.localtime(0))
        return hour, time.tzname, mask, sys.getrecursionlimit(), socket.getdefaulttimeout()

    def change(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        if zone == "Asia/Tokyo":
            monkeypatch.delenv("TZ")
        os.umask(0o077)
        sys.setrecursionlimit(before[3] + 100)
        socket.setdefaulttimeout(0.001)

    monkeypatch.delenv("TZ", raising=False)
    before = state()
    for name in ("Pacific/Kiritimati", "Asia/Tokyo"):
        restore_process(live_environment.copy(), change, name)
        assert state() == before
