"""SQS: messages that failed go back to the queue by their ids in ``batchItemFailures``.

docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html. A FIFO queue gets back the failed one
and all later ones of its group, so that their order is kept.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import override

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.errors import SilvaEngineError
from silvaengine.ledger.execution import DAY
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import check_hops
from silvaengine.settings import Settings
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
    text,
)
from silvaengine_tasks.sources import BatchResponse, RecordSource

KEEP_SECONDS = 14 * DAY  # the longest that a queue keeps a message
MAX_HIDDEN_SECONDS = 43_200  # docs.aws.amazon.com/AWSSimpleQueueService: ChangeMessageVisibility

_logger = logging.getLogger(__name__)

type Hide = Callable[[str, str, int], None]


class SqsSource(RecordSource):
    """Messages of queues; ``hide`` hides one (queue ARN, receipt handle) from receivers for some seconds."""

    name = "sqs"
    event_source = "aws:sqs"

    def __init__(self, functions: FunctionCaller, bindings: Bindings, hide: Hide) -> None:
        super().__init__(functions, bindings)
        self._hide = hide

    @override
    def items(self, event: Event) -> list[BatchItem]:
        return [_Message(message, self._hide) for message in records_of(event)]

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
        )
        bound = self.bindings.calls("queue", queue_arn.rpartition(":")[2], call, record)
        return bound or [named_call(call, params, names)]

    @override
    def respond(self, items: Sequence[BatchItem]) -> BatchResponse:
        """Return the ids of the messages that failed."""
        return {"batchItemFailures": [{"itemIdentifier": item.id} for item in items if item.failure]}


class _Message(BatchItem):
    """A message, which must have an id, or only the whole batch can go back."""

    __slots__ = ("_hide",)

    def __init__(self, message: Json, hide: Hide) -> None:
        is_ordered = str(member(message, "eventSourceARN")).endswith(".fifo")
        group = str(member(message, "attributes", "MessageGroupId")) if is_ordered else ""
        super().__init__(message, text(message, "messageId"), group)
        self._hide = hide

    @override
    def fail(self, error: SilvaEngineError) -> None:
        """Hide a message at once if another delivery of it is in progress, until that one has ended."""
        super().fail(error)
        if isinstance(error, InProgressError):
            queue_arn, receipt = member(self.record, "eventSourceARN"), member(self.record, "receiptHandle")
            try:
                self._hide(str(queue_arn), str(receipt), min(error.seconds, MAX_HIDDEN_SECONDS))
            except SilvaEngineError as failure:
                _logger.warning("A message's visibility could not be changed: %s", failure.detail)


def _read_hops(hops: Json) -> int:
    if isinstance(hops, str) and hops.isdecimal() and len(hops) < 10:
        return check_hops(int(hops))
    return check_hops(hops)


def open_sqs_source(settings: Settings, functions: FunctionCaller, bindings: Bindings) -> SqsSource:
    """Return the source of the deployment's queues; its SQS client is made at the first use."""

    @cache
    def url_of(queue_arn: str) -> str:
        name, account = queue_arn.split(":")[:3:-1]
        response = client("sqs", settings.region).get_queue_url(
            QueueName=name, QueueOwnerAWSAccountId=account
        )
        return str(response["QueueUrl"])

    def hide(queue_arn: str, receipt: str, seconds: int) -> None:
        with translate_errors("ChangeMessageVisibility"):
            client("sqs", settings.region).change_message_visibility(
                QueueUrl=url_of(queue_arn), ReceiptHandle=receipt, VisibilityTimeout=seconds
            )

    return SqsSource(functions, bindings, hide)
