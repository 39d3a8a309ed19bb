"""Calls that must not run twice."""

from typing import Any

import pytest

from silvaengine.errors import InvocationError, NotStartedError, UnavailableError
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.protocol.messages import ExecutionRef, WorkerResponse
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.results import Outcome

from .conftest import World

CALL = {"id": "1", "once": True, "funct": "greet", "payload": {"a": 1}}


def work(world: World, response: WorkerResponse) -> WorkerResponse | None:
    """Run the call that was handed over last, as the worker does."""
    job = ExecutionRef(**world.invoker.sent[-1].payload["job"])
    runner = ExecutionRunner(world.ledger, PayloadStore(lambda: None, None), lambda: 0.0)
    return runner.run(job, 60.0, lambda _: Outcome.of(response), lambda **_: None)


def test_a_call_is_accepted_before_it_is_handed_on(world: World) -> None:
    """The ledger has its claim, the worker the call and the response's address."""
    assert world.say(CALL) == []
    (row,) = world.rows("se-executions")
    assert (row["state"], row["endpoint_id"], row["function"]) == ("accepted", "acme", "greet")
    assert "content" not in row
    assert "due_shard" not in row
    assert row["expires_at"] == int(world.now) + 86_400
    sent = world.payload
    assert sent["job"]["job_id"] == row["job_id"]
    assert sent["socket"]["message_id"] == "1"
    assert sent["body"] == '{"a":1}'


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (WorkerResponse("json", {"x": 1}), {"data": {"x": 1}}),
        (WorkerResponse("text", '{"x":  1}'), {"data": {"x": 1}}),
        (WorkerResponse("json", None), {"data": None}),
    ],
)
def test_a_repetition_gets_the_first_answer(world: World, response: WorkerResponse, expected: Any) -> None:
    """And no worker is asked a second time, whatever the connection."""
    world.say(CALL)
    work(world, response)
    for connection_id in ("c1", "c2"):
        said = world.enter(connection_id=connection_id)
        frames = world.say(CALL, said=said, connection_id=connection_id)
        assert frames == [{"id": "1", "funct": "greet", **expected}]
        assert world.api.posts[-1][0] == connection_id
    assert len(world.invoker.sent) == 1


def test_a_failure_is_an_answer_too(world: World) -> None:
    """The function's own words are given again."""
    world.say(CALL)
    work(world, WorkerResponse("error", "a teapot", 418, "FunctionError"))
    (frame,) = world.say(CALL)
    assert (frame["error"]["status"], frame["error"]["message"]) == (418, "a teapot")


def test_refused_parameters_are_an_answer_with_details(world: World) -> None:
    """As the first call's error frame had them."""
    details = [{"in": "body", "path": "/a", "message": "Required", "value_type": "absent"}]
    world.say(CALL)
    work(world, WorkerResponse("error", "see details", 422, "InvalidArgumentsError", details))
    (frame,) = world.say(CALL)
    assert (frame["error"]["status"], frame["error"]["details"]) == (422, details)


def test_a_functions_error_is_an_answer_with_its_code(world: World) -> None:
    """A repetition's frame has code, details and status, as the first call's had them."""
    world.say(CALL)
    work(world, WorkerResponse("error", "few", 409, "FunctionError", {"left": 1}, "out_of_stock"))
    (frame,) = world.say(CALL)
    problem = frame["error"]
    assert (problem["status"], problem["code"], problem["details"]) == (409, "out_of_stock", {"left": 1})


@pytest.mark.parametrize(
    ("status", "expected"), [(200, {"data": "gone"}), (410, {"error": {"status": 410, "message": "gone"}})]
)
def test_a_proxy_response_is_unpacked_again(world: World, status: int, expected: Any) -> None:
    """A repetition gets what the first call's frame had."""
    world.say(CALL)
    work(world, WorkerResponse("json", {"statusCode": status, "body": "gone"}))
    (frame,) = world.say(CALL)
    frame.get("error", {}).pop("request_id", None)
    assert frame == {"id": "1", "funct": "greet", **expected}


def test_a_repetition_meanwhile_is_told_so(world: World) -> None:
    """A repetition is told that the call is under way, whether a worker has begun or not."""
    world.say(CALL)
    (frame,) = world.say(CALL)
    assert frame["error"]["status"] == 409
    world.ledger.begin(ExecutionRef(**world.invoker.sent[-1].payload["job"]), 60)
    (frame,) = world.say(CALL)
    assert "still in progress" in frame["error"]["message"]
    assert len(world.invoker.sent) == 1


def test_an_event_that_was_lost_is_handed_on_again(world: World) -> None:
    """Nobody claimed it in its time, so that nothing ran; and the lost one can't run any more."""
    world.say(CALL)
    lost = ExecutionRef(**world.invoker.sent[-1].payload["job"])
    world.now += 91
    assert world.say(CALL) == []
    assert work(world, WorkerResponse("json", 1)) is not None
    runner = ExecutionRunner(world.ledger, PayloadStore(lambda: None, None), lambda: 0.0)
    assert runner.run(lost, 60.0, lambda _: Outcome.of(WorkerResponse("json", 2)), lambda **_: None) is None


@pytest.mark.parametrize(("config", "runs"), [({}, 1), ({"on_lost": "fail"}, 1), ({"on_lost": "retry"}, 2)])
def test_a_worker_that_vanished(world: World, config: dict[str, str], runs: int) -> None:
    """Only where its function says so the call runs again when nobody knows what became of it."""
    world.add("greet", config=config)
    world.say(CALL)
    world.ledger.begin(ExecutionRef(**world.invoker.sent[-1].payload["job"]), 60)
    world.now += 600
    frames = world.say(CALL)
    assert len(world.invoker.sent) == runs
    if runs == 1:
        assert frames[0]["error"]["status"] == 409
        assert "is unknown" in frames[0]["error"]["message"]


def test_a_call_that_runs_longer_than_results_are_kept_is_not_forgotten(world: World) -> None:
    """A repetition runs nothing while an attempt, also one after a vanished worker, may still run."""
    world.add("greet", config={"keep_seconds": 60, "on_lost": "retry"})
    world.say(CALL)
    for attempt in range(1, 4):
        world.now += 59  # the worker begins late
        world.ledger.begin(ExecutionRef(**world.invoker.sent[-1].payload["job"]), 300)
        world.now += 314
        (frame,) = world.say(CALL)
        assert frame["error"]["status"] == 409
        world.now += 2
        assert world.say(CALL) == []
        assert len(world.invoker.sent) == attempt + 1
    (row,) = world.rows("se-executions")
    assert row["fence"] == 4, "it is the same execution"


def test_one_id_is_one_call(world: World) -> None:
    """Other words under a used id are refused."""
    world.say(CALL)
    (frame,) = world.say({**CALL, "payload": {"a": 2}})
    assert frame["error"]["status"] == 422


@pytest.mark.parametrize("change", [{"funct": "other"}, {"id": "2"}])
def test_another_id_or_function_is_another_call(world: World, change: dict[str, str]) -> None:
    """Each has its own row."""
    world.add("other")
    world.say(CALL)
    world.say(CALL | change)
    assert len(world.invoker.sent) == 2
    assert len(world.rows("se-executions")) == 2


def test_another_caller_s_id_is_another_call(world: World) -> None:
    """Two keys of a tenant don't meet."""
    world.say(CALL)
    public = world.enter(query={"endpointId": "acme", "area": "core"})
    assert world.say(CALL, said=public) == []
    assert len(world.invoker.sent) == 2


@pytest.mark.parametrize("failure", [UnavailableError("busy"), NotStartedError("no")])
def test_what_could_not_be_started_is_forgotten(world: World, failure: Exception) -> None:
    """The sender is told, and may try again at once."""
    world.invoker.result = failure
    (frame,) = world.say(CALL)
    assert frame["error"]["status"] in {502, 503}
    world.invoker.result = None
    world.now += 1
    assert world.say(CALL) == []
    assert work(world, WorkerResponse("json", 1)) is not None


def test_what_may_have_been_started_is_not(world: World) -> None:
    """A repetition must not run beside it."""
    world.invoker.result = InvocationError("The connection broke")
    world.say(CALL)
    world.invoker.result = None
    (frame,) = world.say(CALL)
    assert "still in progress" in frame["error"]["message"]


def test_an_answer_that_no_frame_can_hold_is_told(world: World) -> None:
    """What lies in the bucket is too large for a socket."""
    world.say(CALL)
    job = ExecutionRef(**world.invoker.sent[-1].payload["job"])
    owner = world.ledger.begin(job, 60)
    world.ledger.settle(job, owner, "succeeded", {"result_at": "results/x"})
    (frame,) = world.say(CALL)
    assert frame["error"]["status"] == 413


def test_two_repetitions_start_it_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that see the same lost event only the first one hands the call on."""
    world.say(CALL)
    world.now += 91
    usual = world.ledger.take_over_for_event

    def faster(first: Any) -> Any:
        usual(first)  # another instance's
        return usual(first)

    monkeypatch.setattr(world.ledger, "take_over_for_event", faster)
    (frame,) = world.say(CALL)
    assert "still in progress" in frame["error"]["message"]
    assert len(world.invoker.sent) == 1
