import json
import logging
from collections.abc import Iterator

import pytest
from tests.fakes.calls import running_call

from silvaengine.context import CurrentInvocation, current_invocation, read_from
from silvaengine.observability.logging import TEXT_LIMIT, InvocationLog, configure_logging
from silvaengine.settings import Settings


def current() -> CurrentInvocation:
    """Return a running call."""
    return CurrentInvocation(
        request_id="r1",
        endpoint_id="acme",
        area="core",
        function="hello",
        deadline=None,
        attempt=1,
        settings={},
        logger=logging.getLogger("function"),
    )


def test_an_invocation_writes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The line has the fields and the time of each step, the last one's until the end."""
    log = InvocationLog("http")
    log.request_id = "r1"
    log.add(status=200)
    log.begin_step("resolve")
    log.begin_step("invoke")
    log.emit()
    (line,) = capsys.readouterr().out.splitlines()
    fields = json.loads(line)
    assert fields.keys() == {
        "service",
        "cold_start",
        "memory_mb",
        "request_id",
        "span_id",
        "status",
        "resolve_ms",
        "invoke_ms",
        "total_ms",
    }
    assert fields["total_ms"] >= fields["resolve_ms"] + fields["invoke_ms"] - 0.01 >= -0.01


def test_a_line_says_where_was_read_what_memory_did_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    """By name, and the next invocation's line says nothing of it."""
    read_from.update(("redis", "dynamodb"))
    for _ in range(2):
        InvocationLog("http").emit()
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line.get("read_from") for line in lines] == ["dynamodb redis", None]


def test_only_the_first_invocation_is_cold(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the first invocation of a process is a cold start."""
    InvocationLog("http")
    InvocationLog("http").emit()
    assert json.loads(capsys.readouterr().out)["cold_start"] is False


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """Take back how the root logger is configured."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_root_logger")
def test_log_records_are_json_lines_with_the_running_request(capsys: pytest.CaptureFixture[str]) -> None:
    """A function's own log line can be found by its request id."""
    configure_logging(Settings())
    with running_call(current()):
        logging.getLogger("shop").info("packed %d", 3)
    try:
        int("x")
    except ValueError:
        logging.getLogger("shop").exception("failed", extra={"request_id": "r2"})
    logging.getLogger("shop").debug("not at this level")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"level": "INFO", "logger": "shop", "message": "packed 3", "request_id": "r1"}
    assert second["request_id"] == "r2"
    assert "ValueError" in second["traceback"]


@pytest.mark.usefixtures("_root_logger")
def test_log_records_name_a_trace_that_the_request_id_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    """A function's own log line can be found by its trace id, too."""
    trace_id, request_id, span_id = "1" * 32, "2" * 32, "3" * 16
    configure_logging(Settings())
    for of_trace in (trace_id, request_id):
        traceparent = f"00-{of_trace}-{span_id}-01"
        with running_call(current()._replace(request_id=request_id, traceparent=traceparent)):
            logging.getLogger("shop").info("packed")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["request_id"], first["trace_id"]) == (request_id, trace_id)
    assert "trace_id" not in second


@pytest.mark.usefixtures("_root_logger")
def test_a_share_of_requests_is_written_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the others the warnings are; the same requests are chosen each time, thus in each Lambda."""
    logger = logging.getLogger("shop")

    def written(share: float) -> list[tuple[str, str]]:
        configure_logging(Settings(log_sample=share))
        for number in range(1_000):
            with running_call(current()._replace(request_id=f"r{number}")):
                logger.info("began")
                logger.info("ended")
                logger.warning("slow")
        logger.info("no request")
        records = map(json.loads, capsys.readouterr().out.splitlines())
        return [(record.get("request_id", ""), record["message"]) for record in records]

    tenth = written(0.1)
    assert len(written(1.0)) == 3_001
    assert len(written(0.0)) == 1_001
    assert tenth == written(0.1)
    assert {message for _, message in tenth} == {"began", "ended", "slow", "no request"}
    began, ended = ([request for request, message in tenth if message == each] for each in ("began", "ended"))
    assert began == ended
    assert 50 < len(began) < 150
    trace = f"00-{'0' * 31}1-{'0' * 15}1-01"
    for number in range(100):  # nested calls, with a request id each, are one story
        with running_call(current()._replace(request_id=f"r{number}", traceparent=trace)):
            logger.info("nested")
    assert len(capsys.readouterr().out.splitlines()) in (0, 100)
    assert set(began) < {request for request, message in written(0.5) if message == "began"}


def test_the_running_call_is_known_only_while_it_runs() -> None:
    """Before and after a call there is no running one."""
    with pytest.raises(LookupError, match="only while"):
        current_invocation()
    with running_call(current()):
        assert current_invocation().endpoint_id == "acme"
        assert current_invocation().remaining_seconds() == float("inf")
    with pytest.raises(LookupError):
        current_invocation()


def test_a_log_record_has_a_bounded_length(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception may quote a whole payload; its two ends are kept."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(Settings())
        try:
            int("x" * 1_000_000, base=16)
        except ValueError:
            logging.getLogger("shop").exception("sold %s out", "y" * 1_000_000)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line = json.loads(capsys.readouterr().out)
    assert len(line["message"]) + len(line["traceback"]) < 2.1 * TEXT_LIMIT
    assert (line["message"][:5], line["message"][-5:]) == ("sold ", "y out")
