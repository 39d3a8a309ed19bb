"""DynamoDB's operations on rows, called as botocore's low-level client is.

docs.aws.amazon.com/amazondynamodb/latest/APIReference. A read is repeated after any failure that may pass; a
write only when DynamoDB can't have made it: it never had the request, or said that it throttles.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from silvaengine.aws.http import NoAnswerError, NotSentError
from silvaengine.aws.refusals import refusal, unreachable
from silvaengine.aws.service import Service, error_of, open_service

if TYPE_CHECKING:
    from silvaengine.errors import SilvaEngineError

READ_SECONDS = 2.0
ATTEMPTS = 3
CONTENT = "application/x-amz-json-1.0"
PAUSES = (0.05, 0.2)  # seconds before the second and the third attempt, up to twice as long by chance
THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
)

type Members = dict[str, Any]


class DynamoDb:
    """Calls DynamoDB; bytes in a request become base64 text, and stay that in an answer.

    Every method takes the operation's members by name and gives the answer's, and raises

    - ``ConditionFailedError``: the condition of a write didn't hold;
    - ``UnavailableError``: DynamoDB throttles, fails or gives no answer; a write may have been made;
    - ``ConfigurationError``: any other refusal, such as a missing table or permission.

    Args:
        service: sends the requests.
        sleep: waits for some seconds.
        read_seconds: how long an answer may take.
        attempts: how often a request is sent at the most, 1 to 3.

    """

    def __init__(
        self,
        service: Service,
        sleep: Callable[[float], None] = time.sleep,
        *,
        read_seconds: float = READ_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._service = service
        self._sleep = sleep
        self._read_seconds = read_seconds
        self._pauses = (*PAUSES[: attempts - 1], None)

    def get_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Read one row."""
        return self._call("GetItem", request, repeatable=True)

    def batch_get_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Read up to 100 rows."""
        return self._call("BatchGetItem", request, repeatable=True)

    def query(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Read a page of a partition."""
        return self._call("Query", request, repeatable=True)

    def put_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Write a row."""
        return self._call("PutItem", request)

    def update_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Change a row."""
        return self._call("UpdateItem", request)

    def delete_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Delete a row."""
        return self._call("DeleteItem", request)

    def _call(self, operation: str, request: Members, *, repeatable: bool = False) -> Members:
        what = f"{operation} {request.get('TableName', '')}".rstrip()
        headers = {"content-type": CONTENT, "x-amz-target": f"DynamoDB_20120810.{operation}"}
        body = _encode(request).encode()
        for pause in self._pauses:
            try:
                response = self._service.post("/", headers, body, self._read_seconds)
            except NoAnswerError as error:
                failure: SilvaEngineError = unreachable(what, error)
                may_repeat = repeatable or isinstance(error, NotSentError)
            else:
                if response.status == 200:
                    answer: Members = json.loads(response.body)
                    return answer
                code, words = error_of(response)
                failure = refusal(what, code, words, response.status)
                may_repeat = code in THROTTLED or (repeatable and response.status >= 500)
            if pause is None or not may_repeat:
                raise failure
            self._sleep(_by_chance(pause))
        raise AssertionError  # the last attempt returns or raises


@cache
def open_dynamodb(region: str, *, read_seconds: float = READ_SECONDS, attempts: int = ATTEMPTS) -> DynamoDb:
    """Give the region's DynamoDB within these limits; see ``DynamoDb``."""
    return DynamoDb(open_service("dynamodb", region), read_seconds=read_seconds, attempts=attempts)


def _by_chance(pause: float) -> float:
    from random import uniform  # noqa: PLC0415 - only a repetition needs it

    return uniform(pause, 2 * pause)  # noqa: S311 - no secret


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in a request")


_encode = json.JSONEncoder(default=_base64).encode
