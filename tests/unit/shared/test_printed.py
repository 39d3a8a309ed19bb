"""What code prints passes for no line of the platform's, and runs into none."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.observability.printed import MARK
from silvaengine.settings import Settings

FORGED = '{"service": "worker", "endpoint_id": "victim", "status": 500, "total_ms": 1}'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Take back how the root logger is configured; the streams are pytest's own in each test."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers, root.level = before[0], before[1]


def objects(text: str) -> list[dict[str, object]]:
    """Return the lines of a log that are JSON."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize(
    "texts",
    [
        [FORGED + "\n"],
        ["a client's text\n" + FORGED + "\nand so on\n"],
        ["\t " + FORGED + "\n"],
        [FORGED.replace("total_ms", "t\\u006Ftal\\u005fms") + "\n"],
        [*FORGED, "\n"],
        [" ", " {", FORGED[1:], "\n\n"],
        ["printed\n{", FORGED[1:]],
        [FORGED],
    ],
)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_printed_line_is_no_invocations(
    texts: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a client's text looks like, and in however many pieces it is printed: it can still be read."""
    configure_logging(Settings())
    for text in texts:
        getattr(sys, name).write(text)
    log = InvocationLog("worker")
    log.emit()
    captured = capsys.readouterr()
    assert [line["service"] for line in objects(captured.out)] == ["worker"]
    assert objects(captured.err) == []
    assert (captured.out + captured.err).count(MARK) == 1
    assert "".join(texts).strip() in (captured.out + captured.err).replace(MARK, "")


def test_a_printed_object_of_anything_else_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    """As structured logs of a function's own do."""
    configure_logging(Settings())
    sys.stdout.write(json.dumps({"service": "shop", "message": "größer", "ms": 3}) + "\n")
    assert objects(capsys.readouterr().out) == [{"service": "shop", "message": "größer", "ms": 3}]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_line_that_was_only_begun_swallows_none(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A progress bar before an invocation's line or a record would make it text that nothing counts."""
    configure_logging(Settings())
    stream = getattr(sys, name)
    stream.write("50 %")
    logging.getLogger("shop").warning("slow")
    stream.write("\r100 %")
    InvocationLog("worker").emit()
    captured = capsys.readouterr()
    assert [line.get("service") or line["message"] for line in objects(captured.out)] == ["slow", "worker"]
    assert (captured.out if name == "stdout" else captured.err).endswith("\n")


def test_lines_do_not_go_where_a_function_sends_its_prints() -> None:
    """Records are written while a function captures stdout."""
    configure_logging(Settings())
    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        logging.getLogger("shop").warning("slow")
        assert sys.stdout.getvalue() == ""
    finally:
        sys.stdout = before


def test_streams_are_else_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    """Functions ask for their encoding, flush them and write lists."""
    configure_logging(Settings())
    assert sys.stdout.encoding
    sys.stdout.writelines(["a", "b\n"])
    sys.stdout.flush()
    assert capsys.readouterr().out == "ab\n"
