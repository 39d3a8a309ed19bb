"""botocore with explicit limits: for services that few requests wait for, and instead of the signed client.

botocore's defaults (60 s to connect and to read, up to 10 attempts) outlive the 29 s that API Gateway waits,
so each client states its timeouts and attempts. Its import and a client cost a cold start some ten times what
a signed call of ``silvaengine.aws.client`` does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from math import ceil
from os import register_at_fork
from threading import Lock
from typing import TYPE_CHECKING, Any

from silvaengine.aws.credentials import CredentialsSource
from silvaengine.aws.endpoints import configured_url
from silvaengine.aws.errors import no_response, to_error
from silvaengine.aws.http import NoResponseError, NotSentError, Response, ResponseTimeoutError
from silvaengine.aws.origin import SOCKET_OPTIONS
from silvaengine.aws.signing import TRACE_HEADER, trace_id
from silvaengine.settings import fixed_environment, in_fixed_environment

if TYPE_CHECKING:
    from botocore.httpsession import URLLib3Session
    from botocore.session import Session

CONNECT_SECONDS = 1.0

_creation = Lock()  # a botocore session makes one client at a time


class BotocoreApi:
    """A service's operations, called by name as ``JsonApi``'s are, through a client of botocore or boto3.

    The client decides about timeouts, repetitions and errors.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - botocore makes its client classes at run time
        self._client = client

    def call(self, operation: str, request: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        """Call an operation and return its response's members; raises botocore's errors."""
        from botocore import xform_name

        members: dict[str, Any] = getattr(self._client, xform_name(operation))(**request)
        return members


class BotocoreClient:
    """An ``AwsClient`` over botocore's signer and HTTP session: with its proxies and authorities.

    It takes what ``SignedClient`` takes. A time-out is that of each read, in whole seconds.
    """

    def __init__(self, service: str, region: str, url: str, environ: Mapping[str, str]) -> None:
        self._scope = service, region
        self._url = url.rstrip("/")
        self._environ = environ
        self._credentials = CredentialsSource(environ)

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        """See ``silvaengine.aws.client.AwsClient``."""
        from botocore import exceptions
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request: Any = AWSRequest("POST", self._url + path, headers, body)
        credentials: Any = self._credentials.current()  # it has the members that the signer reads
        SigV4Auth(credentials, *self._scope).add_auth(request)
        if trace := trace_id(self._environ):
            request.headers[TRACE_HEADER] = trace
        not_sent = (
            exceptions.ConnectTimeoutError,
            exceptions.EndpointConnectionError,
            exceptions.ProxyConnectionError,
        )
        try:
            session = _http_session(self._url, ceil(seconds))
            received: Any = session.send(request.prepare())
        except not_sent as error:
            raise NotSentError(str(error)) from error
        except exceptions.ReadTimeoutError as error:
            raise ResponseTimeoutError(str(error)) from error
        except exceptions.BotoCoreError as error:
            raise NoResponseError(str(error)) from error
        body = received.content
        if received.headers.get("content-length", str(len(body))) != str(len(body)):
            raise NoResponseError("the response is cut off")
        head = "".join(f"\r\n{name}:{value}" for name, value in received.headers.items())
        return Response(received.status_code, head.encode("latin-1"), body)


@lru_cache(8)
def _http_session(url: str, seconds: int) -> "URLLib3Session":
    """Return the connections to an endpoint."""
    from botocore.httpsession import URLLib3Session

    options: Any = {  # its types know less than its pages
        "verify": _authorities(),
        "proxies": _proxies(url),
        "timeout": (CONNECT_SECONDS, seconds),
        "socket_options": SOCKET_OPTIONS,
    }
    return URLLib3Session(**options)


def _authorities() -> str | bool:
    """Return the file of certificates to trust, True for botocore's own, as its own clients do."""
    environ = fixed_environment()
    with in_fixed_environment():
        file = _session().get_scoped_config().get("ca_bundle")
    return environ.get("AWS_CA_BUNDLE") or file or environ.get("REQUESTS_CA_BUNDLE") or True


def _proxies(url: str) -> dict[str, str]:
    """Return the proxies by scheme, as urllib reads them from the live environment."""
    from urllib.parse import urlsplit
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined] # typeshed lacks it

    variables = {name.lower(): text for name, text in fixed_environment().items()}
    proxies = {
        scheme: text for scheme in ("http", "https", "no") if (text := variables.get(f"{scheme}_proxy"))
    }
    return {} if proxy_bypass_environment(urlsplit(url).netloc, proxies) else proxies


@cache
def _session() -> "Session":
    from botocore.session import Session  # lazy: only a rare call needs it

    return Session()


def client(service: str, region: str, *, read_seconds: float = 2.0, attempts: int = 3) -> Any:  # noqa: ANN401 - see BotocoreApi
    """Return the one client of a service (by botocore's name) for these limits; several threads may use it.

    ``attempts`` is how often a request is sent at most, 1 or more.
    """
    with _creation:
        return _client(service, region, read_seconds, attempts)


@cache
def _client(service: str, region: str, read_seconds: float, attempts: int) -> Any:  # noqa: ANN401 - see BotocoreApi
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        **(_s3_options() if service == "s3" else {}),
    )
    with in_fixed_environment():
        return _session().create_client(service, region_name=region, config=config)


def _s3_options() -> dict[str, Any]:
    """Return what makes presigned URLs name the region's host and have Signature Version 4.

    By default some have an older signature, and some the global host, which redirects and which a VPC's
    gateway endpoint doesn't serve: docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html.
    """
    style = "auto" if configured_url("s3", fixed_environment()) else "virtual"  # no buckets below other hosts
    return {
        "signature_version": "s3v4",
        "s3": {"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
    }


for _kept in (_http_session, _client):  # a forked child must not speak on its parent's connections
    register_at_fork(after_in_child=_kept.cache_clear)


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise the framework's errors for botocore's; ``what`` names the call in their detail.

    Raises:
        SilvaEngineError: the error that ``to_error`` returns.
        UnavailableError: AWS can't be reached in time.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        reported = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        raise to_error(what, reported.get("Code", ""), reported.get("Message", ""), status) from error
    except BotoCoreError as error:
        raise no_response(what, error) from error
