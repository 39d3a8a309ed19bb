"""`silvaengine trace` on the log groups of a made-up stack, in moto."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.main import cli

from ..canaries import TEXTS, found_in
from ..collector import attributes, collector
from .log_groups import STACK, Written, written_logs

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
REQUEST, INNER = "1" * 32, "2" * 32
HTTP: dict[str, Any] = {
    "service": "http", "cold_start": True, "request_id": REQUEST, "span_id": "a" * 16, "trace_id": TRACE,
    "parent_id": CALLER, "method": "POST", "area": "core", "endpoint_id": "acme", "function": "order",
    "status": 500, "error": "InvocationError", "resolve_ms": 3.5, "invoke_ms": 90.0, "total_ms": 100.0,
}  # fmt: skip
WORKER: dict[str, Any] = {
    "service": "worker", "cold_start": False, "request_id": REQUEST, "span_id": "b" * 16, "trace_id": TRACE,
    "parent_id": "a" * 16, "endpoint_id": "acme", "area": "core", "function": "order", "package": "shop",
    "release": 7, "status": 500, "error_type": "KeyError", "total_ms": 80.0,
}  # fmt: skip
TASKS: dict[str, Any] = {
    "service": "tasks", "request_id": INNER, "span_id": "c" * 16, "trace_id": TRACE, "parent_id": "b" * 16,
    "source": "direct", "endpoint_id": "acme", "function": "stock", "status": 200, "total_ms": 20.0,
}  # fmt: skip
TRACEBACK = 'Traceback (most recent call last):\n  File "/var/task/shop.py", line 3, in order\nKeyError: 1'
FAILED = {"level": "ERROR", "logger": "x", "message": "It failed", "request_id": REQUEST, "trace_id": TRACE}
OTHER = {**WORKER, "request_id": "3" * 32, "span_id": "d" * 16, "status": 200}

type Trace = Callable[..., Result]


@pytest.fixture
def written(moto_url: str) -> Iterator[Written]:
    """The stack's log groups, with a request that failed ten seconds ago, and one of another trace."""
    with written_logs(Deployment(stack=STACK, endpoint_url=moto_url).client("logs")) as written:
        other = {name: value for name, value in OTHER.items() if name not in ("trace_id", "parent_id")}
        written.put_records("Worker", other, later=-11_000)
        written.put_records("Tasks", TASKS, later=-10_030)
        told = [{**FAILED, "message": text} for kind, text in TEXTS.items() if kind != "setting"]
        written.put_records(
            "packages/shop", {**FAILED, "traceback": TRACEBACK}, *told, WORKER, later=-10_011 - len(told)
        )
        written.put_records("HttpGateway", HTTP, later=-10_000)
        yield written


@pytest.fixture
def trace(moto_url: str) -> Trace:
    """Run `silvaengine trace` with arguments."""

    def run(*arguments: str) -> Result:
        command = ["trace", *arguments, "--stack", STACK, "--endpoint-url", moto_url]
        return CliRunner(mix_stderr=False).invoke(cli, command, env={"COLUMNS": "100"})

    return run


def test_a_story_is_told_in_order(written: Written, trace: Trace) -> None:
    """Callers before what they called; below each what it logged."""
    lines = trace(REQUEST).stdout.splitlines()
    assert lines[0] == f"trace {TRACE}"
    assert lines[1].endswith(", 100 ms, 3 spans of 3 Lambdas")
    assert lines[3:6] == [
        "        0    100.0 500 POST /core/acme/order",
        "                       HttpGateway, cold, resolve 3.5 ms, invoke 90 ms, InvocationError",
        "       10     80.0   500 worker /core/acme/order",
    ]
    assert lines[6].strip() == "packages/shop, warm, shop@7, KeyError"
    assert lines[7:12] == ["  It failed", f"request {REQUEST}", *TRACEBACK.splitlines()]
    assert lines[-2].split(None, 2) == ["50", "20.0", "200 direct /-/acme/stock"]


@pytest.mark.parametrize("wanted", [REQUEST, TRACE, INNER])
def test_each_id_leads_to_the_trace(written: Written, trace: Trace, wanted: str) -> None:
    """The request's, the trace's, that of a call within; no other trace is in it."""
    story = json.loads(trace(wanted, "--json").stdout)
    assert story["trace_id"] == TRACE
    assert [(each["depth"], each["span_id"][0]) for each in story["spans"]] == [(0, "a"), (1, "b"), (2, "c")]
    assert story["spans"][1]["line"] == WORKER
    assert len(story["spans"][1]["records"]) == len(TEXTS)


def test_an_id_that_nothing_is_known_of_is_an_error(written: Written, trace: Trace) -> None:
    """It says what to try; an id that is cut off or none is refused by name."""
    done = trace("9" * 32, "--table-prefix", "none-")
    assert done.exit_code == 1
    for bad in ("1" * 8, 'x" || "' + "1" * 16):
        refused = trace(bad)
        assert (refused.exit_code, "expected the id of a request" in refused.stderr) == (2, True)


def test_no_canary_comes_out(written: Written, trace: Trace) -> None:
    """What functions log is shown without what looks like a secret, to people, machines and collectors."""
    with collector() as collected:
        for arguments in ([REQUEST], [REQUEST, "--json"], [REQUEST, "--otlp", collected.url]):
            done = trace(*arguments)
            assert done.exit_code == 0
            assert "It failed" in done.stdout
            assert found_in(done.output + done.stderr) == []
        assert found_in(str(collected.spans)) == []


def test_a_collector_gets_all_of_a_time(written: Written, trace: Trace) -> None:
    """Every span, of whatever trace, in the protocol's form."""
    with collector() as collected:
        done = trace("export", "--since", "1m", "--otlp", collected.url, "--json")
        assert json.loads(done.stdout) == {"sent": 4}
    spans = {span.span_id.hex()[0]: (about, span) for about, span in collected.spans}
    assert spans.keys() == set("abcd")
    about, span = spans["b"]
    assert (about["faas.name"], about["service.namespace"]) == ("packages/shop", STACK)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.name) == (TRACE, "a" * 16, "order")
    assert {"silvaengine.release": 7, "error.type": "KeyError"}.items() <= attributes(span).items()
    assert [event.name for event in span.events[:2]] == ["exception", "log"]
    _, root = spans["a"]
    assert root.name == "POST /core/{endpoint_id}/order"
    assert attributes(root)["http.response.status_code"] == 500


@pytest.mark.parametrize(
    "members",
    [
        {"span_id": "é"}, {"trace_id": "x"}, {"parent_id": "0"}, {"request_id": "", "trace_id": ""},
        {"meters": {"tokens": float("inf")}}, {"big": 10**30}, {"text": "\ud800"},
        {"none": None, "deep": [{}]},
    ],
)  # fmt: skip
def test_one_line_spoils_no_export(members: dict[str, Any], written: Written, trace: Trace) -> None:
    """Code may write lines with whatever members: a collector takes what is sent, the others' spans too."""
    written.put_records("Worker", {**OTHER, "span_id": "e" * 16, **members}, later=-9_000)
    with collector() as collected:
        done = trace("export", "--since", "1m", "--otlp", collected.url)
        assert done.exit_code == 0, done.output
    assert {span.span_id.hex()[0] for _, span in collected.spans} >= set("abcd")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"partialSuccess": {"rejectedSpans": "2"}}, "refused 2 of 4 spans"),
        ({"partialSuccess": {}}, "sent 4"),
    ],
)
def test_what_a_collector_refuses_is_an_error(
    written: Written, trace: Trace, answer: dict[str, Any], said: str
) -> None:
    """A part of it as well; nothing is called sent that isn't."""
    with collector() as collected:
        collected.answer = answer
        done = trace("export", "--otlp", collected.url)
        assert said in done.output + done.stderr
    unreachable = trace("export", "--otlp", collected.url)
    assert unreachable.exit_code == 1
    wrong = trace("export", "--otlp", "localhost:4318")
    assert (wrong.exit_code, "--otlp" in wrong.stderr) == (2, True)
