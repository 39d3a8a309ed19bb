"""AWS's JSON protocols, which DynamoDB, Parameter Store and Secrets Manager speak.

smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html, and 1.1 beside it. A read is repeated after any
failure that may pass; a write only when the service can't have made it: it never had the request, or said
that it throttles.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from silvaengine.aws.client import AwsClient, error_of, open_client
from silvaengine.aws.errors import no_answer, to_error
from silvaengine.aws.http import NoAnswerError, NotSentError

if TYPE_CHECKING:
    from silvaengine.errors import SilvaEngineError

READ_SECONDS = 2.0
ATTEMPTS = 3
PAUSES = (0.05, 0.2)  # seconds before the second and the third attempt, up to twice as long by chance
THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
)

type Members = dict[str, Any]


class JsonApi:
    """Calls the operations of one service; bytes in a request become base64 text.

    Args:
        service: sends the requests.
        target: what the names of its operations begin with, such as ``DynamoDB_20120810``.
        version: of the protocol, ``1.0`` or ``1.1``.
        sleep: waits for some seconds.
        read_seconds: how long an answer may take.
        attempts: how often a request is sent at the most, 1 to 3.

    """

    def __init__(
        self,
        service: AwsClient,
        target: str,
        version: str,
        sleep: Callable[[float], None] = time.sleep,
        *,
        read_seconds: float = READ_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._service = service
        self._target = target
        self._content_type = f"application/x-amz-json-{version}"
        self._sleep = sleep
        self._read_seconds = read_seconds
        self._pauses = (*PAUSES[: attempts - 1], None)

    def call(self, operation: str, request: Members, about: str, *, repeatable: bool = False) -> Members:
        """Call an operation and give its answer's members.

        Args:
            operation: such as ``GetItem``.
            request: its members.
            about: what it is about, for an error's detail.
            repeatable: whether it changes nothing.

        Raises:
            ConditionFailedError: the condition of a write didn't hold.
            UnavailableError: the service throttles, fails or gives no answer; a write may have been made.
            ConfigurationError: any other refusal, such as a missing table, secret or permission.
        """
        what = f"{operation} {about}".rstrip()
        headers = {"content-type": self._content_type, "x-amz-target": f"{self._target}.{operation}"}
        body = _encode(request).encode()
        for pause in self._pauses:
            try:
                response = self._service.post("/", headers, body, self._read_seconds)
            except NoAnswerError as error:
                failure: SilvaEngineError = no_answer(what, error)
                may_repeat = repeatable or isinstance(error, NotSentError)
            else:
                if response.status == 200:
                    answer: Members = json.loads(response.body)
                    return answer
                code, words = error_of(response)
                failure = to_error(what, code, words, response.status)
                may_repeat = code in THROTTLED or (repeatable and response.status >= 500)
            if pause is None or not may_repeat:
                raise failure
            self._sleep(_by_chance(pause))
        raise AssertionError  # the last attempt returns or raises


def open_json_api(name: str, region: str, target: str) -> JsonApi:
    """Return a service that speaks version 1.1, such as ``ssm``, whose target is ``AmazonSSM``."""
    return JsonApi(open_client(name, region), target, "1.1")


def _by_chance(pause: float) -> float:
    from random import uniform  # only a repetition needs it

    return uniform(pause, 2 * pause)  # noqa: S311 - no secret


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in a request")


_encode = json.JSONEncoder(default=_base64).encode
