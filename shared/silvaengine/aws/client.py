"""A client for one of AWS's services: signed requests over kept connections, with Lambda's trace id."""

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Protocol

from silvaengine.aws.credentials import CredentialsSource
from silvaengine.aws.endpoints import endpoint_url
from silvaengine.aws.errors import misconfigured
from silvaengine.aws.http import HttpPool, Response
from silvaengine.aws.origin import Origin
from silvaengine.aws.signing import TRACE_HEADER, sign_headers, trace_id
from silvaengine.settings import ENVIRONMENT, fixed_environment

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_REGION = re.compile("[A-Za-z0-9-]{1,63}")


class AwsClient(Protocol):
    """Sends signed requests to one service, from any number of threads."""

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        """Send a request once and return the response, whatever its status.

        Args:
            path: below the endpoint URL's, percent-encoded, without a query string.
            headers: the service's own, by lower-case name; they are signed.
            body: all of it.
            seconds: the time for the response.

        Raises:
            NotSentError: the service never had the request.
            ResponseTimeoutError: the response didn't come in time.
            NoResponseError: the service may have acted on it.
            SilvaEngineError: there are no credentials.
        """


class SignedClient:
    """An ``AwsClient`` with a signer and connections of our own.

    Args:
        service: its signing name, such as ``dynamodb``.
        region: an AWS region.
        url: the endpoint URL, with a path where the service has one.
        environ: the live environment: credentials, Lambda's trace id.
        clock: epoch seconds.

    Raises:
        ConfigurationError: the endpoint URL isn't valid.
    """

    def __init__(
        self,
        service: str,
        region: str,
        url: str,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        fixed = fixed_environment()
        authorities = fixed.get("AWS_CA_BUNDLE") or fixed.get("REQUESTS_CA_BUNDLE")
        try:
            origin = Origin.of(url, authorities)
        except ValueError as error:
            raise misconfigured(str(error)) from error
        self._service = service
        self._region = region
        self._path = origin.path
        self._host = origin.netloc
        self._environ = environ
        self._clock = clock
        self._credentials = CredentialsSource(environ, clock)
        self._pool = HttpPool(origin, clock)

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        """See ``AwsClient``; ``seconds`` is the time for the whole response."""
        full_path = self._path + path
        signed = sign_headers(
            self._credentials.current,
            self._region,
            self._service,
            full_path,
            {**headers, "host": self._host},
            body,
            self._clock(),
        )
        if trace := trace_id(self._environ):
            signed += f"\r\n{TRACE_HEADER}:{trace}"
        sent = f"user-agent:silvaengine\r\ncontent-length:{len(body)}"
        head = f"POST {full_path} HTTP/1.1\r\n{signed}\r\n{sent}\r\n\r\n"
        response: Response = self._pool.exchange(head.encode("latin-1") + body, seconds)
        return response


@cache
def open_client(service: str, region: str, url: str = "") -> AwsClient:
    """Return the process's one client of a service, of the kind that ``SILVAENGINE_AWS_CLIENT`` names.

    ``url`` is needed where neither the environment nor AWS's rules name the endpoint.

    Raises:
        ConfigurationError: there is no such kind or endpoint, or its URL or the region isn't valid.
    """
    if not _REGION.fullmatch(region):
        raise misconfigured(f"AWS_REGION: expected a region such as eu-central-1, found {region!r}")
    url = url or endpoint_url(service, region, fixed_environment())
    kind = fixed_environment().get("SILVAENGINE_AWS_CLIENT") or "signed"
    if kind == "signed":
        return SignedClient(service, region, url, ENVIRONMENT)
    if kind == "botocore":
        from silvaengine.aws.botocore import BotocoreClient  # lazy: ten times a signed client's cold start

        return BotocoreClient(service, region, url, ENVIRONMENT)
    raise misconfigured(f"SILVAENGINE_AWS_CLIENT: expected signed or botocore, found {kind!r}")


def percent_encode(segment: str) -> str:
    """Return a percent-encoded path segment (RFC 3986, section 2.1) without urllib's slow import."""
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in segment.encode())


def error_of(response: Response) -> tuple[str, str]:
    """Return the code and the message of a service's error, empty where it has none.

    The code stands in a header or in ``__type``, between a namespace and a URL:
    smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html.
    """
    try:
        error = json.loads(response.body or b"{}")
    except ValueError:
        error = {}
    if not isinstance(error, dict):
        error = {}
    name = response.header(b"x-amzn-errortype") or error.get("__type") or error.get("code") or ""
    code = str(name).partition(":")[0].rpartition("#")[2]
    return code, str(error.get("message") or error.get("Message") or "")
