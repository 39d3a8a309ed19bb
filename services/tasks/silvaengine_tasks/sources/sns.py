"""SNS: a message that is bound to functions or names one; a failure is raised, so that Lambda repeats it.

docs.aws.amazon.com/lambda/latest/dg/with-sns.html: one record in an event.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.bindings import Binding, Bindings, calls_of
from silvaengine_tasks.calls import Caller
from silvaengine_tasks.independent import serve_whole
from silvaengine_tasks.named import own_call, params_of
from silvaengine_tasks.records import DAY, CallRecord, member, records_of, text

KEEP_SECONDS = (
    24 * DAY
)  # 23 days of tries: docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html


class Topics(NamedTuple):
    """Serves SNS events.

    Args:
        caller: calls functions.
        routes: knows what topics are bound to.
    """

    caller: Caller
    routes: Bindings

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> None:  # noqa: ANN401 - Lambda's
        """Call the functions of each message; raises InvocationError when some failed."""
        serve_whole(self.caller, "sns", event["Records"], self._read, context, line)

    def _read(self, record: Any) -> list[CallRecord]:  # noqa: ANN401 - an event's
        return read(record, self.routes.to("topic", text(record, "Sns", "TopicArn").rpartition(":")[2]))


def is_notification(event: Mapping[str, Any]) -> bool:
    """Return whether an event is SNS's."""
    return records_of(event, "aws:sns") is not None


def read(record: Any, routes: Sequence[Binding] = ()) -> list[CallRecord]:  # noqa: ANN401 - an event's
    """Read a record; raises RequestError when it is bound to nothing and names no function, or no params."""
    topic, identifier = text(record, "Sns", "TopicArn"), text(record, "Sns", "MessageId")
    params = params_of(str(member(record, "Sns", "Message")))
    like = CallRecord(("sns", topic, identifier), "", "", {}, KEEP_SECONDS, swept=True)
    if routes:
        given = {"record": record} if params is None else params
        return calls_of(routes, like._replace(params=given), identifier, record)
    endpoint_id, function = (
        member(record, "Sns", "MessageAttributes", name, "Value") for name in ("endpoint_id", "funct")
    )
    return [own_call(like, params, endpoint_id, function)]
