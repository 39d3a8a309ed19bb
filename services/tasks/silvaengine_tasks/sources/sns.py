"""SNS: a message of a bound topic, or one that names its function; Lambda retries an event that failed.

docs.aws.amazon.com/lambda/latest/dg/with-sns.html: one record in an event.
"""

from typing import override

from silvaengine.ledger.execution import DAY
from silvaengine_tasks.records import NAMES, BatchItem, RecordCall, member, named_call, read_params, text
from silvaengine_tasks.sources import RecordSource

# 23 days of retries: docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
KEEP_SECONDS = 24 * DAY


class SnsSource(RecordSource):
    """Messages of topics."""

    name = "sns"
    event_source = "aws:sns"

    @override
    def read_calls(self, item: BatchItem) -> list[RecordCall]:
        record = item.record
        arn, params = text(record, "Sns", "TopicArn"), read_params(member(record, "Sns", "Message"))
        record_id = ("sns", arn, text(record, "Sns", "MessageId"))
        own = {"record": record} if params is None else params
        call = RecordCall(record_id, own, KEEP_SECONDS, is_swept=True)
        names = {name: member(record, "Sns", "MessageAttributes", name, "Value") for name in NAMES}
        name, tenant = arn.rpartition(":")[2], names["endpoint_id"]
        bound = self.bindings.calls("topic", name, call, record, tenant=tenant)
        return bound or [named_call(call, params, names)]
