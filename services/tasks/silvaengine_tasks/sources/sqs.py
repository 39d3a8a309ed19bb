"""SQS: messages that failed go back by their ids; ``batchItemFailures`` names them.

docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html. A FIFO queue gets back the failed one
and all later ones of its group, so that their order stands.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import check_hops
from silvaengine.settings import Settings
from silvaengine_tasks.batches import Errors, Serve, in_order, side_by_side, with_the_later
from silvaengine_tasks.bindings import Binding, Bindings, calls_of
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.claims import UnderWayError
from silvaengine_tasks.independent import Run, serve_records
from silvaengine_tasks.named import own_call, params_of
from silvaengine_tasks.records import DAY, CallRecord, member, records_of, text

KEEP_SECONDS = 14 * DAY  # the longest that a queue keeps a message
MAX_HIDDEN_SECONDS = 43_200  # docs.aws.amazon.com/AWSSimpleQueueService: ChangeMessageVisibility

_logger = logging.getLogger(__name__)

type Hide = Callable[[str, str, int], None]


class Queues(NamedTuple):
    """Serves SQS events.

    Args:
        caller: calls functions.
        routes: knows what queues are bound to.
        hide: keeps a message (queue ARN, receipt handle) from being received for some seconds.
    """

    caller: Caller
    routes: Bindings
    hide: Hide

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Call each message's functions; name the messages that failed.

        Raises:
            RequestError: a message has no id, so that only the whole batch can go back.
        """
        messages = event["Records"]
        ids = [text(message, "messageId") for message in messages]
        self.caller.registry.refresh()
        errors = self._serve(messages, str(member(messages[0], "eventSourceARN")), deadline_of(context))
        failed = [identifier for identifier, error in zip(ids, errors, strict=True) if error]
        line.add(source="sqs", records=len(messages), failed=len(failed))
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    def _serve(self, messages: Sequence[Any], arn: str, deadline: float) -> Errors:
        routes = self.routes.to("queue", arn.rpartition(":")[2])
        groups = [str(member(message, "attributes", "MessageGroupId")) for message in messages]
        is_fifo = arn.endswith(".fifo")
        run = partial(self._run, messages, partial(in_order, groups) if is_fifo else side_by_side)
        errors = serve_records(self.caller, messages, partial(read, routes=routes), deadline, run)
        if any(route.batch for route in routes):
            self._wait(messages, errors)
        return with_the_later(groups, errors) if is_fifo else errors

    def _run(
        self, messages: Sequence[Any], run: Run, positions: Sequence[int], serve: Serve, deadline: float
    ) -> Errors:
        """Serve messages; one that is under way is hidden at once, before it could be received again."""

        def one(position: int, until: float) -> None:
            try:
                serve(position, until)
            except UnderWayError as error:
                self._hide(messages[position], error.seconds)
                raise

        return run(positions, one, deadline)

    def _wait(self, messages: Sequence[Any], errors: Errors) -> None:
        for message, error in zip(messages, errors, strict=True):
            if isinstance(error, UnderWayError):
                self._hide(message, error.seconds)

    def _hide(self, message: Any, seconds: int) -> None:  # noqa: ANN401 - an event's
        """Let a message be received again only when the other delivery is over."""
        arn, receipt = member(message, "eventSourceARN"), member(message, "receiptHandle")
        try:
            self.hide(str(arn), str(receipt), min(seconds, MAX_HIDDEN_SECONDS))
        except SilvaEngineError as error:
            _logger.warning("A message's visibility could not be changed: %s", error.detail)


def is_batch(event: Mapping[str, Any]) -> bool:
    """Return whether an event is SQS's."""
    return records_of(event, "aws:sqs") is not None


def read(message: Any, routes: Sequence[Binding] = ()) -> list[CallRecord]:  # noqa: ANN401 - an event's
    """Read a message; raises RequestError when it is bound to nothing and names no function, or no params."""
    identifier, params = text(message, "messageId"), params_of(str(member(message, "body")))
    source = ("sqs", text(message, "eventSourceARN"), identifier)
    like = CallRecord(source, "", "", {}, KEEP_SECONDS, _hops(message))
    if routes:
        given = {"record": message} if params is None else params
        return calls_of(routes, like._replace(params=given), identifier, message)
    endpoint_id, function = (
        member(message, "messageAttributes", name, "stringValue") for name in ("endpoint_id", "funct")
    )
    return [own_call(like, params, endpoint_id, function)]


def _hops(message: Any) -> int:  # noqa: ANN401 - an event's
    hops = member(message, "messageAttributes", "hops", "stringValue")
    is_number = isinstance(hops, str) and hops.isdecimal() and len(hops) < 10
    return check_hops(int(hops) if is_number else hops)


def open_queues(settings: Settings, caller: Caller, routes: Bindings) -> Queues:
    """Return what serves the account's queues; its SQS client is made at the first use."""

    @cache
    def url_of(queue_arn: str) -> str:
        name, account = queue_arn.split(":")[:3:-1]
        answer = client("sqs", settings.region).get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        return str(answer["QueueUrl"])

    def hide(queue_arn: str, receipt: str, seconds: int) -> None:
        with translate_errors("ChangeMessageVisibility"):
            client("sqs", settings.region).change_message_visibility(
                QueueUrl=url_of(queue_arn), ReceiptHandle=receipt, VisibilityTimeout=seconds
            )

    return Queues(caller, routes, hide)
