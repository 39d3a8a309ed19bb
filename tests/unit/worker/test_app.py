"""What the worker returns and what it logs, and what neither may contain."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from contextvars import Context
from decimal import getcontext
from typing import Any, NoReturn, override

import pytest

from silvaengine.errors import FunctionError, RequestError, SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import Handler
from silvaengine.protocol.messages import SYNC_LIMIT, WorkerResponse
from silvaengine_worker.loader import Loader
from silvaengine_worker.process_state import DeadlinePassed
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.worker import Worker

from .conftest import no_replies

type Handle = Callable[..., Any]
type Notices = list[tuple[str, dict[str, Any]]]

REQUEST_ID = "f" * 32


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the one line of an invocation."""
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"service"' in text]
    assert len(lines) == 1
    return dict(lines[0])


def error(status: int, message: str, error_type: str) -> dict[str, Any]:
    """Return the payload of a failure."""
    return WorkerResponse("error", message, status, error_type).encode()


def test_a_call_finds_the_process_as_it_was(handle: Handle) -> None:
    """Environment, folder, logging, decimal context and context variables keep nothing of the last tenant."""

    def look_before_and_after() -> None:
        before = handle("plain:look", endpoint_id="globex")
        handle("plain:untidy", endpoint_id="acme")
        assert handle("plain:look", endpoint_id="globex") == before

    context = Context()
    context.run(look_before_and_after)
    context.run(getcontext)  # as a module may, when it is imported
    context.run(look_before_and_after)


def test_a_function_knows_its_call(handle: Handle) -> None:
    """``current_invocation()`` has ids, tenant, settings, limits and a logger."""
    response = handle("plain:whoami", settings={"a": 0.5}, endpoint_id="acme")
    assert response["value"] == {
        "request_id": REQUEST_ID,
        "endpoint_id": "acme",
        "area": "core",
        "function": "whoami",
        "attempt": 1,
        "settings": {"a": 0.5},
        "logger": "sample_functions.plain",
        "has_deadline": True,
    }


def test_a_call_of_the_predecessor_is_identified_by_its_parameters(handle: Handle) -> None:
    """Without ``invocation`` the parameters name the tenant, and Lambda's id is the request id."""
    response = handle("plain:whoami", params={"endpoint_id": "acme", "area": "core"}, invocation=False)
    assert (response["endpoint_id"], response["area"], response["request_id"]) == (
        "acme",
        "core",
        "lambda-request",
    )


def test_a_function_without_any_limit_has_no_deadline(handler: Handler, payload: Callable[..., Any]) -> None:
    """Outside of Lambda, with no deadline in the call, nothing ends a function."""
    response: Any = handler(payload("plain:whoami", deadline=None), None)
    assert response["value"]["has_deadline"] is False


@pytest.mark.parametrize(
    ("function", "result"),
    [("plain:nothing", None), ("classes:Bare.tell", "bare"), ("plain:count", [0, 1, 2])],
)
def test_the_predecessors_callers_get_the_bare_result(handle: Handle, function: str, result: Any) -> None:
    """Without ``invocation`` the response is the function's own value."""
    assert handle(function, invocation=False) == result


@pytest.mark.parametrize(
    ("function", "kind"),
    [("plain:refuse", FunctionError), ("plain:crash", RuntimeError), ("plain:strict", RequestError)],
)
def test_the_predecessors_callers_get_the_exception(
    handle: Handle, function: str, kind: type[Exception]
) -> None:
    """Without ``invocation`` a failure is raised, as Lambda's own callers expect."""
    with pytest.raises(kind):
        handle(function, invocation=False)


@pytest.mark.parametrize(
    ("function", "params", "response"),
    [
        ("plain:refuse", {}, error(418, "a teapot", "FunctionError")),
        ("plain:refuse", {"status": 200}, error(500, "a teapot", "FunctionError")),
        ("plain:refuse", {"status": "404"}, error(500, "a teapot", "FunctionError")),
        ("plain:refuse", {"message": "\ud800"}, error(418, "\\ud800", "FunctionError")),
        ("plain:crash", {}, error(500, "Function 'crash' failed", "RuntimeError")),
        ("plain:call_another", {}, error(502, "Function 'another' failed", "CallError")),
        ("plain:leave", {}, error(500, "Function 'leave' failed", "SystemExit")),
        ("plain:absent", {}, error(500, "Function 'absent' isn't available", "ConfigurationError")),
        (
            "plain:strict",
            {"a": "1", "c": "2"},
            error(400, "Function 'strict' has no parameter 'c'", "RequestError"),
        ),
    ],
)
def test_a_failure_is_an_answer_with_a_status(
    handle: Handle, function: str, params: dict[str, Any], response: dict[str, Any]
) -> None:
    """A FunctionError keeps its message; of any other the client learns only that the function failed."""
    assert handle(function, params=params) == response


def test_a_message_of_any_length_still_arrives(handle: Handle) -> None:
    """An error's text is cut, so that the response isn't lost for its size."""
    response = handle("plain:refuse", params={"message": "x" * SYNC_LIMIT})
    assert (response["status"], response["value"]) == (418, "x" * 16_384)


def test_lambdas_own_limit_ends_a_function_like_a_deadline(handle: Handle, lambda_context: Any) -> None:
    """The response is returned before Lambda ends the process."""
    response = handle("plain:stubborn", context=lambda_context(milliseconds=350))
    assert response == error(504, "The function didn't finish in time", "DeadlineError")


def test_a_result_over_six_megabytes_is_refused(handle: Handle) -> None:
    """The size counts with the members that the worker adds, and the client is told the limit."""
    response = handle("plain:anything", params={"value": "x" * SYNC_LIMIT})
    assert response["status"] == 500
    assert f"more than the limit of {SYNC_LIMIT}" in response["value"]


def test_a_leaving_function_doesnt_end_the_process(handle: Handle) -> None:
    """``sys.exit()`` in a function is its failure, not the worker's."""
    with pytest.raises(SilvaEngineError, match="Function 'leave' failed"):
        handle("plain:leave", invocation=False)


def test_an_alarm_at_the_very_end_is_a_deadline(payload: Any, lambda_context: Any, jobs: Any) -> None:
    """An alarm between the function's end and the response is a DeadlineError."""

    class LateWorker(Worker):
        @override
        def run(self, *_args: Any, **_limits: Any) -> NoReturn:
            raise DeadlinePassed

    server = CallServer(LateWorker(Loader([])), lambda: jobs, no_replies)
    response = create_handler(server, AlertPublisher(None))(payload("plain:nothing"), lambda_context())
    assert response == error(504, "The function didn't finish in time", "DeadlineError")


@pytest.mark.parametrize("invocation", [None, [], {"request_id": 1, "deadline": 4e9}])
def test_a_malformed_payload_is_refused_and_logged(
    handler: Handler, lambda_context: Any, capsys: pytest.CaptureFixture[str], invocation: Any
) -> None:
    """The message names the member, and the log line has the status."""
    event = {"MODULENAME": 1, "funct": "a", "invocation": invocation}
    if not invocation:
        with pytest.raises(RequestError, match="MODULENAME"):
            handler(event, lambda_context())
    else:
        response: Any = handler(event, lambda_context())
        assert response["status"] == 400
    assert line(capsys)["status"] == 400


def test_the_line_of_a_call_that_made_an_object_counts_those_made(
    handle: Handle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it stands in each line, more tenants are active than objects may be kept for."""
    counts = []
    for tenant in ("acme", "acme", "globex", "acme"):
        handle("classes:Silent.tell", settings={"table": "t"}, endpoint_id=tenant)
        counts.append(line(capsys).get("objects_made"))
    assert counts == [1, None, 2, None]


def test_one_line_per_invocation_and_no_payload_in_it(
    handle: Handle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Known defect: the predecessor printed payloads and settings; here the line has ids and times only."""
    handle("plain:echo", settings={"password": "hunter2"}, params={"secret": "swordfish"}, endpoint_id="acme")
    written = line(capsys)
    times = {name for name in written if name.endswith("_ms")}
    assert times == {"invoke_ms", "total_ms"}
    assert isinstance(written.pop("cold_start"), bool)
    assert len(written.pop("span_id")) == 16
    assert written.pop("memory_mb") == 0
    assert {name: value for name, value in written.items() if name not in times} == {
        "service": "worker",
        "request_id": REQUEST_ID,
        "endpoint_id": "acme",
        "area": "core",
        "function": "echo",
        "status": 200,
    }


def test_a_failure_is_logged_once_with_its_trace(
    handle: Handle, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback is logged with the client's request id."""
    handle("plain:crash", params={"text": "password=hunter2"})
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.request_id == REQUEST_ID  # type: ignore[attr-defined]
    assert record.exc_info
    assert "hunter2" in str(record.exc_info[1])
    assert line(capsys)["error_type"] == "RuntimeError"


def test_the_reason_of_a_configuration_error_is_in_the_log(
    handle: Handle, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads what the client must not."""
    handle("plain:getpid")
    assert (
        "Function 'getpid': <built-in function getpid> is defined in 'posix', not in an allowed package"
        in caplog.text
    )


def test_an_asynchronous_calls_failure_is_raised(handle: Handle) -> None:
    """Lambda sends the event to the dead-letter queue; a response would be lost."""
    with pytest.raises(RuntimeError):
        handle("plain:crash", deadline=None)
    with pytest.raises(FunctionError):
        handle("plain:refuse", deadline=None)


def test_a_failure_that_quotes_a_secret_is_raised_without_it(handle: Handle) -> None:
    """Lambda logs what is raised, with its causes: so another error is raised instead."""
    for members in ({"deadline": None}, {"invocation": False}):
        with pytest.raises(SilvaEngineError, match="Function 'crash' failed") as raised:
            handle("plain:crash", params={"text": "password=hunter2"}, **members)
        assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)


def test_a_gateway_that_waits_sends_the_alert(handle: Handle, notices: Notices) -> None:
    """One failure is one alert."""
    handle("plain:crash")
    assert notices == []


def test_an_asynchronous_calls_failure_is_an_alert(handle: Handle, notices: Notices) -> None:
    """The alert has no text of the exception, and is sent once in five minutes."""
    for _ in range(2):
        with pytest.raises(RuntimeError):
            handle("plain:crash", deadline=None)
    assert notices == [
        (
            "arn:aws:lambda:us-east-1:123456789012:function:worker",
            {
                "request_id": REQUEST_ID,
                "endpoint_id": "demo",
                "area": "core",
                "function": "crash",
                "status": 500,
                "error_type": "RuntimeError",
            },
        )
    ]


@pytest.mark.slow
def test_a_cold_start_loads_nothing_that_tenants_may_bring() -> None:
    """Tenants' requirements stand before the layer in any version, so the worker's start imports none."""
    program = "import silvaengine_worker.app, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    tenants = {
        "asyncio",
        "boto3",
        "botocore",
        "pynamodb",
        "yaml",
        "orjson",
        "hiredis",
        "diskcache",
        "pydantic",
    }
    assert tenants & set(loaded.stdout.split()) == set()
