"""SQS: messages that failed go back to the queue by their ids in ``batchItemFailures``.

docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html. A FIFO queue gets back the failed one
and those of its group that were to follow it, so that their order is kept. These were received as often as it
was: after its last receive they would go to the dead-letter queue with it, so that they are served then.
"""

import json
import logging
from collections.abc import Sequence
from functools import cache
from typing import Protocol, override

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.errors import SilvaEngineError
from silvaengine.ledger.execution import DAY
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import check_hops
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.records import (
    NAMES,
    BatchItem,
    Event,
    InProgressError,
    RecordCall,
    member,
    named_call,
    read_params,
    records_of,
    sent_traceparent,
    text,
)
from silvaengine_tasks.sources import BatchResponse, RecordSource

KEEP_SECONDS = 14 * DAY  # the longest that a queue keeps a message
MAX_HIDDEN_SECONDS = 43_200  # docs.aws.amazon.com/AWSSimpleQueueService: ChangeMessageVisibility

_logger = logging.getLogger(__name__)


class Queues(Protocol):
    """The queues that messages come from, by ARN; all raise SilvaEngineError if SQS refuses."""

    def hide(self, queue_arn: str, receipt: str, seconds: int) -> None:
        """Hide a message that was received from other receivers for so many seconds, 43,200 at most."""

    def max_receives(self, queue_arn: str) -> int | None:
        """Return after how many receives a message goes to the dead-letter queue; None if there is none."""


class SqsSource(RecordSource):
    """Messages of queues."""

    name = "sqs"
    event_source = "aws:sqs"

    def __init__(self, functions: FunctionCaller, bindings: Bindings, queues: Queues) -> None:
        super().__init__(functions, bindings)
        self._queues = queues

    @override
    def items(self, event: Event) -> list[BatchItem]:
        return [_Message(message, self._queues) for message in records_of(event)]

    @override
    def read_calls(self, item: BatchItem) -> list[RecordCall]:
        record = item.record
        queue_arn, params = text(record, "eventSourceARN"), read_params(member(record, "body"))
        names = {name: member(record, "messageAttributes", name, "stringValue") for name in NAMES}
        call = RecordCall(
            ("sqs", queue_arn, item.id),
            {"record": record} if params is None else params,
            KEEP_SECONDS,
            hops=_read_hops(names["hops"]) if names["hops"] is not None else 0,
            traceparent=sent_traceparent(names["traceparent"]),
        )
        name, tenant = queue_arn.rpartition(":")[2], names["endpoint_id"]
        bound = self.bindings.calls("queue", name, call, record, tenant=tenant)
        return bound or [named_call(call, params, names)]

    @override
    def respond(self, items: Sequence[BatchItem]) -> BatchResponse:
        """Return the ids of the messages that failed."""
        return {"batchItemFailures": [{"itemIdentifier": item.id} for item in items if item.failure]}


class _Message(BatchItem):
    """A message, which must have an id, or only the whole batch can go back."""

    __slots__ = ("_queue_arn", "_queues")

    def __init__(self, message: Json, queues: Queues) -> None:
        self._queue_arn = str(member(message, "eventSourceARN"))
        is_ordered = self._queue_arn.endswith(".fifo")
        group = str(member(message, "attributes", "MessageGroupId")) if is_ordered else ""
        super().__init__(message, text(message, "messageId"), group)
        self._queues = queues

    @override
    def fail(self, error: SilvaEngineError) -> None:
        """Hide a message at once if another delivery of it is in progress, until that one has ended."""
        super().fail(error)
        if isinstance(error, InProgressError):
            receipt = str(member(self.record, "receiptHandle"))
            try:
                self._queues.hide(self._queue_arn, receipt, min(error.seconds, MAX_HIDDEN_SECONDS))
            except SilvaEngineError as failure:
                _logger.warning("A message's visibility could not be changed: %s", failure.detail)

    @override
    def comes_again(self, failure: SilvaEngineError, /) -> bool:
        """Return whether the queue delivers it again, which it doesn't after ``maxReceiveCount`` receives.

        docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html. One
        that another delivery still works on has not failed: what follows it must not overtake it.
        """
        if isinstance(failure, InProgressError):
            return True
        receives = str(member(self.record, "attributes", "ApproximateReceiveCount"))
        try:
            most = self._queues.max_receives(self._queue_arn)
        except SilvaEngineError as error:
            _logger.warning("A queue's redrive policy could not be read: %s", error.detail)
            return True
        return most is None or not receives.isdecimal() or int(receives) < most


def _read_hops(hops: Json) -> int:
    if isinstance(hops, str) and hops.isdecimal() and len(hops) < 10:
        return check_hops(int(hops))
    return check_hops(hops)


class SqsQueues:
    """The region's queues; their SQS client is made at the first use."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._url_of = cache(self._get_url)

    def hide(self, queue_arn: str, receipt: str, seconds: int) -> None:
        """See ``Queues``."""
        with translate_errors("ChangeMessageVisibility"):
            client("sqs", self._region).change_message_visibility(
                QueueUrl=self._url_of(queue_arn), ReceiptHandle=receipt, VisibilityTimeout=seconds
            )

    def max_receives(self, queue_arn: str) -> int | None:
        """See ``Queues``; the policy is read anew, since an operator may change it."""
        with translate_errors("GetQueueAttributes"):
            response = client("sqs", self._region).get_queue_attributes(
                QueueUrl=self._url_of(queue_arn), AttributeNames=["RedrivePolicy"]
            )
        policy = response.get("Attributes", {}).get("RedrivePolicy")
        return int(json.loads(policy)["maxReceiveCount"]) if policy else None

    def _get_url(self, queue_arn: str) -> str:
        name, account = queue_arn.split(":")[:3:-1]
        response = client("sqs", self._region).get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        return str(response["QueueUrl"])
