"""Each source of events, and the messages that fail for good."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from .conftest import Target, eventually

DONE = 120.0  # seconds; a new mapping polls after a minute on AWS


def named(**params: Any) -> dict[str, Any]:
    """Return a message of a queue or a topic that names its function."""
    attributes = {"endpoint_id": "prove", "funct": "heard"}
    return {
        "body": json.dumps({"params": params}),
        "attributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }


def arrived(target: Target, mark: str, count: int = 1) -> list[str]:
    """Return what the function has noted, once there are so many notes."""
    since = time.time() - 60
    return eventually(lambda: target.notes(mark, since), lambda notes: len(notes) >= count, DONE)


def test_a_queue_calls_a_function(target: Target) -> None:
    """Each of ten messages is done once."""
    mark, sqs = uuid4().hex, target.client("sqs")
    entries = []
    for n in range(10):
        message = named(mark=mark, n=n)
        entries.append(
            {"Id": str(n), "MessageBody": message["body"], "MessageAttributes": message["attributes"]}
        )
    sqs.send_message_batch(QueueUrl=target.output("EventQueueUrl"), Entries=entries)
    notes = arrived(target, mark, 10)
    assert sorted(int(note.rpartition("n=")[2]) for note in notes) == list(range(10))


def test_a_fifo_queue_keeps_the_order(target: Target) -> None:
    """Messages of a group are done one after the other."""
    mark, sqs = uuid4().hex, target.client("sqs")
    for n in range(5):
        message = named(mark=mark, n=n)
        sqs.send_message(
            QueueUrl=target.output("FifoQueueUrl"),
            MessageGroupId=mark,
            MessageDeduplicationId=f"{mark}{n}",
            MessageBody=message["body"],
            MessageAttributes=message["attributes"],
        )
    assert [int(note.rpartition("n=")[2]) for note in arrived(target, mark, 5)] == list(range(5))


def test_a_stored_object_calls_a_function(target: Target) -> None:
    """An object's key names the function and its parameters."""
    mark = uuid4().hex
    key = f"prove/heard/mark:{mark}/n:7/file.csv"
    target.client("s3").put_object(Bucket=target.parameters["NewEventBucketName"], Key=key, Body=b"x")
    assert arrived(target, mark)


def test_a_topic_calls_a_function(target: Target) -> None:
    """A notification names its function as a message does."""
    mark = uuid4().hex
    message = named(mark=mark, n=1)
    target.client("sns").publish(
        TopicArn=target.parameters["EventTopicArn"],
        Message=message["body"],
        MessageAttributes=message["attributes"],
    )
    assert arrived(target, mark)


def test_a_rule_calls_a_function(target: Target) -> None:
    """An event of a source that the rule names calls what is bound to the rule."""
    mark = uuid4().hex
    target.client("events").put_events(
        Entries=[{"Source": target.stack, "DetailType": "Order", "Detail": json.dumps({"mark": mark})}]
    )
    assert arrived(target, mark)


@pytest.mark.proves("stream-rights")
def test_a_stream_calls_a_function(target: Target) -> None:
    """The mapping may read the stream, and a change of a row arrives."""
    mark = uuid4().hex
    item = {"id": {"S": mark}, "mark": {"S": mark}, "n": {"N": "1"}}
    target.client("dynamodb").put_item(TableName=f"{target.stack}-orders", Item=item)
    assert arrived(target, mark)


def test_a_schedule_calls_a_function(target: Target) -> None:
    """A rule of each minute calls what is bound to the schedule, the stack's own and one with a name."""
    since = time.time()
    notes = eventually(lambda: [target.notes(name, since) for name in ("stack", "minutely")], all, 150)
    assert all(notes)


@pytest.mark.proves("visibility")
def test_a_message_that_fails_for_good_is_dead(target: Target) -> None:
    """Beside one that is done, a message that fails is received five times and then lies with the dead.

    The rights and the visibility are the real ones: the done one isn't repeated by the other's failure.
    """
    mark, sqs = uuid4().hex, target.client("sqs")
    since = time.time() - 60
    for wrong in ("", "always"):
        message = named(mark=mark, n=1, wrong=wrong)
        sqs.send_message(
            QueueUrl=target.output("EventQueueUrl"),
            MessageBody=message["body"],
            MessageAttributes=message["attributes"],
        )
    dead = eventually(lambda: dead_letters(target, mark), bool, 600)
    assert dead
    assert dead[0]["Attributes"]["ApproximateReceiveCount"]
    assert len(target.notes(mark, since)) == 1


@pytest.mark.aws_only("the local engine forgets a topic's notification that failed")
@pytest.mark.proves("dead-event-names-alias")
def test_a_dead_event_names_the_alias(target: Target) -> None:
    """An event of SNS that failed for good says that it was the alias's, by which a replay knows it."""
    mark = uuid4().hex
    message = named(mark=mark, wrong="always")
    target.client("sns").publish(
        TopicArn=target.parameters["EventTopicArn"],
        Message=message["body"],
        MessageAttributes=message["attributes"],
    )
    dead = eventually(lambda: dead_letters(target, mark), bool, 600)
    context = json.loads(dead[0]["Body"])["requestContext"]
    assert context["functionArn"].endswith(":events")


def dead_letters(target: Target, mark: str) -> list[Any]:
    """Return the messages with a mark that lie in the dead-letter queue, and leave them there."""
    received = target.client("sqs").receive_message(
        QueueUrl=target.output("EventDeadLetterQueueUrl"),
        MaxNumberOfMessages=10,
        AttributeNames=["ApproximateReceiveCount"],
        VisibilityTimeout=1,
    )
    return [each for each in received.get("Messages", ()) if mark in each["Body"]]
