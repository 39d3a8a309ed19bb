"""Events that failed for good: what each was, and how it is replayed."""

import json
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from silvaengine.tables import EVENTS_SETTING_ID
from silvaengine_cli.commands.events import events
from silvaengine_cli.dead_letters import DeadEvents
from silvaengine_cli.events import BOUND, SOURCES, first_binding, sample


class Account:
    """A deployment with dead-letter queues; keeps what is sent to its queues and to its tasks Lambda."""

    def __init__(self, *bodies: Any, **attributes: str) -> None:
        self.messages = [
            {
                "MessageId": str(number), "ReceiptHandle": f"r{number}", "Attributes": attributes,
                "Body": body if isinstance(body, str) else json.dumps(body),
                "MessageAttributes": {"funct": {"DataType": "String", "StringValue": "f", "x": 1}},
            }
            for number, body in enumerate(bodies)
        ]  # fmt: skip
        self.suffix = ""  # of the queues' URLs
        self.sent: list[dict[str, Any]] = []
        self.invoked: list[Any] = []
        self.functions: list[str] = []
        self.deleted: list[str] = []

    def client(self, _service: str) -> Any:
        return self

    def has_output(self, name: str) -> bool:
        return not name.startswith("Fifo")

    def output(self, name: str) -> str:
        return name + self.suffix

    def receive_message(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert QueueUrl == self.output("EventDeadLetterQueueUrl")
        return {"Messages": self.messages}

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)

    def invoke(self, function: str, payload: str, *, wait: bool) -> tuple[bool, None]:
        assert not wait
        self.functions.append(function)
        self.invoked.append(json.loads(payload))
        return True, None

    def delete_message(self, *, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803 - the same
        self.deleted.append(ReceiptHandle)


def replay_all(account: Any) -> list[str]:
    """Replay all messages; return what was done with each."""
    queues = DeadEvents(account)
    return [queues.replay(event) for event in queues.receive(10)]


NOTICE = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:t", "Message": "{}"}
FORGED = {"schedule": "stack", "time": "2026-12-01T00:00:00Z"}
PLACE = {"requestContext": {}, "DDBStreamBatchInfo": {"shardId": "s", "streamArn": "arn:stream"}}


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ({"requestContext": {}, "requestPayload": sample("s3"), "responsePayload": {}}, "requestPayload"),
        (NOTICE, {"Records": [{"EventSource": "aws:sns", "Sns": NOTICE}]}),
        (sample("rule"), None),
        (sample("schedule"), None),
    ],
)
def test_an_event_goes_to_the_tasks_lambda_again(body: Any, event: Any) -> None:
    """The tasks Lambda gets the very event that failed; then the message is deleted."""
    account = Account(body)
    assert replay_all(account) == ["sent to the tasks function"]
    expected = body if event is None else body[event] if isinstance(event, str) else event
    assert account.invoked == [expected]
    assert account.deleted == ["r0"]


@pytest.mark.parametrize(
    ("arn", "function"),
    [("TasksEventsArn", "TasksEventsArn"), ("TasksArn:$LATEST", "TasksArn"), (None, "TasksArn")],
)
def test_an_event_that_functions_may_have_sent_is_not_replayed_as_one_of_aws(arn: Any, function: str) -> None:
    """What failed under the Lambda's name goes there again, where a forged schedule is refused."""
    account = Account({"requestContext": {"functionArn": arn}, "requestPayload": FORGED})
    replay_all(account)
    assert account.functions == [function]


def test_what_never_reached_the_lambda_goes_to_the_alias() -> None:
    """Only SNS and EventBridge may put their events into the queue themselves."""
    account = Account(NOTICE, sample("rule"))
    replay_all(account)
    assert account.functions == ["TasksEventsArn"] * 2


@pytest.mark.parametrize("body", ["hello", {"params": {}}, [1]])
def test_a_message_goes_back_to_its_queue(body: Any) -> None:
    """It keeps its text and its attributes, without members that SQS would refuse."""
    account = Account(body)
    assert replay_all(account) == ["sent back to its queue"]
    (sent,) = account.sent
    assert (sent["QueueUrl"], sent["MessageBody"]) == ("EventQueueUrl", account.messages[0]["Body"])
    assert sent["MessageAttributes"] == {"funct": {"DataType": "String", "StringValue": "f"}}
    assert "MessageGroupId" not in sent


@pytest.mark.parametrize(
    "body",
    [
        {"requestPayload": {"silvaengine": "sweep"}},
        NOTICE,
        PLACE,
        {"rule": "gold", "event": {"id": 1}},
        {"version": "0", "detail-type": "x", "source": "shop", "detail": {}},
    ],
)
def test_a_message_is_never_taken_for_another_event(body: Any) -> None:
    """Whatever its sender wrote: SQS names the queue in which a message failed, and an event has none."""
    account = Account(body, DeadLetterQueueSourceArn="arn:aws:sqs:us-east-1:123456789012:events")
    assert replay_all(account) == ["sent back to its queue"]
    assert account.invoked == []


@pytest.mark.parametrize(("suffix", "length"), [(".fifo", 32), ("", 0)])
def test_a_message_of_a_group_stays_in_its_group(suffix: str, length: int) -> None:
    """A FIFO queue would drop it without a new deduplication id, and a standard one refuses such an id."""
    account = Account("hello", MessageGroupId="a")
    account.suffix = suffix
    replay_all(account)
    assert account.sent[0]["MessageGroupId"] == "a"
    assert len(account.sent[0].get("MessageDeduplicationId", "")) == length


def test_a_streams_position_is_not_replayed() -> None:
    """It names a place in the stream and holds no record, so that its message stays."""
    account = Account(PLACE)
    (outcome,) = replay_all(account)
    assert outcome.startswith("stays")
    assert account.deleted == account.invoked == account.sent == []


def test_a_samples_ids_are_new_each_time() -> None:
    """Otherwise a second event would be taken for a repetition."""
    assert sample("sqs")["Records"][0]["messageId"] != sample("sqs")["Records"][0]["messageId"]
    assert set(SOURCES) == {"cognito", "direct", "dynamodb", "lex", "rule", "s3", "schedule", "sns", "sqs"}


@pytest.mark.parametrize("source", BOUND)
def test_a_sample_comes_from_what_a_function_is_bound_to(source: str) -> None:
    """From the first of its queues, topics, rules or schedules, for its tenant; one without any is named."""
    bindings = {
        "bucket:files": "nightly",
        f"{BOUND[source]}:other": "hourly",
        f"{BOUND[source]}:n-1": "nightly",
    }
    rows = [
        {"setting_id": EVENTS_SETTING_ID, "variable": name, "value": [{"endpoint_id": "acme", "funct": it}]}
        for name, it in bindings.items()
    ]
    deployment: Any = SimpleNamespace(tables=lambda: SimpleNamespace(query=lambda *_: rows))
    assert first_binding(deployment, source, "nightly") == ("n-1", "acme")
    sent = json.dumps(sample(source, "n-1", "acme"))
    assert "n-1" in sent
    assert ('"acme"' in sent) == (source in ("sqs", "sns"))  # the others name nobody
    with pytest.raises(click.ClickException, match="'weekly' is bound to no"):
        first_binding(deployment, source, "weekly")


def test_a_sample_is_printed_to_be_edited(tmp_path: Any) -> None:
    """What is printed is an event; a file that isn't one is refused with its name."""
    printed = CliRunner().invoke(events, ["send", "sqs", "--print"])
    assert json.loads(printed.output)["Records"]
    for text in ("{", "[]"):
        path = tmp_path / "event.json"
        path.write_text(text)
        refused = CliRunner().invoke(events, ["send", "sqs", "--file", str(path)])
        assert refused.exit_code == 1
        assert "event.json" in refused.output
