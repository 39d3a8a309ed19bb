"""SQS: messages that failed go back by their ids; ``batchItemFailures`` names them.

docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html. A FIFO queue gets back the failed one
and all later ones of its group, so that their order stands.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from silvaengine.aws.sdk import client, translated_errors
from silvaengine.errors import InvocationError, RequestError, SilvaEngineError
from silvaengine.hops import checked_hops
from silvaengine.settings import Settings
from silvaengine.telemetry import InvocationLog
from silvaengine_tasks.batch import attempt, side_by_side
from silvaengine_tasks.calls import Caller, UnderWayError, deadline_of
from silvaengine_tasks.record import DAY, Record, member, records_of, text

KEEP_SECONDS = 14 * DAY  # the longest that a queue keeps a message
MAX_HIDDEN_SECONDS = 43_200  # docs.aws.amazon.com/AWSSimpleQueueService: ChangeMessageVisibility

_logger = logging.getLogger(__name__)

type Hide = Callable[[str, str, int], None]


class Queues(NamedTuple):
    """Serves SQS events.

    Args:
        caller: calls functions.
        hide: keeps a message (queue ARN, receipt handle) from being received for some seconds.
    """

    caller: Caller
    hide: Hide

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Call each message's function; name those that failed.

        Raises:
            RequestError: a message has no id, so that only the whole batch can go back.
        """
        messages = event["Records"]
        ids = [text(message, "messageId") for message in messages]
        self.caller.registry.refresh()
        is_fifo = str(member(messages[0], "eventSourceARN")).endswith(".fifo")
        errors = (self._in_order if is_fifo else self._independent)(messages, deadline_of(context))
        failed = [identifier for identifier, error in zip(ids, errors, strict=True) if error]
        line.fields(source="sqs", records=len(messages), failed=len(failed))
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    def _independent(self, messages: Sequence[Any], deadline: float) -> list[SilvaEngineError | None]:
        return side_by_side(messages, self._one, deadline)

    def _in_order(self, messages: Sequence[Any], deadline: float) -> list[SilvaEngineError | None]:
        """Serve groups side by side and each group's messages in order, up to the first that fails."""
        groups: dict[str, list[int]] = {}
        for position, message in enumerate(messages):
            groups.setdefault(str(member(message, "attributes", "MessageGroupId")), []).append(position)
        errors: list[SilvaEngineError | None] = [None] * len(messages)
        side_by_side(list(groups.values()), partial(self._group, messages, errors), deadline)
        return errors

    def _group(
        self,
        messages: Sequence[Any],
        errors: list[SilvaEngineError | None],
        positions: Sequence[int],
        deadline: float,
    ) -> None:
        failure: SilvaEngineError | None = InvocationError("The group was not begun")
        for position in positions:
            errors[position] = failure
        failure = None
        for position in positions:
            failure = failure or attempt(messages[position], self._one, deadline)
            errors[position] = failure

    def _one(self, message: Any, deadline: float) -> None:  # noqa: ANN401 - an event's
        try:
            self.caller.once(read(message), deadline)
        except UnderWayError as error:
            self._wait(message, error.seconds)
            raise

    def _wait(self, message: Any, seconds: int) -> None:  # noqa: ANN401 - an event's
        """Let a message that is under way be received again only when the other delivery is over."""
        try:
            self.hide(
                text(message, "eventSourceARN"),
                text(message, "receiptHandle"),
                min(seconds, MAX_HIDDEN_SECONDS),
            )
        except SilvaEngineError as error:
            _logger.warning("A message's visibility could not be changed: %s", error.detail)


def is_batch(event: Mapping[str, Any]) -> bool:
    """Whether an event is SQS's."""
    return records_of(event, "aws:sqs") is not None


def read(message: Any) -> Record:  # noqa: ANN401 - an event's
    """Read a message; raises RequestError, or LoopError, when it can't be a call of a function."""
    try:
        body = json.loads(text(message, "body"))
    except (ValueError, RecursionError):
        raise RequestError("The message's body is not JSON") from None
    params = member(body, "params")
    if not isinstance(params, dict):
        raise RequestError("The message's body has no object in params")
    return Record(
        id=("sqs", text(message, "eventSourceARN"), text(message, "messageId")),
        endpoint_id=text(message, "messageAttributes", "endpoint_id", "stringValue"),
        function=text(message, "messageAttributes", "funct", "stringValue"),
        params=params,
        keep_seconds=KEEP_SECONDS,
        hops=_hops(message),
    )


def _hops(message: Any) -> int:  # noqa: ANN401 - an event's
    hops = member(message, "messageAttributes", "hops", "stringValue")
    is_number = isinstance(hops, str) and hops.isdecimal() and len(hops) < 10
    return checked_hops(int(hops) if is_number else hops)


def open_queues(settings: Settings, caller: Caller) -> Queues:
    """Give what serves the account's queues; its SQS client is made at the first use."""

    def hide(queue_arn: str, receipt: str, seconds: int) -> None:
        name, account = queue_arn.split(":")[:3:-1]
        with translated_errors("ChangeMessageVisibility"):
            sqs = client("sqs", settings.region)
            url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    return Queues(caller, hide)
