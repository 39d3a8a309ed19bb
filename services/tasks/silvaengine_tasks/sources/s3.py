"""S3: each object's key names its function; a failure is raised, so that Lambda sends the event again.

docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html: keys are form-encoded.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import RESERVED_PARAMETERS
from silvaengine_tasks.bindings import Binding, Bindings, calls_of
from silvaengine_tasks.calls import Caller
from silvaengine_tasks.independent import serve_whole
from silvaengine_tasks.records import DAY, CallRecord, member, records_of, text

KEEP_SECONDS = 24 * DAY  # S3 and SNS may try for 23 days to reach Lambda, which may take 6 hours more
_EXTENSION = re.compile(r"\.(csv|xlsx|pdf)\Z")


class Buckets(NamedTuple):
    """Serves S3 events.

    Args:
        caller: calls functions.
        routes: knows what buckets are bound to.
    """

    caller: Caller
    routes: Bindings

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> None:  # noqa: ANN401 - Lambda's
        """Call the functions of each object; raises InvocationError when some failed."""
        serve_whole(self.caller, "s3", event["Records"], self._read, context, line)

    def _read(self, record: Any) -> list[CallRecord]:  # noqa: ANN401 - an event's
        bucket, key = _place(record)
        return read(record, self.routes.to("bucket", bucket, key))


def is_notification(event: Mapping[str, Any]) -> bool:
    """Return whether an event is S3's."""
    return records_of(event, "aws:s3") is not None


def read(record: Any, routes: Sequence[Binding] = ()) -> list[CallRecord]:  # noqa: ANN401 - an event's
    """Read a record; raises RequestError when it is bound to nothing and its key names no function.

    A key is ``{endpoint_id}/{function}/…``; its segments ``name:value`` are params, but for the names
    that only the framework sets: whoever stores an object chooses its key.
    """
    bucket, key = _place(record)
    *folders, file = key.split("/")
    named = dict(part.split(":", 1) for part in (folders if routes else folders[2:]) if ":" in part)
    given = {name: value for name, value in named.items() if name not in RESERVED_PARAMETERS}
    like = CallRecord(
        id=("s3", bucket, key, *(str(part or "") for part in _version(record))),
        endpoint_id="",
        function="",
        params={**given, "bucket": bucket, "key": key, "id": _EXTENSION.sub("", file)},
        keep_seconds=KEEP_SECONDS,
        swept=True,
    )
    if routes:
        return calls_of(routes, like, key, record)
    if len(folders) < 2 or not all(folders[:2]):
        raise RequestError("The object's key is not {endpoint_id}/{function}/{file}")
    return [like._replace(endpoint_id=folders[0], function=folders[1])]


def _place(record: Any) -> tuple[str, str]:  # noqa: ANN401 - an event's
    """Return the bucket and the key as it was stored."""
    from urllib.parse import unquote_plus  # other sources need none

    return text(record, "s3", "bucket", "name"), unquote_plus(text(record, "s3", "object", "key"))


def _version(record: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - an event's
    stored = member(record, "s3", "object")
    return member(stored, "versionId"), member(stored, "sequencer"), member(record, "eventName")
