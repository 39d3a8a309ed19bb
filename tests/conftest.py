"""What holds for every test: where it connects and logs to, that it tells no secret and isn't skipped."""

import logging
import os
import signal
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.workermanage import NodeManager

import silvaengine.settings as silvaengine_settings

from .canaries import found_in

# No deadline: a busy machine is no failure. What a change must pass tries the same examples everywhere.
settings.register_profile("dev", max_examples=10, deadline=None)
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=2_000, deadline=None, derandomize=False, print_blob=True)
_environment = os.environ  # noqa: TID251 - it says who runs the tests, and programs get it from them
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # a make that a test runs is no part of the one around it
    _environment.pop(name, None)
settings.load_profile(_environment.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in _environment else "dev"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell does that to what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and tests end programs by it

# A worker that is ended before it has written its data looks as if it had covered nothing.
NodeManager.EXIT_TIMEOUT = 120

TESTS = Path(__file__).parent

# Ids of tests that may be skipped, each with its reason beside it; any other skip fails the run.
PERMITTED_SKIPS: frozenset[str] = frozenset()

_PROCESS_STARTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}

_skipped: list[str] = []
_quick: list[str] = []  # the test that runs, when it is one of `make check`


@pytest.fixture(autouse=True)
def _no_lambda() -> None:
    """Take back what importing a Lambda did: its log's stream and environment are those of another test."""
    silvaengine_settings._fixed.clear()
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None]:
    """Note that a unit test runs that isn't marked as slow."""
    is_quick = str(item.path).startswith(f"{TESTS / 'unit'}{os.sep}") and not item.get_closest_marker("slow")
    _quick[:] = [item.nodeid] if is_quick else []
    try:
        return (yield)
    finally:
        _quick.clear()


def _refuse_processes(event: str, _: object) -> None:
    """Raise where a quick test starts a process."""
    if _quick and event in _PROCESS_STARTS:
        raise RuntimeError(f"{_quick[0]} starts a process: mark it as slow")


sys.addaudithook(_refuse_processes)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Unit and security tests open no sockets; all others but `prove` reach this machine alone."""
    closed = tuple(f"{TESTS / folder}{os.sep}" for folder in ("unit", "security"))
    for item in items:
        if item.path.is_relative_to(TESTS / "prove"):
            continue
        is_unit = str(item.path).startswith(closed)
        item.add_marker(pytest.mark.disable_socket if is_unit else pytest.mark.allow_hosts(["127.0.0.1"]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that wrote one of the planted secrets; pytest's own record of log calls doesn't count."""
    report = yield
    leaked = found_in(report.capstdout + report.capstderr)
    if report.passed and leaked:
        report.outcome = "failed"
        report.longrepr = f"secrets stand in what was written: {', '.join(leaked)}"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a skipped test; an expected failure is none, and evidence has its own list of them."""
    if report.skipped and not hasattr(report, "wasxfail") and not report.nodeid.startswith("tests/prove/"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note a module that skipped itself."""
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run for skips that aren't permitted."""
    if unpermitted := set(_skipped) - PERMITTED_SKIPS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"\nskipped without permission: {', '.join(sorted(unpermitted))}", red=True)
