"""The deployment's bucket, for values that are too large for a row or a payload."""

from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.ledger.execution import INLINE_LIMIT, Execution
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.settings import Settings, require

URL_SECONDS = 300  # an event lives 60 s at the most


class PayloadStore:
    """Texts in the bucket.

    Args:
        open_client: returns the low-level S3 client; called at each use.
        bucket: the bucket's name; None if the deployment has none.
    """

    def __init__(self, open_client: Callable[[], Any], bucket: str | None) -> None:
        self._open_client = open_client
        self._bucket = bucket

    @property
    def exists(self) -> bool:
        """Whether the deployment has a bucket."""
        return self._bucket is not None

    def store(self, member: str, key: str, text: str) -> Mapping[str, str]:
        """Return a row's attribute: the text, or as ``{member}_at`` a large one's key in the bucket."""
        if len(text.encode()) <= INLINE_LIMIT:
            return {member: text}
        self.put(key, text)
        return {f"{member}_at": key}

    def put(self, key: str, text: str) -> None:
        """Store a text."""
        with translate_errors(f"PutObject {key}"):
            self._open_client().put_object(Bucket=self._bucket_name(), Key=key, Body=text.encode())

    def get(self, key: str) -> str:
        """Return a text."""
        with translate_errors(f"GetObject {key}"):
            body: bytes = self._open_client().get_object(Bucket=self._bucket_name(), Key=key)["Body"].read()
        return body.decode()

    def store_content(self, execution: Execution) -> Execution:
        """Return an execution with its content where the ledger keeps it: in the row or in the bucket."""
        key = content_key(execution.job_id, execution.effect)
        place = self.store("content", key, execution.content or "")
        return execution._replace(content=place.get("content"), content_at=place.get("content_at"))

    def stored_response(self, execution: Execution) -> WorkerResponse:
        """Return the response of an execution that has ended, as its worker settled it."""
        text = execution.result
        if text is None and execution.result_at is not None:
            text = self.get(execution.result_at)
        return WorkerResponse.read(text or "null")

    def url(self, key: str) -> str:
        """Return a URL that reads the text for five minutes, whoever has it."""
        parameters = {"Bucket": self._bucket_name(), "Key": key}
        url: str = self._open_client().generate_presigned_url(
            "get_object", Params=parameters, ExpiresIn=URL_SECONDS
        )
        return url

    def _bucket_name(self) -> str:
        return require(self._bucket, "PAYLOAD_BUCKET")


def open_payload_store(settings: Settings) -> PayloadStore:
    """Return the deployment's bucket; its client is made at the first use."""
    return PayloadStore(lambda: client("s3", settings.region, read_seconds=5.0), settings.payload_bucket)


def content_key(job_id: str, effect: str) -> str:
    """Return the key of an accepted call's content."""
    return f"calls/{job_id}/{effect}"


def result_key(job_id: str, owner: str) -> str:
    """Return the key of an attempt's result; the owner's token keeps attempts apart."""
    return f"results/{job_id}/{owner}"
