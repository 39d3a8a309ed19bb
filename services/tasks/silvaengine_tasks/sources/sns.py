"""SNS: a message of a bound topic, or one that names its function; Lambda retries an event that failed.

docs.aws.amazon.com/lambda/latest/dg/with-sns.html: one record in an event.
"""

from collections.abc import Sequence
from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.ledger.execution import DAY
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine_tasks.batches import serve_or_raise
from silvaengine_tasks.bindings import Binding, Bindings, bound_calls
from silvaengine_tasks.calls import FunctionCaller
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

# 23 days of retries: docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
KEEP_SECONDS = 24 * DAY


class SnsSource(NamedTuple):
    """Messages of topics.

    Args:
        functions: calls functions.
        bindings: of topics.
    """

    functions: FunctionCaller
    bindings: Bindings

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is from SNS."""
        return are_records_of(event, "aws:sns")

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> None:
        """Call the functions of each message; raises InvocationError when some failed."""
        serve_or_raise(self.functions, "sns", records_of(event), self._read_calls, context, log)

    def _read_calls(self, record: Json) -> list[RecordCall]:
        topic = text(record, "Sns", "TopicArn").rpartition(":")[2]
        return read_calls(record, self.bindings.find("topic", topic))


def read_calls(record: Json, bindings: Sequence[Binding] = ()) -> list[RecordCall]:
    """Return a record's calls; raises RequestError when it is unbound and names no function or no params."""
    topic_arn, message_id = text(record, "Sns", "TopicArn"), text(record, "Sns", "MessageId")
    params = read_params(str(member(record, "Sns", "Message")))
    template = RecordCall(("sns", topic_arn, message_id), "", "", {}, KEEP_SECONDS, is_swept=True)
    if bindings:
        template = template._replace(params={"record": record} if params is None else params)
        return bound_calls(bindings, template, message_id, record)
    endpoint_id, function = (
        member(record, "Sns", "MessageAttributes", name, "Value") for name in ("endpoint_id", "funct")
    )
    return [named_call(template, params, endpoint_id, function)]
