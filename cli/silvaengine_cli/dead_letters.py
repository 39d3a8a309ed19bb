"""The dead-letter queues as an operator sees them: dead jobs, and events that failed for good."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from silvaengine.ledger.digests import plain_digest
from silvaengine.ledger.execution import Execution
from silvaengine.protocol.json_codec import Json
from silvaengine_cli import AwsClient
from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.events import send

HOLD_SECONDS = 20  # how long a message that was received is hidden from others

_EVENT_QUEUES = (("EventDeadLetterQueueUrl", "EventQueueUrl"), ("FifoDeadLetterQueueUrl", "FifoQueueUrl"))
_EVENTBRIDGE_MEMBERS = ({"rule", "event"}, {"schedule", "time"}, {"detail-type", "source"})

type Message = Mapping[str, Any]  # boto3's


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """A message of one of the events' dead-letter queues."""

    queue_url: str
    source_url: str
    message: Message

    @property
    def body(self) -> Json:
        """What it says: a JSON value, or text that isn't JSON."""
        return parse_json_or_text(self.message["Body"])

    @property
    def kind(self) -> str:
        """Its source: ``event`` of S3, SNS or EventBridge, ``stream``, or a ``message`` of a queue.

        SQS names the queue from which it moved a message; what the services put here themselves has no such
        attribute. Only their bodies are read: a message's is whatever its sender wrote.
        """
        if self.queue_arn:
            return "message"
        body = self.body if isinstance(self.body, dict) else {}
        if "DDBStreamBatchInfo" in body:
            return "stream"
        is_eventbridge = any(names <= body.keys() for names in _EVENTBRIDGE_MEMBERS)
        is_other = "requestPayload" in body or body.get("Type") == "Notification"
        return "event" if is_eventbridge or is_other else "message"

    @property
    def event(self) -> dict[str, Json]:
        """The event that Lambda would get."""
        body: dict[str, Any] = dict(self.body) if isinstance(self.body, dict) else {}
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

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._sqs = deployment.client("sqs")

    def receive(self, limit: int) -> Iterator[DeadEvent]:
        """Return messages once each; those that aren't replayed come back after twenty seconds."""
        left = limit
        for dead, source in _EVENT_QUEUES:
            if not self._deployment.has_output(dead):
                continue
            url, source_url = self._deployment.output(dead), self._deployment.output(source)
            for message in receive_each(self._sqs, url, left):
                left -= 1
                yield DeadEvent(url, source_url, message)

    def source_arn(self, event: DeadEvent) -> str:
        """Return the ARN of the queue in which a message failed."""
        if event.queue_arn:
            return event.queue_arn
        response = self._sqs.get_queue_attributes(QueueUrl=event.source_url, AttributeNames=["QueueArn"])
        return str(response["Attributes"]["QueueArn"])

    def replay(self, event: DeadEvent) -> str:
        """Send an event again and delete it from its queue; return what was done, for people."""
        if event.kind == "stream":
            return "stays: it says only where in the stream its records are"
        if event.kind == "event":
            send(self._deployment, event.event, wait=False)
            done = "sent to the tasks function"
        else:
            self._send_back(event)
            done = "sent back to its queue"
        self._sqs.delete_message(QueueUrl=event.queue_url, ReceiptHandle=event.message["ReceiptHandle"])
        return done

    def _send_back(self, event: DeadEvent) -> None:
        message = event.message
        group = message.get("Attributes", {}).get("MessageGroupId")
        ids = {"MessageGroupId": group} if group else {}
        if event.source_url.endswith(".fifo"):
            ids["MessageDeduplicationId"] = uuid4().hex
        names = ("DataType", "StringValue", "BinaryValue")
        attributes = {
            key: {name: value[name] for name in names if name in value}
            for key, value in message.get("MessageAttributes", {}).items()
        }
        self._sqs.send_message(
            QueueUrl=event.source_url, MessageBody=message["Body"], MessageAttributes=attributes, **ids
        )


def receive_each(sqs: AwsClient, url: str, limit: int) -> Iterator[Message]:
    """Return up to ``limit`` messages, each once; stop while the receipts of all are still good.

    Those that aren't deleted come back after twenty seconds.
    """
    seen: set[str] = set()
    deadline = time.monotonic() + HOLD_SECONDS / 2
    while len(seen) < limit and time.monotonic() < deadline:
        response = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HOLD_SECONDS, WaitTimeSeconds=1,
            MessageAttributeNames=["All"], AttributeNames=["All"],
        )  # fmt: skip
        messages = [each for each in response.get("Messages", ()) if each["MessageId"] not in seen]
        if not messages:
            return
        for message in messages[: limit - len(seen)]:
            seen.add(message["MessageId"])
            yield message


def job_facts(message: Message) -> dict[str, Json]:
    """Return what a message says of a dead job; text from elsewhere is shown unchanged, as ``message``."""
    facts = parse_json_or_text(message["Body"])
    return facts if isinstance(facts, dict) else {"message": message["Body"]}
