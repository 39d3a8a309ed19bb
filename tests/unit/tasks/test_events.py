"""What becomes of each source's events: every record once, or back where it came from."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.errors import InvocationError, LoopError, RequestError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import WorkerResponse
from silvaengine_tasks.records import BatchItem
from silvaengine_tasks.sources.direct import DirectSource
from silvaengine_tasks.sources.s3 import S3Source
from silvaengine_tasks.sources.sqs import SqsSource

from .world import NOW, QUEUE, World, message, stored


@pytest.fixture
def world() -> World:
    """Return a new world."""
    return World()


def test_one_poisoned_message_goes_back_alone(world: World) -> None:
    """Of ten messages with the fourth poisoned nine are done once, also after three more deliveries."""
    batch = [message(n, poison=n == 4) for n in range(10)]
    assert world.sqs(*batch) == ["m4"]
    for _ in range(3):
        assert world.sqs(*batch) == ["m4"]
    done = sorted(params["n"] for params in world.ran if not params["poison"])
    assert done == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert "acme" in world.notices[0]
    assert world.subjects == ["arn"]
    assert "poison" not in world.notices[0].replace("ValueError", "")


def test_independent_messages_run_side_by_side(world: World) -> None:
    """A batch of ten with a function of 100 ms takes less than half of what one after the other would."""
    world.pause = 0.1
    started = time.perf_counter()
    assert world.sqs(*(message(n) for n in range(10))) == []
    assert time.perf_counter() - started < 0.5


def test_a_fifo_group_stops_at_its_first_failure(world: World) -> None:
    """The failed and all later of its group go back; another group goes on, each in order."""
    batch = [message(n, group="a" if n % 2 else "b", poison=n == 3) for n in range(8)]
    assert world.sqs(*batch) == ["m3", "m5", "m7"]
    ran = [params["n"] for params in world.ran]
    assert [n for n in ran if n % 2] == [1, 3]
    assert [n for n in ran if not n % 2] == [0, 2, 4, 6]


def test_a_fifo_group_goes_on_after_the_last_receive_of_what_failed(world: World) -> None:
    """Those behind it were received as often: they would be dead with it, and were never called."""
    world.most_receives = 5
    assert world.sqs(*(message(n, group="a", receives=4, poison=not n) for n in range(4))) == [
        "m0", "m1", "m2", "m3"
    ]  # fmt: skip
    batch = [message(n, group="a", receives=5, poison=n in (0, 2)) for n in range(4)]
    assert world.sqs(*batch) == ["m0", "m2"]
    assert [params["n"] for params in world.ran] == [0, 0, 1, 2, 3]


def test_a_fifo_group_stops_again_at_a_message_that_comes_again(world: World) -> None:
    """A message that joined the group later has receives left, and keeps its followers behind it."""
    world.most_receives = 5
    batch = [message(n, group="a", receives=5 - n, poison=n < 2) for n in range(4)]
    assert world.sqs(*batch) == ["m0", "m1", "m2", "m3"]
    assert [params["n"] for params in world.ran] == [0, 1]


def test_a_fifo_group_waits_for_a_message_in_progress_even_after_its_last_receive(world: World) -> None:
    """It has not failed, and its followers must not overtake it."""
    world.most_receives, world.dies = 5, True
    assert world.sqs(message(0, group="a", receives=4)) == ["m0"]
    world.dies = False
    assert world.sqs(*(message(n, group="a", receives=5) for n in range(2))) == ["m0", "m1"]
    assert world.ran == []


@pytest.mark.parametrize("denied", [False, True])
def test_a_fifo_group_stops_where_no_last_receive_is_known(world: World, denied: bool) -> None:
    """Without a dead-letter queue, or without the right to read the policy, order comes first."""
    world.is_policy_denied = denied
    batch = [message(n, group="a", receives=500, poison=not n) for n in range(2)]
    assert world.sqs(*batch) == ["m0", "m1"]
    assert [params["n"] for params in world.ran] == [0]


def test_a_message_in_progress_waits_for_the_other_delivery(world: World) -> None:
    """It goes back without a run, and isn't received again before the lease's end."""
    world.dies = True
    assert world.sqs(message(1)) == ["m1"]
    world.dies = False
    assert world.sqs(message(1)) == ["m1"]
    assert world.hidden == [(QUEUE, "r1", 315)]
    assert world.ran == []
    world.now += 316
    assert world.sqs(message(1)) == []
    assert len(world.ran) == 1


def test_a_message_waits_for_the_delivery_in_progress_though_another_function_failed(world: World) -> None:
    """It would only come back to the one that is in progress; the failed one is called with it then."""
    world.bind("queue:work", "f", "g")
    world.missing, world.dies = {"missing", "g"}, True
    assert world.sqs(message(1)) == ["m1"]
    assert world.hidden == []
    assert world.sqs(message(1)) == ["m1"]
    assert world.hidden == [(QUEUE, "r1", 315)]
    world.missing, world.dies, world.now = set(), False, NOW + 316
    assert world.sqs(message(1)) == []
    assert world.called == ["f", "g"]


def test_a_function_that_must_not_run_twice_does_not(world: World) -> None:
    """With on_lost fail, a lapsed lease means that the outcome is unknown: every delivery fails."""
    world.config, world.dies = {"on_lost": "fail"}, True
    world.sqs(message(1))
    world.dies, world.now = False, NOW + 400
    assert world.sqs(message(1)) == ["m1"]
    assert world.sqs(message(1)) == ["m1"]
    assert world.ran == []


def test_a_function_that_must_not_run_twice_does_not_after_a_failure_either(world: World) -> None:
    """It may have had its effect before it failed; the message goes back until its queue gives it up."""
    world.config = {"on_lost": "fail"}
    for _ in range(3):
        assert world.sqs(message(1, poison=True)) == ["m1"]
    assert len(world.ran) == 1


def test_what_could_not_start_starts_at_the_next_delivery(world: World) -> None:
    """A throttled worker leaves no claim behind that would make the message wait."""
    world.config, world.refuses = {"on_lost": "fail"}, True
    assert world.sqs(message(1)) == ["m1"]
    world.refuses = False
    assert world.sqs(message(1)) == []
    assert world.hidden == []


def test_without_time_nothing_is_started(world: World) -> None:
    """What can't start in the time left goes back instead of being cut off."""
    world.seconds = 5.5
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    assert world.ran == []


def test_a_message_that_leads_to_no_function_fails(world: World) -> None:
    """Neither a missing function nor missing attributes pass for success."""
    bare = {**message(2), "messageAttributes": {}}
    assert world.sqs(message(1, funct="missing"), bare, message(3)) == ["m1", "m2"]
    assert world.sqs(bare, {**bare, "messageId": "m4"}) == ["m2", "m4"]


@pytest.mark.parametrize("name", ["a b", "a+b", "ü😀", "100%", "%2F", "plain"])
def test_keys_are_decoded_once(name: str) -> None:
    """Spaces, plus, unicode and percent signs arrive as stored."""
    world = World()
    (record,) = S3Source(world.functions, world.bindings).read_calls(
        BatchItem(stored(f"acme/load/{name}:x/when:10:30/{name}.csv"))
    )
    assert (record.endpoint_id, record.function) == ("acme", "load")
    assert record.params == {
        "bucket": "b", "key": f"acme/load/{name}:x/when:10:30/{name}.csv", "id": name,
        name: "x", "when": "10:30",
    }  # fmt: skip


def test_every_object_of_an_event_is_served_and_once(world: World) -> None:
    """Three records are three calls; when one fails the event fails, and a retry runs that one alone."""
    with pytest.raises(InvocationError, match="1 of 3"):
        world.s3("acme/f/1.csv", "acme/missing/2.csv", "acme/f/3.pdf")
    with pytest.raises(InvocationError):
        world.s3("acme/f/1.csv", "acme/missing/2.csv", "acme/f/3.pdf")
    assert sorted(params["id"] for params in world.ran) == ["1", "3"]


def test_a_direct_call_answers_and_keeps_its_tenant(world: World) -> None:
    """The function's result is the response, and params can't name another tenant."""
    event: Any = {"endpoint_id": "acme", "funct": "f", "params": {"endpoint_id": "evil", "a": 1}}
    response = DirectSource(world.functions).serve(event, world, InvocationLog("tasks"))
    assert response == {"got": {"endpoint_id": "acme", "a": 1}}


def ask(world: World, **members: Any) -> WorkerResponse:
    """Call directly as ``silvaengine_utility.calls`` does: with the caller's deadline."""
    event = {"endpoint_id": "acme", "funct": "f", "deadline": 4e9, **members}
    return WorkerResponse.decode(DirectSource(world.functions).serve(event, world, InvocationLog("tasks")))


def test_a_direct_caller_that_waits_gets_the_status(world: World) -> None:
    """Errors are answers then, with the status and the message for clients."""
    assert ask(world, params={"a": 1}) == WorkerResponse("json", {"got": {"endpoint_id": "acme", "a": 1}})
    missing = WorkerResponse("error", "Function 'missing' does not exist", 404, "NotFoundError")
    assert ask(world, funct="missing") == missing
    failed = ask(world, params={"poison": True})
    assert (failed.kind, failed.status, failed.value) == ("error", 500, "The function failed: poisoned")
    assert (failed.code, failed.details) == ("poisoned", {"left": 1})


def test_calls_between_functions_are_counted(world: World) -> None:
    """The worker is told how many led to it, by a direct call and by a queue; the ninth is refused."""
    ask(world, hops=8)
    counted = message(1)
    counted["messageAttributes"]["hops"] = {"stringValue": "8", "dataType": "String"}
    assert world.sqs(counted, message(2)) == []
    assert sorted(world.hops) == [0, 8, 8]
    too_many = ask(world, hops=9)
    assert (too_many.status, too_many.error_type) == (508, "LoopError")
    assert "more than 8 times; this looks like a loop" in too_many.value
    with pytest.raises(LoopError):
        DirectSource(world.functions).serve(
            {"endpoint_id": "acme", "funct": "f", "hops": 9}, world, InvocationLog("tasks")
        )
    counted["messageId"], counted["messageAttributes"]["hops"]["stringValue"] = "m3", "9"
    assert world.sqs(counted, message(4)) == ["m3"]
    assert len(world.ran) == 4


@pytest.mark.parametrize("hops", [-1, 1.5, "1", True, [], "9" * 5000])
def test_hops_that_are_no_whole_number_are_refused(world: World, hops: Any) -> None:
    """Whether such a call belongs to a loop is unknown."""
    event = {"endpoint_id": "acme", "funct": "f", "hops": hops}
    with pytest.raises(RequestError, match="hops"):
        DirectSource(world.functions).serve(event, world, InvocationLog("tasks"))
    odd = message(1)
    odd["messageAttributes"]["hops"] = {"stringValue": "9" * 5000, "dataType": "Number"}
    assert world.sqs(odd) == ["m1"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(message(1))), ANYTHING)
def test_a_mutated_message_is_answered_in_the_queues_form(name: str, value: Any) -> None:
    """Whatever a member becomes: ids of the batch go back, or a typed error fails it; its neighbour runs."""
    world = World()
    broken = {**message(1), name: value}
    event = {"Records": [message(2), broken]}
    assert SqsSource.matches(event)
    try:
        assert set(world.sqs(*event["Records"])) <= {broken["messageId"]}
    except SilvaEngineError:
        assert name == "messageId"
    else:
        assert {"n": 2} in world.ran
