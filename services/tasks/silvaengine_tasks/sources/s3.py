"""S3: an object's key names its function; a failure is raised, so that Lambda retries the event.

docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html: keys are form-encoded.
"""

import re
from collections.abc import Iterable
from typing import override

from silvaengine.errors import RequestError
from silvaengine.ledger.execution import DAY
from silvaengine_tasks.records import BatchItem, RecordCall, member, text
from silvaengine_tasks.sources import RecordSource

KEEP_SECONDS = 24 * DAY  # S3 and SNS may try for 23 days to reach Lambda, which may take 6 hours more
_EXTENSION = re.compile(r"\.(csv|xlsx|pdf)\Z")


class S3Source(RecordSource):
    """Notifications of buckets.

    A key is ``{endpoint_id}/{function}/…``, of a bound bucket any; its segments ``name:value`` are params.
    An object that no binding of its bucket matches calls nothing, nor does a folder's marker.
    """

    name = "s3"
    event_source = "aws:s3"

    @override
    def read_calls(self, item: BatchItem) -> list[RecordCall]:
        from urllib.parse import unquote_plus  # lazy: only an event of S3 needs it

        record = item.record
        bucket = text(record, "s3", "bucket", "name")
        key = unquote_plus(text(record, "s3", "object", "key"))
        *folders, file = key.split("/")
        params = {"bucket": bucket, "key": key, "id": _EXTENSION.sub("", file)}
        stored = member(record, "s3", "object")
        version = (member(stored, "versionId"), member(stored, "sequencer"), member(record, "eventName"))
        if not file and not member(stored, "size"):
            return []  # the marker of a folder, as S3's console makes it
        record_id = ("s3", bucket, key, *(str(part or "") for part in version))
        call = RecordCall(record_id, _named_params(folders) | params, KEEP_SECONDS, is_swept=True)
        if (bound := self.bindings.calls("bucket", bucket, call, record, key)) is not None:
            return bound
        endpoint_id, function, *others = [*folders, "", ""]
        if not endpoint_id or not function:
            raise RequestError("The object key must have the form {endpoint_id}/{function}/{file}")
        params = _named_params(others) | params
        return [call._replace(endpoint_id=endpoint_id, function=function, params=params)]


def _named_params(segments: Iterable[str]) -> dict[str, str]:
    return dict(segment.split(":", 1) for segment in segments if ":" in segment)
