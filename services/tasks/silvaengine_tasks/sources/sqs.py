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
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import check_hops
from silvaengine.settings import Settings
from silvaengine_tasks.batches import BatchResponse, RunAll, RunCalls, serve_records
from silvaengine_tasks.bindings import Binding, Bindings, bound_calls
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.claims import InProgressError
from silvaengine_tasks.parallel import Errors, fail_successors, in_order, side_by_side
from silvaengine_tasks.records import (
    DAY,
    CallRecord,
    Event,
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
        caller: calls functions.
        bindings: of queues.
        hide: hides a message (queue ARN, receipt handle) from receivers for some seconds.
    """

    caller: Caller
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
        self.caller.registry.refresh()
        errors = self._serve(messages, str(member(messages[0], "eventSourceARN")), deadline_of(context))
        failed = [message_id for message_id, error in zip(ids, errors, strict=True) if error]
        log.add(source="sqs", records=len(messages), failed=len(failed))
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _serve(self, messages: Sequence[Json], queue_arn: str, deadline: float) -> Errors:
        bindings = self.bindings.find("queue", queue_arn.rpartition(":")[2])
        groups = [str(member(message, "attributes", "MessageGroupId")) for message in messages]
        is_fifo = queue_arn.endswith(".fifo")
        run_all = partial(self._run_all, messages, partial(in_order, groups) if is_fifo else side_by_side)
        read = partial(read_calls, bindings=bindings)
        errors = serve_records(self.caller, messages, read, deadline, run_all)
        if any(binding.batch for binding in bindings):
            self._hide_in_progress(messages, errors)
        return fail_successors(groups, errors) if is_fifo else errors

    def _run_all(
        self,
        messages: Sequence[Json],
        run_all: RunAll,
        positions: Sequence[int],
        run: RunCalls,
        deadline: float,
    ) -> Errors:
        """Run all messages; hide one that is in progress at once, before it could be received again."""

        def run_or_hide(position: int, until: float) -> None:
            try:
                run(position, until)
            except InProgressError as error:
                self._hide(messages[position], error.seconds)
                raise

        return run_all(positions, run_or_hide, deadline)

    def _hide_in_progress(self, messages: Sequence[Json], errors: Errors) -> None:
        for message, error in zip(messages, errors, strict=True):
            if isinstance(error, InProgressError):
                self._hide(message, error.seconds)

    def _hide(self, message: Json, seconds: int) -> None:
        """Hide a message until the delivery that is in progress has ended."""
        queue_arn, receipt = member(message, "eventSourceARN"), member(message, "receiptHandle")
        try:
            self.hide(str(queue_arn), str(receipt), min(seconds, MAX_HIDDEN_SECONDS))
        except SilvaEngineError as error:
            _logger.warning("A message's visibility could not be changed: %s", error.detail)


def read_calls(message: Json, bindings: Sequence[Binding] = ()) -> list[CallRecord]:
    """Return a message's calls; raises RequestError when it is unbound and names no function or no params."""
    message_id, params = text(message, "messageId"), read_params(str(member(message, "body")))
    record_id = ("sqs", text(message, "eventSourceARN"), message_id)
    template = CallRecord(record_id, "", "", {}, KEEP_SECONDS, _hops(message))
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


def open_sqs_source(settings: Settings, caller: Caller, bindings: Bindings) -> SqsSource:
    """Return the source of the account's queues; its SQS client is made at the first use."""

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

    return SqsSource(caller, bindings, hide)
