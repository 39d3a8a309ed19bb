"""S3: an object's key names its function; a failure is raised, so that Lambda retries the event.

docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html: keys are form-encoded.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.errors import RequestError
from silvaengine.ledger.execution import DAY
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import RESERVED_PARAMETERS
from silvaengine_tasks.batches import serve_or_raise
from silvaengine_tasks.bindings import Binding, Bindings, bound_calls
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.records import Event, RecordCall, are_records_of, member, records_of, text

KEEP_SECONDS = 24 * DAY  # S3 and SNS may try for 23 days to reach Lambda, which may take 6 hours more
_EXTENSION = re.compile(r"\.(csv|xlsx|pdf)\Z")


class S3Source(NamedTuple):
    """Notifications of buckets.

    Args:
        functions: calls functions.
        bindings: of buckets.
    """

    functions: FunctionCaller
    bindings: Bindings

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is from S3."""
        return are_records_of(event, "aws:s3")

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> None:
        """Call the functions of each object; raises InvocationError when some failed."""
        serve_or_raise(self.functions, "s3", records_of(event), self._read_calls, context, log)

    def _read_calls(self, record: Json) -> list[RecordCall]:
        bucket, key = _bucket_and_key(record)
        return read_calls(record, self.bindings.find("bucket", bucket, key))


def read_calls(record: Json, bindings: Sequence[Binding] = ()) -> list[RecordCall]:
    """Return a record's calls; raises RequestError when it is unbound and its key names no function.

    A key is ``{endpoint_id}/{function}/…``; its segments ``name:value`` are params, except for names that
    only the framework sets: whoever stores an object chooses its key.
    """
    bucket, key = _bucket_and_key(record)
    *folders, file = key.split("/")
    segments = folders if bindings else folders[2:]
    named = dict(segment.split(":", 1) for segment in segments if ":" in segment)
    allowed = {name: value for name, value in named.items() if name not in RESERVED_PARAMETERS}
    stored = member(record, "s3", "object")
    version = (member(stored, "versionId"), member(stored, "sequencer"), member(record, "eventName"))
    template = RecordCall(
        record_id=("s3", bucket, key, *(str(part or "") for part in version)),
        endpoint_id="",
        function="",
        params={**allowed, "bucket": bucket, "key": key, "id": _EXTENSION.sub("", file)},
        keep_seconds=KEEP_SECONDS,
        is_swept=True,
    )
    if bindings:
        return bound_calls(bindings, template, key, record)
    if len(folders) < 2 or not all(folders[:2]):
        raise RequestError("The object key must have the form {endpoint_id}/{function}/{file}")
    return [template._replace(endpoint_id=folders[0], function=folders[1])]


def _bucket_and_key(record: Json) -> tuple[str, str]:
    """Return the bucket and the decoded key."""
    from urllib.parse import unquote_plus  # lazy: only an event of S3 needs it

    return text(record, "s3", "bucket", "name"), unquote_plus(text(record, "s3", "object", "key"))
