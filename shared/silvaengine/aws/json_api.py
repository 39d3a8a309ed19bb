"""AWS's JSON protocols, spoken by DynamoDB, Parameter Store and Secrets Manager.

smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html, and 1.1 beside it. A read is repeated after any
failure that may pass; a write only if the service can't have made it: it never had the request, or said that
it throttles.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from silvaengine.aws.backoff import ATTEMPTS, Backoff
from silvaengine.aws.client import AwsClient, error_of, open_client
from silvaengine.aws.errors import BusyError, no_response, to_error
from silvaengine.aws.http import NoResponseError
from silvaengine.errors import UnavailableError

READ_SECONDS = 2.0
FIRST_PAUSE = 0.1

type Members = dict[str, Any]


class JsonApi:
    """Calls the operations of one service; bytes are base64 text in a request and in a response.

    Args:
        client: the service's client.
        target: the prefix of its operations' names, such as ``DynamoDB_20120810``.
        version: of the protocol, ``1.0`` or ``1.1``.
        sleep: takes seconds.
        read_seconds: the time for a response.
        attempts: how often a request is sent at most, 1 or more.
    """

    def __init__(
        self,
        client: AwsClient,
        target: str,
        version: str,
        sleep: Callable[[float], None] = time.sleep,
        *,
        read_seconds: float = READ_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._client = client
        self._target = target
        self._content_type = f"application/x-amz-json-{version}"
        self._read_seconds = read_seconds
        self._backoff = Backoff(FIRST_PAUSE, attempts, sleep=sleep)

    def call(self, operation: str, request: Members, resource: str, *, repeatable: bool = False) -> Members:
        """Call an operation and return its response's members.

        Args:
            operation: such as ``GetItem``.
            request: its members.
            resource: the name of the table or secret, for an error's detail.
            repeatable: whether it changes nothing.

        Raises:
            ConditionFailedError: the condition of a write didn't hold.
            UnavailableError: the service throttles, fails or gives no response; a write may have been made.
            ConfigurationError: any other refusal, such as a missing table, secret or permission.
        """
        what = f"{operation} {resource}".rstrip()
        headers = {"content-type": self._content_type, "x-amz-target": f"{self._target}.{operation}"}
        body = _encode(request).encode()

        def attempt() -> Members:
            try:
                response = self._client.post("/", headers, body, self._read_seconds)
            except NoResponseError as error:
                raise no_response(what, error) from error
            if response.status != 200:
                raise to_error(what, *error_of(response), response.status)
            try:
                members: Members = json.loads(response.body)
            except ValueError as error:
                raise no_response(what, error) from error
            return members

        return self._backoff.run(attempt, UnavailableError if repeatable else BusyError)


def open_json_api(service: str, region: str, target: str) -> JsonApi:
    """Return the API of a service with version 1.1, such as ``ssm`` with the target ``AmazonSSM``."""
    return JsonApi(open_client(service, region), target, "1.1")


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in a request")


_encode = json.JSONEncoder(default=_base64).encode
