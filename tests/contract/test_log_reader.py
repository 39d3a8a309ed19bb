"""Lines of all log groups of a deployment, on moto and the local engine."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs import LogReader, LogTail
from silvaengine_cli.logs.groups import log_groups

from .log_groups import GROUPS, STACK, Written, written_logs


@pytest.fixture
def deployment(aws: str) -> Deployment:
    """A stack of which the log groups alone matter."""
    return Deployment(stack=STACK, endpoint_url=aws)


@pytest.fixture
def written(deployment: Deployment) -> Iterator[Written]:
    """The stack's log groups, empty; they are gone after the test."""
    with written_logs(deployment.client("logs")) as written:
        yield written


def said(lines: Any) -> list[tuple[str, object]]:
    """Return the Lambda and the message of each line."""
    return [(line.function, line.record["message"]) for line in lines]


def test_groups_are_the_stacks_and_its_packages(deployment: Deployment, written: Written) -> None:
    """Stacks whose names begin alike have others; what runs functions comes first."""
    assert log_groups(deployment) == GROUPS
    assert list(log_groups(deployment)) == ["Worker", "packages/shop", "HttpGateway", "Tasks"]


def test_lines_come_in_order_over_all_groups(deployment: Deployment, written: Written) -> None:
    """JSON is a record, text a message; Lambda's own lines, in both of its formats, are left out."""
    written.put("HttpGateway", '{"message": "last"}', later=9)
    written.put(
        "packages/shop", "printed\n", "12", '{"service": "worker", "total_ms": 1, "message": "line"}', later=1
    )
    written.put("Worker", "START RequestId: 1 Version: 3", '{"type": "platform.report"}', "END RequestId: 1")
    lines = [*LogReader.of(deployment).lines(written.now)]
    shop = "packages/shop"
    assert said(lines) == [(shop, "printed"), (shop, "12"), (shop, "line"), ("HttpGateway", "last")]
    assert [line.timestamp - written.now for line in lines] == [1, 2, 3, 9]
    assert [line.is_invocation for line in lines] == [False, False, True, False]


@pytest.mark.parametrize(
    "members",
    [
        {"service": "http"}, {"service": ["worker"]}, {"total_ms": None}, {"total_ms": "1"}, {"total_ms": -1},
        {"total_ms": 1e300}, {"invoke_ms": "<5"}, {"status": "abc"}, {"status": {}}, {"failed": "y"},
        {"records": []},
        {"request_id": ["a"]}, {"endpoint_id": {}}, {"function": "\ud800"}, {"level": 3, "service": "shop"},
        {"service": "shop", "message": "of a logger of the function's own"},
    ],
)  # fmt: skip
def test_what_resembles_a_line_is_text(
    deployment: Deployment, written: Written, members: dict[str, Any]
) -> None:
    """Functions print what they like: no other Lambda's line, and nothing that breaks who reads lines."""
    printed = json.dumps(
        {"service": "worker", "status": 200, "total_ms": 1, "endpoint_id": "victim", **members}
    )
    written.put("Worker", printed)
    (line,) = LogReader.of(deployment).lines(written.now)
    assert (line.is_invocation, line.record) == (False, {"message": printed})


@pytest.mark.parametrize(
    "printed", ['{"order": 7}', '{"message": {"a": 1}}', '{"message": "x", "request_id": []}']
)
def test_an_object_that_is_no_record_is_shown_as_it_is(
    deployment: Deployment, written: Written, printed: str
) -> None:
    """What a function prints for an operator isn't lost for want of a message."""
    written.put("packages/shop", printed)
    assert said(LogReader.of(deployment).lines(written.now)) == [("packages/shop", printed)]


def test_a_time_begins_with_its_first_millisecond(deployment: Deployment, written: Written) -> None:
    """The end is the next one's beginning, so that no line is in two."""
    written.put("Worker", "0", "1", "2", "3")
    reader = LogReader.of(deployment)
    for begin, texts in ((0, ["0", "1"]), (2, ["2", "3"])):
        lines = reader.lines(written.now + begin, written.now + begin + 2)
        assert said(lines) == [("Worker", text) for text in texts]


def test_what_is_asked_for_is_read(deployment: Deployment, written: Written) -> None:
    """A pattern of a term and the names of Lambdas narrow it."""
    written.put("Worker", '{"request_id": "0f3a", "message": "one"}', '{"message": "two"}')
    written.put("Tasks", '{"request_id": "0f3a", "message": "three"}', later=5)
    reader = LogReader.of(deployment)
    lines = reader.lines(written.now, pattern='"0f3a"')
    assert said(lines) == [("Worker", "one"), ("Tasks", "three")]
    assert said(reader.lines(written.now, functions=["Worker"])) == [("Worker", "one"), ("Worker", "two")]


def test_a_group_that_is_gone_has_no_lines(deployment: Deployment, written: Written) -> None:
    """It is no error, and the reader knows it from then on."""
    reader = LogReader.of(deployment)
    written.put("Worker", "one")
    written.delete(GROUPS["Tasks"])
    assert said(reader.lines(written.now)) == [("Worker", "one")]
    assert "Tasks" not in reader.groups


def test_all_pages_are_read(deployment: Deployment, written: Written) -> None:
    """More lines than one response has come whole and once."""
    texts = [*map(str, range(10_500))]
    written.put("Worker", *texts)
    lines = LogReader.of(deployment).lines(written.now)
    assert [line.record["message"] for line in lines] == texts


def test_a_tail_has_each_line_once(deployment: Deployment, written: Written) -> None:
    """What was there before is left out, and a line that appears seconds late is not."""
    written.put("Worker", "before", later=-20_000)
    tail = LogTail(LogReader.of(deployment))
    written.put("Worker", "one", later=9_000)
    assert said(tail.new_lines()) == [("Worker", "one")]
    written.put("Worker", "late", later=1_000)
    written.put_records("HttpGateway", {"message": "two"}, later=9_001)
    assert said(tail.new_lines()) == [("Worker", "late"), ("HttpGateway", "two")]
    assert tail.new_lines() == []
