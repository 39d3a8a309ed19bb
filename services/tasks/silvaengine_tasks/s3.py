"""S3: each object's key names its function; a failure is raised, so that Lambda sends the event again.

docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html: keys are form-encoded.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.telemetry import InvocationLog
from silvaengine_tasks.batch import side_by_side
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.record import DAY, Record, member, records_of, text
from silvaengine_tasks.settle import raise_failures

KEEP_SECONDS = DAY
_EXTENSION = re.compile(r"\.(csv|xlsx|pdf)\Z")


class Buckets(NamedTuple):
    """Serves S3 events."""

    caller: Caller

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> None:  # noqa: ANN401 - Lambda's
        """Call the function of each object; raises InvocationError when some failed."""
        records = event["Records"]
        self.caller.registry.refresh()
        errors = side_by_side(records, self._one, deadline_of(context))
        line.fields(source="s3", records=len(records), failed=sum(map(bool, errors)))
        raise_failures(errors)

    def _one(self, record: Any, deadline: float) -> None:  # noqa: ANN401 - an event's
        self.caller.once(read(record), deadline)


def is_notification(event: Mapping[str, Any]) -> bool:
    """Whether an event is S3's."""
    return records_of(event, "aws:s3") is not None


def read(record: Any) -> Record:  # noqa: ANN401 - an event's
    """Read a record; raises RequestError when its key isn't ``{endpoint_id}/{function}/…``."""
    from urllib.parse import unquote_plus  # noqa: PLC0415 - other sources need none

    bucket, key = text(record, "s3", "bucket", "name"), unquote_plus(text(record, "s3", "object", "key"))
    endpoint_id, function, *rest = [*key.split("/"), ""][:-1] if key.count("/") >= 2 else ("", "")
    if not endpoint_id or not function:
        raise RequestError("The object's key is not {endpoint_id}/{function}/{file}")
    named = dict(part.split(":", 1) for part in rest[:-1] if ":" in part)
    version = str(member(record, "s3", "object", "versionId") or "")
    sequencer = str(member(record, "s3", "object", "sequencer") or "")
    kind = str(member(record, "eventName") or "")
    return Record(
        id=("s3", bucket, key, version, sequencer, kind),
        endpoint_id=endpoint_id,
        function=function,
        params={**named, "bucket": bucket, "key": key, "id": _EXTENSION.sub("", rest[-1])},
        keep_seconds=KEEP_SECONDS,
    )
