"""botocore's clients with explicit limits, for services that few requests wait for.

botocore's defaults (60 s to connect and to read, up to 10 attempts) outlive the 29 s that API Gateway waits,
so each client states its timeouts and attempts. Its import and a client cost a cold start some ten times what
a signed call of ``silvaengine.aws.client`` does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from silvaengine.aws.errors import no_response, to_error

if TYPE_CHECKING:
    from botocore.session import Session

    from silvaengine.aws.json_api import Members

CONNECT_SECONDS = 1.0

_creation = Lock()  # a botocore session makes one client at a time


class BotocoreApi:
    """A service's operations called by name through a botocore client, in the form of ``JsonApi``.

    Args:
        client: botocore's or boto3's, which decides about timeouts, repetitions and errors.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - botocore makes its client classes at run time
        self._client = client

    def call(self, operation: str, request: "Members", *_: object, **__: object) -> "Members":
        """Call an operation and return its response's members; raises botocore's errors."""
        from botocore import xform_name

        answer: Members = getattr(self._client, xform_name(operation))(**request)
        return answer


@cache
def _session() -> "Session":
    from botocore.session import Session  # lazy: only a rare call needs it

    return Session()


def client(service: str, region: str, *, read_seconds: float = 2.0, attempts: int = 3) -> Any:  # noqa: ANN401 - see BotocoreApi
    """Return the one client of a service for these limits; several threads may use it.

    Args:
        service: botocore's name of it, such as ``sns``.
        region: an AWS region.
        read_seconds: the time for a response.
        attempts: how often a request is sent at most, 1 or more.
    """
    with _creation:
        return _client(service, region, read_seconds, attempts)


@cache
def _client(service: str, region: str, read_seconds: float, attempts: int) -> Any:  # noqa: ANN401 - see BotocoreApi
    from botocore.config import Config

    return _session().create_client(
        service,
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            tcp_keepalive=True,
        ),
    )


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise the framework's errors for botocore's.

    Args:
        what: the call's name for the error's detail; never shown to a client.

    Raises:
        SilvaEngineError: the error that ``to_error`` returns.
        UnavailableError: AWS can't be reached in time.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        reported = error.response.get("Error", {})
        raise to_error(what, reported.get("Code", ""), reported.get("Message", "")) from error
    except BotoCoreError as error:
        raise no_response(what, error) from error
