"""What a log line says that its tenant used."""

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine_tasks.usage.counting import MOST_METERS, NOBODY, Line, Owner, Usage, read_line
from silvaengine_tasks.usage.log_events import LogEvents
from silvaengine_tasks.usage.rows import item_key
from silvaengine_tasks.usage_app import create_handler

from ...canaries import CANARIES, found_in

IDS = {"request_id": "r", "endpoint_id": "acme", "area": "core", "function": "ask", "status": 200}
ACME = Owner("acme", "ask")
UNNAMED, NONE = Owner("acme", "-"), Owner(NOBODY, "-")


def read(**record: Any) -> Line:
    """Read a line of 12.34 ms at 512 MB."""
    text = json.dumps({"cold_start": False, "memory_mb": 512, "total_ms": 12.34, **record})
    line = read_line(text, record["service"])
    assert line is not None
    return line


def own(line: Line) -> dict[str, int]:
    """Return the amounts beside those of any Lambda."""
    every = {"invocations", "mb_us", "log_bytes"}
    return {name: amount for name, amount in line.amounts.items() if amount and name not in every}


def test_a_line_of_any_lambda_has_its_memory_times_its_time() -> None:
    """In whole numbers, so that a sum is exact in any order; and what CloudWatch bills of the line."""
    message = json.dumps({"service": "sweeper", "total_ms": 12.34, "memory_mb": 256, "name": "é"})
    line = read_line(message, "sweeper")
    assert line == Line(NONE, {"invocations": 1, "mb_us": 12_340 * 256, "log_bytes": len(message) + 26}, {})


@pytest.mark.parametrize(
    ("members", "amounts"),
    [
        ({}, {"calls": 1}),
        ({"status": 422}, {"calls": 1, "errors": 1}),
        ({"job_id": "j", "attempt": 1}, {"calls": 1, "jobs": 1}),
        ({"job_id": "j", "attempt": 2}, {"calls": 1}),
    ],
)
def test_a_workers_line_is_a_call(members: dict[str, Any], amounts: dict[str, int]) -> None:
    """A further attempt of a job is a call, and no job."""
    line = read(service="worker", **{**IDS, **members})
    assert (line.owner, own(line)) == (ACME, {**amounts, "worker_us": 12_340, "worker_mb_us": 12_340 * 512})


def test_a_duplicate_delivery_is_no_call() -> None:
    """No function ran, but its Lambda did."""
    line = read(service="worker", **IDS, job_id="j", attempt=1, duplicate=True)
    assert own(line) == {}
    assert line.amounts["invocations"] == 1


@pytest.mark.parametrize(
    ("members", "owner"),
    [
        ({"key_id": "-", "invoke_ms": 1}, ACME),
        ({"key_id": "-", "status": 404}, UNNAMED),  # the function's name is the client's
        ({"status": 403}, NONE),  # and so is the tenant's
    ],
)
def test_a_request_counts_for_whom_it_was_admitted_to(members: dict[str, Any], owner: Owner) -> None:
    """A path may name any tenant, and whoever sends such requests makes no rows."""
    line = read(service="http", method="GET", **{**IDS, **members}, bytes_in=3, bytes_out=20)
    assert (line.owner, own(line)) == (owner, {"requests": 1, "bytes_in": 3, "bytes_out": 20})


@pytest.mark.parametrize("kind", CANARIES)
def test_t13_no_secret_that_a_client_sends_is_in_usage(kind: str) -> None:
    """Neither as a tenant, nor as a function, nor as anything else of a line, wherever it was put."""
    secret = CANARIES[kind]
    for members in (
        {"endpoint_id": secret, "function": secret, "error": secret, "status": 404},
        {"endpoint_id": "acme", "function": secret, "key_id": secret, "principal": secret, "status": 404},
    ):
        line = read(service="http", method=secret, **members)
        assert found_in(repr(line)) == []


@pytest.mark.parametrize(
    ("members", "owner", "amounts"),
    [
        ({"route": "$default", "invoke_ms": 1, "bytes_in": 9}, ACME, {"messages": 1, "bytes_in": 9}),
        ({"route": "$connect"}, UNNAMED, {}),
        ({"route": "authorizer", "policy": "Deny"}, NONE, {}),
        ({"route": "authorizer", "policy": "Allow"}, UNNAMED, {}),
    ],
)
def test_a_message_counts_and_a_handshake_only_takes_time(
    members: dict[str, Any], owner: Owner, amounts: dict[str, int]
) -> None:
    """A denied handshake names whom it likes."""
    line = read(service="websocket", **{**IDS, **members})
    assert (line.owner, own(line)) == (owner, amounts)


def test_a_broadcast_counts_whom_it_reached() -> None:
    """Its tenant is known once its token was checked."""
    assert own(read(service="broadcaster", **IDS, sent=12, gone=1)) == {"pushes": 12}
    assert read(service="broadcaster", **IDS).owner == NONE


@pytest.mark.parametrize(
    "message",
    [
        "START RequestId: 1", "", "{", "[]", "1", "null", '{"level": "INFO", "message": "x"}',
        '{"total_ms": 1}', '{"service": {}, "total_ms": 1}', "[" * 100_000,
        '{"service": "http", "total_ms": 1, "method": "GET", "key_id": "k", "endpoint_id": "victim"}',
        '{"service": "worker", "total_ms": 1e9999999999999999999}',
    ],
)  # fmt: skip
def test_what_is_no_line_counts_nothing(message: str) -> None:
    """Logs have records, Lambda's own lines and what functions print."""
    assert read_line(message, "worker") is None


@pytest.mark.parametrize(
    "members",
    [
        {"total_ms": "x"}, {"total_ms": -1}, {"total_ms": True}, {"memory_mb": []}, {"meters": 3},
        {"status": "x"}, {"meters": {"tokens": "many"}}, {"endpoint_id": 1, "function": {}},
        {"attempt": "1", "job_id": 1},
        {"endpoint_id": "é" * 1000, "function": "x" * 1000},
        {"endpoint_id": "\ud800", "meters": {"\ud800": 1}},
        {"total_ms": 10**400}, {"total_ms": 2**53, "memory_mb": 2**53}, {"total_ms": float("inf")},
        {"meters": {"tokens": 5e-324, "more": 10**40}}, {"meters": {"tokens": 2**53 - 0.5}},
    ],
)  # fmt: skip
def test_a_line_that_a_function_made_up_breaks_nothing(members: dict[str, Any]) -> None:
    """It prints where the worker writes: amounts are never negative, and names fit into a key."""
    line = read(**{"service": "worker", **IDS, **members})
    assert min(line.amounts.values()) >= 0
    assert min(line.meters.values(), default=0) >= 0
    assert len(item_key(line.owner.endpoint_id, 500_000, line.owner.function, "s" * 128).encode()) <= 1024
    assert max(line.amounts.values()) < 10**20  # sums have 38 digits at most, or the row can't be written
    assert all(amount.adjusted() >= -13 for amount in line.meters.values())
    assert "".join(line.meters).isascii()


def test_meters_add_up_exactly_and_are_bounded() -> None:
    """Ten tenths are one; of too many names the rest counts as ``other``."""
    usage = Usage()
    for _ in range(10):
        usage.add({}, read(service="worker", **IDS, meters={"tokens": 0.1}).meters)
    assert usage.meters == {"tokens": Decimal(1)}
    for number in range(2 * MOST_METERS):
        usage.add({}, {f"m{number}": Decimal(1)})
    assert len(usage.meters) == MOST_METERS + 1
    assert sum(usage.meters.values()) == 2 * MOST_METERS + 1


def test_a_full_page_without_a_token_is_read_in_halves() -> None:
    """The local engine gives the first 10,000 lines, and says nothing of more."""
    events = [{"timestamp": number // 9, "message": str(number)} for number in range(25_000)]

    def call(_: str, request: Any, __: str, *, repeatable: bool) -> dict[str, Any]:
        start, end = request["startTime"], request["endTime"]
        return {"events": [event for event in events if start <= event["timestamp"] <= end][:10_000]}

    logs = LogEvents(lambda: SimpleNamespace(call=call), "silvaengine")
    read = [event.message for event in logs.read("group", 0, 10_000)]
    assert read == [event["message"] for event in events]


def test_the_handler_stops_before_lambda_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    """It begins an hour only if there are four minutes for it, and its line says what was done."""

    class Hours:
        def run(self, has_time: Any) -> dict[str, int]:
            return {"hours": next(number for number in range(9) if not has_time()), "rows": 0}

    hours: Any = Hours
    left = iter([900_000, 500_000, 240_001, 240_000])
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: next(left))
    assert create_handler(hours)({}, context) == {"hours": 3, "rows": 0}
    line = json.loads(capsys.readouterr().out)
    assert (line["service"], line["hours"], line["status"]) == ("usage", 3, 200)
