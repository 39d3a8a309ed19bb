"""SQS: messages that failed go back to the queue by their ids in ``batchItemFailures``.

docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html. A FIFO queue gets back the failed one
and all later ones of its group, so that their order is kept.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.context import LambdaContext
from silvaengine.errors import SilvaEngineError
from silvaengine.ledger.execution import DAY
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import check_hops
from silvaengine.settings import Settings
from silvaengine_tasks.batches import BatchResponse, serve_records
from silvaengine_tasks.bindings import Binding, Bindings, bound_calls
from silvaengine_tasks.calls import FunctionCaller, deadline_of
from silvaengine_tasks.parallel import Errors
from silvaengine_tasks.records import (
    Event,
    RecordCall,
    are_records_of,
    member,
    named_call,
    read_params,
    records_of,
    text,
)

KEEP_SECONDS = 14 * DAY  # the longest that a queue keeps a message
MAX_HIDDEN_SECONDS = 43_200  # docs.aws.amazon.com/AWSSimpleQueueService: ChangeMessageVisibility

_logger = logging.getLogger(__name__)

type Hide = Callable[[str, str, int], None]


class SqsSource(NamedTuple):
    """Messages of queues.

    Args:
        functions: calls functions.
        bindings: of queues.
        hide: hides a message (queue ARN, receipt handle) from receivers for some seconds.
    """

    functions: FunctionCaller
    bindings: Bindings
    hide: Hide

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is from SQS."""
        return are_records_of(event, "aws:sqs")

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> BatchResponse:
        """Call the functions of each message; return the ids of the messages that failed.

        Raises:
            RequestError: a message has no id, so that only the whole batch can go back.
        """
        messages = records_of(event)
        ids = [text(message, "messageId") for message in messages]
        self.functions.registry.refresh()
        errors = self._serve(messages, str(member(messages[0], "eventSourceARN")), deadline_of(context))
        failed = [message_id for message_id, error in zip(ids, errors, strict=True) if error]
        log.add(source="sqs", records=len(messages), failed=len(failed))
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _serve(self, messages: Sequence[Json], queue_arn: str, deadline: float) -> Errors:
        bindings = self.bindings.find("queue", queue_arn.rpartition(":")[2])
        groups = [str(member(message, "attributes", "MessageGroupId")) for message in messages]
        return serve_records(
            self.functions,
            messages,
            partial(read_calls, bindings=bindings),
            deadline,
            order=groups if queue_arn.endswith(".fifo") else None,
            on_in_progress=lambda position, error: self._hide(messages[position], error.seconds),
        )

    def _hide(self, message: Json, seconds: int) -> None:
        """Hide a message until the delivery that is in progress has ended, before it is received again."""
        queue_arn, receipt = member(message, "eventSourceARN"), member(message, "receiptHandle")
        try:
            self.hide(str(queue_arn), str(receipt), min(seconds, MAX_HIDDEN_SECONDS))
        except SilvaEngineError as error:
            _logger.warning("A message's visibility could not be changed: %s", error.detail)


def read_calls(message: Json, bindings: Sequence[Binding] = ()) -> list[RecordCall]:
    """Return a message's calls; raises RequestError when it is unbound and names no function or no params."""
    message_id, params = text(message, "messageId"), read_params(str(member(message, "body")))
    record_id = ("sqs", text(message, "eventSourceARN"), message_id)
    template = RecordCall(record_id, "", "", {}, KEEP_SECONDS, _hops(message))
    if bindings:
        template = template._replace(params={"record": message} if params is None else params)
        return bound_calls(bindings, template, message_id, message)
    endpoint_id, function = (
        member(message, "messageAttributes", name, "stringValue") for name in ("endpoint_id", "funct")
    )
    return [named_call(template, params, endpoint_id, function)]


def _hops(message: Json) -> int:
    hops = member(message, "messageAttributes", "hops", "stringValue")
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
