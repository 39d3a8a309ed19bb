"""Lambda's Invoke with its limits, and the bucket through which larger payloads go."""

import json
from io import BytesIO
from typing import Any

from silvaengine.aws.http import Response
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.ledger.large_payloads import move_settings
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.protocol.messages import EVENT_LIMIT, SYNC_LIMIT, WorkerResponse

URL = "https://bucket/"


def as_result(response: WorkerResponse) -> bytes:
    """Return a worker's response as Invoke returns it."""
    return json.dumps(response.encode()).encode()


class Bucket:
    """An S3 client that keeps objects."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - botocore's names
        self.objects[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        return {"Body": BytesIO(self.objects[Key])}

    def generate_presigned_url(self, operation: str, *, Params: Any, ExpiresIn: int) -> str:  # noqa: N803
        return URL + str(Params["Key"])


class Lambdas:
    """Takes what Lambda takes; ``sent`` are the payloads, with what their URLs lead to."""

    def __init__(self, *, has_bucket: bool = True) -> None:
        self.bucket = Bucket()
        self.payloads = PayloadStore(lambda: self.bucket, "bucket" if has_bucket else None)
        self.sent: list[dict[str, Any]] = []

    def invoker(self, **options: Any) -> LambdaInvoker:
        """Return the invoker of workers."""
        return LambdaInvoker(
            lambda: self,
            fit=lambda payload, limit: move_settings(payload, limit, self.payloads),
            **options,
        )

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        assert len(body) <= (EVENT_LIMIT if headers["x-amz-invocation-type"] == "Event" else SYNC_LIMIT)
        payload = json.loads(body)
        if "content_url" in payload:
            payload |= json.loads(self.bucket.objects[payload["content_url"].removeprefix(URL)])
        self.sent.append(payload)
        return Response(200, b"HTTP/1.1 200 OK", as_result(WorkerResponse("json", {})))
