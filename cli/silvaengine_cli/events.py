"""Events as an operator handles them: samples to send, and those that failed for good to replay."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from silvaengine.ledger.digests import plain_digest
from silvaengine.ledger.execution import Execution
from silvaengine_cli.target import Deployment

SAMPLES = Path(__file__).parent / "samples"
SOURCES = tuple(sorted(path.stem for path in SAMPLES.glob("*.json")))

_QUEUES = (("EventDeadLetterQueueUrl", "EventQueueUrl"), ("FifoDeadLetterQueueUrl", "FifoQueueUrl"))
_HOLD_SECONDS = 20  # how long a message that is looked at is hidden from others


def sample(source: str) -> dict[str, Any]:
    """Return a source's sample event; its ids are new each time, so that it isn't taken for a repetition."""
    text = (SAMPLES / f"{source}.json").read_text()
    event: dict[str, Any] = json.loads(text.replace("{id}", uuid4().hex))
    return event


def send(target: Deployment, event: dict[str, Any], *, wait: bool = True) -> tuple[bool, Any]:
    """Hand an event to the tasks Lambda; tell whether it was taken, and what was answered."""
    answer = target.client("lambda").invoke(
        FunctionName=target.output("TasksArn"),
        InvocationType="RequestResponse" if wait else "Event",
        Payload=json.dumps(event).encode(),
    )
    value = json.loads(answer["Payload"].read() or b"null")
    failed = value.get("batchItemFailures") if isinstance(value, dict) else None
    return "FunctionError" not in answer and not failed, value


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """A message of one of the events' dead-letter queues."""

    queue_url: str
    source_url: str
    message: dict[str, Any]

    @property
    def body(self) -> Any:  # noqa: ANN401 - any JSON value, or the text as it is
        """What it says."""
        try:
            return json.loads(self.message["Body"])
        except ValueError:
            return self.message["Body"]

    @property
    def kind(self) -> str:
        """Its source: ``event`` of S3, SNS or EventBridge, ``stream``, or a ``message`` of a queue.

        SQS names the queue from which it moved a message; what the services put here themselves has no such
        attribute. Only their bodies are looked at: a message's is whatever its sender wrote.
        """
        if self.queue_arn:
            return "message"
        body = self.body if isinstance(self.body, dict) else {}
        if "DDBStreamBatchInfo" in body:
            return "stream"
        is_event = {"requestPayload"} <= body.keys() or body.get("Type") == "Notification"
        return "event" if is_event or _is_from_eventbridge(body) else "message"

    @property
    def event(self) -> dict[str, Any]:
        """The event that Lambda would get."""
        body: dict[str, Any] = self.body
        if "requestPayload" in body:
            return dict(body["requestPayload"])
        if body.get("Type") == "Notification":
            return {"Records": [{"EventSource": "aws:sns", "Sns": body}]}
        return body

    @property
    def queue_arn(self) -> str | None:
        """The queue in which it failed, if it comes from one."""
        arn: str | None = self.message.get("Attributes", {}).get("DeadLetterQueueSourceArn")
        return arn

    def is_of(self, execution: Execution, queue_arn: str) -> bool:
        """Return whether an execution of the ledger is this message's."""
        return execution.principal == plain_digest("sqs", queue_arn, self.message["MessageId"])

    def attribute(self, name: str) -> str:
        """Return an attribute of a message, empty where it has none."""
        return str(self.message.get("MessageAttributes", {}).get(name, {}).get("StringValue", ""))


class DeadEvents:
    """The events' dead-letter queues of a deployment."""

    def __init__(self, target: Deployment) -> None:
        self._target = target
        self._sqs = target.client("sqs")

    def look(self, limit: int) -> Iterator[DeadEvent]:
        """Return messages once each; those that stay come back to their queue after twenty seconds."""
        seen: set[str] = set()
        for dead, source in _QUEUES:
            if not self._target.has_output(dead):
                continue
            url, source_url = self._target.output(dead), self._target.output(source)
            while len(seen) < limit and (messages := self._received(url, seen)):
                for message in messages[: limit - len(seen)]:
                    seen.add(message["MessageId"])
                    yield DeadEvent(url, source_url, message)

    def source_arn(self, event: DeadEvent) -> str:
        """Return the ARN of the queue in which a message failed."""
        return event.queue_arn or self._arn(event.source_url)

    def replay(self, event: DeadEvent) -> str:
        """Let an event come anew and take it out of its queue; tell what was done."""
        if event.kind == "stream":
            return "stays: it tells only where in the stream its records are"
        if event.kind == "event":
            send(self._target, event.event, wait=False)
            done = "sent to the tasks function"
        else:
            self._send_back(event)
            done = "sent back to its queue"
        self._sqs.delete_message(QueueUrl=event.queue_url, ReceiptHandle=event.message["ReceiptHandle"])
        return done

    def _send_back(self, event: DeadEvent) -> None:
        message = event.message
        group = message.get("Attributes", {}).get("MessageGroupId")
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": uuid4().hex} if group else {}
        names = ("DataType", "StringValue", "BinaryValue")
        attributes = {
            key: {name: value[name] for name in names if name in value}
            for key, value in message.get("MessageAttributes", {}).items()
        }
        self._sqs.send_message(
            QueueUrl=event.source_url, MessageBody=message["Body"], MessageAttributes=attributes, **fifo
        )

    def _received(self, url: str, seen: set[str]) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=_HOLD_SECONDS, WaitTimeSeconds=1,
            MessageAttributeNames=["All"], AttributeNames=["All"],
        )  # fmt: skip
        return [each for each in answer.get("Messages", ()) if each["MessageId"] not in seen]

    def _arn(self, url: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])


def _is_from_eventbridge(body: dict[str, Any]) -> bool:
    return any(
        names <= body.keys() for names in ({"rule", "event"}, {"schedule", "time"}, {"detail-type", "source"})
    )
