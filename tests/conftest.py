"""What holds for every test: where it connects and logs to, that it tells no secret and isn't skipped."""

import logging
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import settings

from .canaries import found_in

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

TESTS = Path(__file__).parent

# Ids of tests that may be skipped, each with its reason beside it; any other skip fails the run.
PERMITTED_SKIPS: frozenset[str] = frozenset()

_skipped: list[str] = []


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    """Take back what importing a Lambda did to the root logger: its stream is that of another test."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Unit and security tests open no sockets; all others reach this machine alone."""
    for item in items:
        is_unit = any(item.path.is_relative_to(TESTS / folder) for folder in ("unit", "security"))
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
    """Note a skipped test; an expected failure is none."""
    if report.skipped and not hasattr(report, "wasxfail"):
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
