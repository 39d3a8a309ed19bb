"""Sources that are bound to functions, one call for many records, and what the sweeper is left with."""

import json
from typing import Any

import pytest

from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.ledger.digests import plain_digest
from silvaengine.ledger.execution import Execution

from .world import NOW, QUEUE, World, message, stored


@pytest.fixture
def world() -> World:
    """Return a new world."""
    return World()


def rows(world: World) -> list[Execution]:
    """Return the due executions in the ledger."""
    found: list[Execution] = []
    for shard in "0123456789abcdef":
        found += filter(None, world.ledger.due(shard, 10).executions.values())
    return found


def test_a_bound_queue_brings_foreign_messages(world: World) -> None:
    """A message that isn't a call reaches the queue's functions as its record, one that is as its params."""
    world.bind("queue:work", "f")
    foreign = {**message(2), "body": "hello", "messageAttributes": {}}
    assert world.sqs(message(1), foreign) == []
    assert {"n": 1} in world.ran
    assert {"record": foreign} in world.ran


@pytest.mark.parametrize("batch", [False, True])
def test_a_message_that_names_its_tenant_is_for_this_one_alone(world: World, batch: bool) -> None:
    """Of several tenants whose functions a queue calls; each gets a message that names nobody."""
    world.bind("queue:work", "f", batch=batch)
    world.bound["silvaengine_events"]["queue:work"].append(
        {"endpoint_id": "beta", "funct": "g", "batch": batch}
    )
    nobodys = {**message(2), "messageAttributes": {}}
    assert world.sqs(message(1), nobodys) == []
    served = {
        name: params.get("records", params) for name, params in zip(world.called, world.ran, strict=True)
    }
    if batch:
        assert served == {"f": [message(1), nobodys], "g": [nobodys]}
    else:
        assert sorted(world.called) == ["f", "f", "g"]
        assert served["g"] == {"n": 2}


def test_a_message_for_a_tenant_that_is_not_bound_is_nobodys(world: World) -> None:
    """It goes back, and at last to the dead-letter queue, so that whoever sent it finds it there."""
    world.bind("queue:work", "f")
    foreign = message(1)
    foreign["messageAttributes"]["endpoint_id"]["stringValue"] = "beta"
    assert world.sqs(foreign, message(2)) == ["m1"]
    assert world.called == ["f"]
    world.bind("topic:news", "f")
    with pytest.raises(SilvaEngineError, match="bound to no function of the tenant"):
        world.sns(
            {
                "EventSource": "aws:sns",
                "Sns": {
                    "TopicArn": "arn:aws:sns:eu-central-1:111122223333:news",
                    "MessageId": "1",
                    "Message": "hello",
                    "MessageAttributes": {"endpoint_id": {"Type": "String", "Value": "beta"}},
                },
            }
        )


def test_a_bucket_binds_by_prefix_and_suffix(world: World) -> None:
    """A matching key goes to the bound function; another one is done, and calls nothing that it names."""
    world.bind("bucket:b", "thumbnail", prefix="in/", suffix=".jpg")
    world.s3("in/2026/a b.jpg", "acme/load/x.csv")
    assert [(name, params["key"]) for name, params in zip(world.called, world.ran, strict=True)] == [
        ("thumbnail", "in/2026/a b.jpg")
    ]
    assert world.notices == []


def test_only_a_bucket_has_a_prefix(world: World) -> None:
    """One that a queue's row has hides no message from the function that is bound to the queue."""
    world.bind("queue:work", "f", prefix="in/")
    assert world.sqs(message(1, funct="g")) == []
    assert world.called == ["f"]


@pytest.mark.parametrize("bound", [False, True])
def test_a_folders_marker_calls_nothing(world: World, bound: bool) -> None:
    """S3's console makes an empty object for a folder: it is done, and an object of that name isn't one."""
    if bound:
        world.bind("bucket:b", "load")
    marker, full = stored("acme/load/"), stored("acme/load/")
    marker["s3"]["object"]["size"], full["s3"]["object"]["size"] = 0, 5
    world.s3_records(marker, stored("acme/"))
    assert (world.called, world.notices) == ([], [])
    world.s3_records(full)
    assert world.called == ["load"]


def test_a_batch_is_one_call_and_its_failures_go_back_alone(world: World) -> None:
    """The function names two of ten; it never gets the other eight again."""
    world.bind("queue:work", "f", batch=True)
    batch = [message(n) for n in range(10)]
    world.response = ["m3", "m7"]
    assert world.sqs(*batch) == ["m3", "m7"]
    world.response = {"batchItemFailures": [{"itemIdentifier": "m7"}]}
    assert world.sqs(*batch) == ["m7"]
    world.response = "done"
    assert world.sqs(*batch) == []
    handed = [[record["messageId"] for record in params["records"]] for params in world.ran]
    assert handed == [[f"m{n}" for n in range(10)], ["m3", "m7"], ["m7"]]


def test_a_batch_call_has_the_hops_of_its_farthest_record(world: World) -> None:
    """Functions that call one another through a queue that is read in batches end, too."""
    world.bind("queue:work", "f", batch=True)
    far = message(2)
    far["messageAttributes"]["hops"] = {"stringValue": "3", "dataType": "Number"}
    assert world.sqs(message(1), far) == []
    assert world.hops == [3]


def test_a_call_that_breaks_fails_its_records_alone(world: World) -> None:
    """An unexpected exception doesn't fail other functions' records."""
    world.bind("queue:work", "f", batch=True)
    world.bind("queue:work", "g")
    world.breaking = {"f"}
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    assert world.called == ["g", "g"]


@pytest.mark.parametrize("response", [["m1", "other"], [None], [["m1"]], {"batchItemFailures": [{}]}])
def test_an_answer_that_names_no_record_fails_the_batch(world: World, response: Any) -> None:
    """Its meaning is unclear, so all records come again and none counts as done."""
    world.bind("queue:work", "f", batch=True)
    world.response = response
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    world.response = None
    assert world.sqs(message(1), message(2)) == []


def test_a_batch_whose_function_fails_comes_again_as_a_whole(world: World) -> None:
    """Its records go back; a throttled worker leaves none of them claimed."""
    world.bind("queue:work", "f", batch=True)
    world.broken = {"f"}
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    world.broken, world.refuses = set(), True
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    world.refuses = False
    assert world.sqs(message(1), message(2)) == []
    assert world.hidden == []


def test_a_batch_that_vanished_waits_for_its_lease(world: World) -> None:
    """What may have run is run again, but not before its lease ends."""
    world.bind("queue:work", "f", batch=True)
    world.dies = True
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    world.dies = False
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    assert [seconds for _, _, seconds in world.hidden] == [315, 315]
    world.now += 316
    assert world.sqs(message(1), message(2)) == []


def test_a_batch_of_a_fifo_queue_gives_back_what_the_function_names(world: World) -> None:
    """What it has done doesn't come again, and so can't end in the dead-letter queue."""
    world.bind("queue:work.fifo", "f", batch=True)
    batch = [message(n, group="a" if n % 2 else "b") for n in range(6)]
    world.response = ["m3"]
    assert world.sqs(*batch) == ["m3"]
    world.response = None
    assert world.sqs(batch[3]) == []
    assert [record["messageId"] for record in world.ran[-1]["records"]] == ["m3"]


def test_a_batch_of_a_fifo_queue_overtakes_no_message_in_progress(world: World) -> None:
    """Those behind what another delivery still works on wait for it, in the same group alone."""
    world.bind("queue:work.fifo", "f", batch=True)
    world.dies = True
    assert world.sqs(message(1, group="a")) == ["m1"]
    world.dies = False
    batch = [message(n, group="a" if n else "b") for n in range(3)]
    assert world.sqs(*batch) == ["m1", "m2"]
    assert [record["messageId"] for ran in world.ran for record in ran["records"]] == ["m0"]
    world.now += 316
    assert world.sqs(*batch[1:]) == []
    assert [record["messageId"] for record in world.ran[-1]["records"]] == ["m1", "m2"]


@pytest.mark.parametrize("value", ["text", [1], [{"endpoint_id": "acme"}], {"a": 1}])
def test_a_malformed_binding_is_a_failure(world: World, value: Any) -> None:
    """An object fails where its bucket's row can't be read, and the operator is alerted."""
    world.bound["silvaengine_events"] = {"bucket:b": value}
    with pytest.raises(InvocationError):
        world.s3("acme/load/x.csv")
    assert world.ran == []
    assert len(world.notices) == 1


def test_the_sweeper_ends_what_a_vanished_worker_left_of_an_object(world: World) -> None:
    """S3 gives up before the lease ends, so its event succeeds and the ledger keeps the call."""
    world.dies = True
    world.s3("acme/f/1.csv")
    world.dies = False
    world.s3("acme/f/1.csv")
    assert world.ran == []
    world.now = NOW + 316
    (row,) = rows(world)
    assert json.loads(json.loads(row.content or "")["params"])["key"] == "acme/f/1.csv"


def test_s3_retries_an_object_whose_function_failed(world: World) -> None:
    """Either Lambda or the sweeper owns the retry, never both."""
    world.broken = {"f"}
    with pytest.raises(InvocationError):
        world.s3("acme/f/1.csv")
    world.broken, world.refuses = set(), True
    with pytest.raises(InvocationError):
        world.s3("acme/f/1.csv")
    world.now = NOW + 400
    assert rows(world) == []
    world.refuses, world.dies = False, True
    world.s3("acme/f/1.csv")
    world.now += 316
    assert len(rows(world)) == 1


def test_the_sweeper_retries_a_failure_after_contact_was_lost(world: World) -> None:
    """S3's event has succeeded by then, so what its worker settles later is due for the sweeper alone."""
    world.dies = True
    world.s3("acme/f/1.csv")
    (job,) = world.jobs
    world.ledger.settle(job, job.owner, "failed", {"result": "{}"})
    assert rows(world) == []
    world.now += 60
    assert [row.state for row in rows(world)] == ["failed"]


def test_s3_retries_a_failure_written_before_contact_was_lost(world: World) -> None:
    """The ledger is read after the loss: the event fails, and the sweeper never sees the row."""
    world.is_deaf, world.broken = True, {"f"}
    with pytest.raises(InvocationError):
        world.s3("acme/f/1.csv")
    world.now += 400
    assert rows(world) == []


def test_a_message_whose_time_was_over_before_it_was_sent_comes_again(world: World) -> None:
    """Nothing ran, so the next delivery calls even a function that must not run twice."""
    world.config, world.too_late = {"on_lost": "fail"}, True
    assert world.sqs(message(1)) == ["m1"]
    world.too_late = False
    assert world.sqs(message(1)) == []
    assert world.ran == [{"n": 1}]


def test_an_object_is_never_run_while_the_sweeper_has_it(world: World) -> None:
    """A late delivery of an event that the sweeper has sent to a worker does nothing."""
    world.dies = True
    world.s3("acme/f/1.csv")
    world.now, world.dies = NOW + 316, False
    world.ledger.take_over_for_event(*rows(world))
    world.s3("acme/f/1.csv")
    assert world.ran == []


def test_a_claim_that_breaks_fails_its_record_alone(world: World) -> None:
    """What no code expected of one record's row stops no other record of the same call."""
    world.bind("queue:work", "f", batch=True)
    batch = [message(n) for n in range(3)]
    accept = world.ledger.accept

    def break_at_the_second(execution: Execution) -> Execution | None:
        if execution.principal == plain_digest("sqs", QUEUE, "m1"):
            raise ZeroDivisionError
        return accept(execution)

    world.ledger.accept = break_at_the_second  # type: ignore[method-assign]
    assert world.sqs(*batch) == ["m1"]
