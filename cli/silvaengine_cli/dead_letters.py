"""The dead-letter queues as an operator sees them: dead jobs, and events that failed for good."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
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
from silvaengine_cli.jobs import Jobs, error_of, log_group, log_of

HOLD_SECONDS = 20  # how long a message that was received is hidden from others
WAIT_SECONDS = 1  # for messages: without waiting, SQS asks some of its servers alone

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
    def function_arn(self) -> str | None:
        """What was invoked with the event, None where Lambda was never reached.

        docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html has its form.
        """
        body: Any = self.body
        return str(body["requestContext"].get("functionArn")) if "requestPayload" in body else None

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


class DeadJobs:
    """The queue of messages about dead jobs of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._jobs = Jobs(deployment)
        self._sqs, self._url = deployment.client("sqs"), deployment.output("DeadLetterQueueUrl")

    def receive(self, limit: int, filters: Mapping[str, str | None]) -> list[Message]:
        """Return those of up to ``limit`` messages whose job is as asked for; others stay in the queue.

        Those that are neither deleted nor released come back after twenty seconds.
        """
        messages = list(receive_each(self._sqs, self._url, limit))
        wanted = [each for each in messages if is_asked(job_facts(each), filters)]
        release(self._sqs, self._url, [each for each in messages if each not in wanted])
        return wanted

    def look(self, limit: int) -> list[dict[str, Json]]:
        """Return what up to ``limit`` messages say, which stay in the queue."""
        messages = list(receive_each(self._sqs, self._url, limit))
        release(self._sqs, self._url, messages)
        return list(map(job_facts, messages))

    def redrive(self, messages: Sequence[Message]) -> dict[str, str]:
        """Accept the jobs of messages again and delete these; return what ``Jobs.retry`` says of each."""
        outcomes = dict[str, str]()
        for message in messages:
            job_id = str(job_facts(message)["job_id"])
            if job_id not in outcomes:
                outcomes[job_id] = self._jobs.retry(job_id)
            self.purge([message])
        return outcomes

    def purge(self, messages: Sequence[Message]) -> None:
        """Delete messages; their jobs stay dead."""
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


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

    def look(self, limit: int) -> list[dict[str, Any]]:
        """Return what there is to say of up to ``limit`` events, which stay in their queues.

        The cause is from the ledger, which is read whole, where it has the event.
        """
        events = list(self.receive(limit))
        for event in events:
            release(self._sqs, event.queue_url, [event.message])
        executions = list(Jobs(self._deployment).scan()) if events else []
        tasks_arn = self._deployment.output("TasksArn")
        return [_event_facts(event, self._execution_of(event, executions), tasks_arn) for event in events]

    def _execution_of(self, event: DeadEvent, executions: Sequence[Execution]) -> Execution | None:
        if event.kind != "message":
            return None
        arn = self.source_arn(event)
        return next((each for each in executions if event.is_of(each, arn)), None)

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
            aliases = (None, self._deployment.output("TasksEventsArn"))
            send(self._deployment, event.event, wait=False, as_source=event.function_arn in aliases)
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
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS,
            VisibilityTimeout=HOLD_SECONDS, MessageAttributeNames=["All"], AttributeNames=["All"],
        )  # fmt: skip
        messages = [each for each in response.get("Messages", ()) if each["MessageId"] not in seen]
        if not messages:
            return
        for message in messages[: limit - len(seen)]:
            seen.add(message["MessageId"])
            yield message


def release(sqs: AwsClient, url: str, messages: Sequence[Message]) -> None:
    """Let others receive messages at once."""
    for message in messages:
        with suppress(sqs.exceptions.MessageNotInflight):  # its time is over: it has come back
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )


def is_asked(letter: Mapping[str, Json], filters: Mapping[str, str | None]) -> bool:
    """Return whether a message is about a job, and has the values of the filters that aren't None."""
    return "job_id" in letter and all(value in (None, letter.get(name)) for name, value in filters.items())


def outcomes_text(outcomes: Mapping[str, str]) -> str:
    """Return what became of jobs that were redriven, for people."""
    lines = [f"{job_id}: {outcome}" for job_id, outcome in outcomes.items()]
    return "\n".join([*lines, f"{[*outcomes.values()].count('accepted')} jobs accepted again"])


def job_facts(message: Message) -> dict[str, Json]:
    """Return what a message says of a dead job; text from elsewhere is shown unchanged, as ``message``."""
    facts = parse_json_or_text(message["Body"])
    return facts if isinstance(facts, dict) else {"message": message["Body"]}


def _event_facts(event: DeadEvent, execution: Execution | None, tasks_arn: str) -> dict[str, Any]:
    return {
        "id": event.message["MessageId"],
        "from": event.kind,
        "endpoint_id": execution.endpoint_id if execution else event.attribute("endpoint_id"),
        "function": execution.function if execution else event.attribute("funct"),
        "attempts": execution.attempts if execution else "",
        "cause": _cause(event, execution),
        "error": (error_of(execution) if execution else None) or "",
        "log": log_of(execution) if execution else log_group(tasks_arn),
    }


def _cause(event: DeadEvent, execution: Execution | None) -> str:
    if execution is not None:
        return execution.cause or str(json.loads(execution.result or "{}").get("error_type", ""))
    response = event.body.get("responsePayload") if isinstance(event.body, dict) else None
    return str(response.get("errorMessage", "")) if isinstance(response, dict) else ""
