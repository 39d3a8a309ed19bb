"""botocore clients with explicit limits, for services that few requests wait for.

botocore's own defaults (60 s to connect and to read, up to 10 attempts) outlive the 29 s that API Gateway
waits, so each client states its timeouts and attempts. Its import and a client cost a cold start some ten
times what a signed call of ``silvaengine.aws.client`` does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from silvaengine.aws.errors import no_answer, to_error

if TYPE_CHECKING:
    from botocore.session import Session

CONNECT_SECONDS = 1.0

_creation = Lock()  # a botocore session makes one client at a time


@cache
def _session() -> "Session":
    from botocore.session import Session  # a cold start does without

    return Session()


def client(service: str, region: str, *, read_seconds: float = 2.0, attempts: int = 3) -> Any:  # noqa: ANN401 - botocore makes its client classes at run time
    """Return the one client of a service for these limits; it may be used by several threads.

    Args:
        service: botocore's name of it, such as ``sns``.
        region: an AWS region.
        read_seconds: how long an answer may take.
        attempts: how often a request is sent at the most, 1 or more.

    """
    with _creation:
        return _client(service, region, read_seconds, attempts)


@cache
def _client(service: str, region: str, read_seconds: float, attempts: int) -> Any:  # noqa: ANN401 - see client
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
    """Turn botocore's errors into ours.

    Args:
        what: names the call in the error's detail; never shown to a client.

    Raises:
        SilvaEngineError: what ``refusal`` gives.
        UnavailableError: AWS can't be reached in time.

    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        given = error.response.get("Error", {})
        raise to_error(what, given.get("Code", ""), given.get("Message", "")) from error
    except BotoCoreError as error:
        raise no_answer(what, error) from error
