"""A deployment of a run, known by its outputs alone, and the record of what its tests found.

`silvaengine prove` runs these tests; they need its option `--target`.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pytest

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.prove.answers import normalized

from ..e2e.http_client import Api, Response

type Figures = dict[str, float | str]


@dataclass(frozen=True)
class Target:
    """What a run has deployed, and where its tests write."""

    stack: str
    region: str | None
    endpoint_url: str | None
    project: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    answers: str
    results: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what a run has written."""
        return cls(**json.loads(path.read_text()))

    @cached_property
    def deployment(self) -> Deployment:
        """The stack."""
        return Deployment(stack=self.stack, region=self.region, endpoint_url=self.endpoint_url)

    def client(self, service: str) -> Any:
        """Return a client of the run's account."""
        return self.deployment.client(service)

    def output(self, name: str) -> str:
        """Return one of the stack's outputs."""
        return self.deployment.output(name)

    def resource(self, logical_id: str) -> str:
        """Return a resource's physical id."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=self.stack, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def table(self, name: str) -> str:
        """Return a table's full name."""
        return self.output("TablePrefix") + name

    @property
    def api(self) -> Api:
        """The HTTP API."""
        return Api(self.output("ApiUrl"))

    def logged(self, function: str, since: float) -> list[str]:
        """Return what a Lambda has logged since a time in epoch seconds."""
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/{self.stack}-{function}", startTime=int(since * 1000))
        )
        return [event["message"] for page in pages for event in page["events"]]

    def notes(self, mark: str, since: float) -> list[str]:
        """Return what the tests' functions have noted with a mark, as `source n`."""
        return [
            line.partition("noted ")[2].partition('"')[0]
            for line in self.logged("Worker", since)
            if "noted " in line and f"mark={mark}" in line
        ]


def eventually[T](look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 90.0) -> T:
    """Look until it is as wanted, or the time is over; return what was seen last."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return seen


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file of a run."""
    parser.addoption("--target", type=Path, help="What `silvaengine prove` has deployed.")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line("markers", "proves(id): the line of docs that says (prove: id) ends with it")
    config.addinivalue_line("markers", "aws_only(reason): why the local engine can't show it")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The deployment."""
    path = request.config.getoption("--target")
    if not path:
        pytest.fail("run these by `silvaengine prove`")
    return Target.read(path)


@pytest.fixture(autouse=True)
def _account(request: pytest.FixtureRequest, target: Target) -> None:
    """Leave out what only AWS can show, where the account is an engine."""
    mark = request.node.get_closest_marker("aws_only")
    if mark and target.endpoint_url:
        pytest.skip(mark.args[0])


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What a test measures: names with their units, and values for the evidence."""
    measured: Figures = {}
    request.node.stash[_FIGURES] = measured
    return measured


@pytest.fixture
def recorded(request: pytest.FixtureRequest, target: Target) -> Callable[[str, Response], Response]:
    """Record answers by their names, without ids and times."""
    folder = Path(target.answers)

    def record(name: str, response: Response) -> Response:
        folder.mkdir(exist_ok=True)
        answer = normalized(response.status, response.headers, response.text)
        (folder / f"{name}.json").write_text(json.dumps(answer))
        return response

    return record


_FIGURES = pytest.StashKey[Figures]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write what came of a test: one line of JSON."""
    report = yield
    if report.when == "call" or not report.passed:
        _write(item, report)
    return report


def _write(item: pytest.Item, report: pytest.TestReport) -> None:
    path = item.config.getoption("--target")
    if not path or report.when == "teardown":
        return
    mark = item.get_closest_marker("proves")
    outcome = {"passed": "pass", "failed": "fail", "skipped": "skip"}[report.outcome]
    reason = ""
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
    elif report.failed:
        reason = str(report.longrepr).strip().splitlines()[-1]
    line = {
        "id": mark.args[0] if mark else item.name.removeprefix("test_"),
        "area": item.path.stem.removeprefix("test_"),
        "outcome": outcome,
        "reason": reason,
        "figures": item.stash.get(_FIGURES, {}),
    }
    with Path(Target.read(path).results).open("a") as results:
        results.write(json.dumps(line) + "\n")
