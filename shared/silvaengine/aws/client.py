"""One service of AWS at its endpoint: requests go out signed, over kept connections, with the trace's id."""

import json
import time
from collections.abc import Callable, Mapping
from functools import cache

from silvaengine.aws.credentials import CredentialsSource
from silvaengine.aws.http import HttpPool, Response
from silvaengine.aws.origin import Origin
from silvaengine.aws.signing import sign_headers
from silvaengine.errors import ConfigurationError
from silvaengine.settings import ENVIRONMENT

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# docs.aws.amazon.com/general/latest/gr/rande.html; a region outside of them is one of amazonaws.com.
SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
SERVICE_IDS = {"secretsmanager": "secrets_manager"}  # where a variable's name isn't the signed one


class AwsClient:
    """Sends signed requests to one service; for any number of threads.

    Args:
        name: as it is signed, such as ``dynamodb``.
        region: an AWS region.
        url: the endpoint, with a path where the service has one of its own.
        environ: the live environment: credentials, ``AWS_CA_BUNDLE``, Lambda's trace id.
        clock: epoch seconds.

    Raises:
        ConfigurationError: the endpoint is no URL.

    """

    def __init__(
        self,
        name: str,
        region: str,
        url: str,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            origin = Origin.of(url, environ.get("AWS_CA_BUNDLE"))
        except ValueError as error:
            raise ConfigurationError("The service is misconfigured", detail=str(error)) from error
        self._name = name
        self._region = region
        self._path = origin.path
        self._host = origin.netloc
        self._environ = environ
        self._clock = clock
        self._credentials = CredentialsSource(environ, clock)
        self._pool = HttpPool(origin, clock)

    def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        """Send a request and give its answer, whatever its status.

        Args:
            path: below the endpoint, percent-encoded, without a query string.
            headers: what the service wants besides, by lower-case name; they are signed.
            body: the whole body.
            seconds: until the answer must have come.

        Raises:
            NotSentError: the service never had the request.
            NoAnswerError: it may have acted on it.
            SilvaEngineError: there are no credentials.

        """
        whole = self._path + path
        fields = sign_headers(
            self._credentials.current(),
            self._region,
            self._name,
            whole,
            {**headers, "host": self._host},
            body,
            self._clock(),
        )
        trace = self._environ.get("_X_AMZN_TRACE_ID")
        if trace and trace.isascii() and trace.isprintable():  # without it Lambda's loop detection is blind
            fields.append(f"x-amzn-trace-id:{trace}")
        fields += ["user-agent:silvaengine", f"content-length:{len(body)}"]
        head = f"POST {whole} HTTP/1.1\r\n{'\r\n'.join(fields)}\r\n\r\n"
        return self._pool.exchange(head.encode("latin-1") + body, seconds)


@cache
def open_client(name: str, region: str, url: str = "") -> AwsClient:
    """Return the one client of a service.

    Args:
        name: as it is signed, such as ``lambda``.
        region: an AWS region.
        url: its endpoint, where the environment and AWS's rules don't say it.

    """
    return AwsClient(name, region, url or endpoint_url(name, region, ENVIRONMENT), ENVIRONMENT)


def endpoint_url(name: str, region: str, environ: Mapping[str, str]) -> str:
    """Return a service's endpoint: the environment's, else AWS's own of the region.

    docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html.
    """
    variable = f"AWS_ENDPOINT_URL_{SERVICE_IDS.get(name, name).upper()}"
    given = environ.get(variable) or environ.get("AWS_ENDPOINT_URL")
    if given:
        return given
    if "true" in (environ.get("AWS_USE_FIPS_ENDPOINT"), environ.get("AWS_USE_DUALSTACK_ENDPOINT")):
        from silvaengine.aws.botocore import client  # its rules have many exceptions

        return str(client(name, region).meta.endpoint_url)
    suffix = next((SUFFIXES[prefix] for prefix in SUFFIXES if region.startswith(prefix)), "amazonaws.com")
    return f"https://{name}.{region}.{suffix}"


def percent_encode(segment: str) -> str:
    """Percent-encode a path's segment: RFC 3986, section 2.1; urllib would cost a cold start its import."""
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in segment.encode())


def error_of(response: Response) -> tuple[str, str]:
    """Return the code and the words of a service's error, empty where it has none.

    The code stands in a header or in ``__type``, behind a namespace and before a URL:
    smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html.
    """
    try:
        said = json.loads(response.body or b"{}")
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    name = response.header(b"x-amzn-errortype") or said.get("__type") or said.get("code") or ""
    code = str(name).partition(":")[0].rpartition("#")[2]
    return code, str(said.get("message") or said.get("Message") or "")
