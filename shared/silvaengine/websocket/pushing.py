"""Pushing a frame to a client: again only where API Gateway says that it accepted nothing."""

from collections.abc import Callable
from typing import Protocol

from silvaengine.aws.apigateway import open_connections_api
from silvaengine.aws.backoff import Backoff
from silvaengine.aws.errors import BusyError
from silvaengine.errors import RequestError
from silvaengine.settings import Settings, require
from silvaengine.websocket.frames import MESSAGE_LIMIT

ATTEMPTS = 8
FIRST_PAUSE = 0.05
BACKOFF = Backoff(FIRST_PAUSE, ATTEMPTS)


class Poster(Protocol):
    """Posts to connections; see ``silvaengine.aws.apigateway.ConnectionsApi``."""

    def post(self, connection_id: str, data: bytes) -> None:
        """Send data to a client."""


class Pusher:
    """Pushes frames to connections; for any number of threads.

    Args:
        open_api: returns the poster; called at each push.
        backoff: of pushes that API Gateway refuses for the moment.

    """

    def __init__(self, open_api: Callable[[], Poster], backoff: Backoff = BACKOFF) -> None:
        self._open_api = open_api
        self._backoff = backoff

    def push(self, connection_id: str, frame: str, deadline: float) -> None:
        """Push a frame; wait with jitter and retry while API Gateway or the client is too slow.

        Args:
            connection_id: the client's connection.
            frame: at most 128 KB.
            deadline: epoch seconds after which no further attempt begins.

        Raises:
            NotFoundError: 410, the client is gone.
            RequestError: 413, the frame is too large.
            BusyError: API Gateway accepted nothing until the deadline.
            UnavailableError: there was no response; the client may have got it.

        """
        data = frame.encode()
        check_size(len(data))
        self._backoff.run(lambda: self._open_api().post(connection_id, data), BusyError, deadline)


def check_size(size: int) -> None:
    """Check a message's size against API Gateway's limit.

    Raises:
        RequestError: 413, with the size in bytes.

    """
    if size > MESSAGE_LIMIT:
        raise RequestError(f"The message has {size} bytes; the limit is {MESSAGE_LIMIT}", status=413)


def open_pusher(settings: Settings) -> Pusher:
    """Return the pusher to the deployment's WebSocket API; without one a push raises ConfigurationError."""

    def open_api() -> Poster:
        url = require(settings.websocket_management_url, "WEBSOCKET_MANAGEMENT_URL")
        return open_connections_api(settings.region, url)

    return Pusher(open_api)
