"""One connection: who gets in, calls, streams, pushes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .conftest import Figures, Target

POSTS = 200


class Open(Protocol):
    def __call__(self, endpoint_id: str = "prove") -> ClientConnection: ...


@pytest.fixture
def connected(target: Target) -> Iterator[Open]:
    """Open connections of a tenant; all are closed at the end."""
    with ExitStack() as sockets:

        def open_one(endpoint_id: str = "prove") -> ClientConnection:
            url = f"{target.output('WebsocketUrl')}?endpointId={endpoint_id}&area=core"
            return sockets.enter_context(connect(url, open_timeout=30, compression=None))

        yield open_one


def call(socket: ClientConnection, funct: str, **payload: Any) -> None:
    """Send a call."""
    socket.send(json.dumps({"id": "1", "funct": funct, "payload": payload}))


def received(socket: ClientConnection) -> Any:
    """Return the next frame."""
    return json.loads(socket.recv(timeout=60))


def test_a_call_gets_its_result(connected: Open) -> None:
    """A message with an id gets a frame with that id."""
    socket = connected()
    call(socket, "echo", word="tea")
    assert received(socket) == {"id": "1", "funct": "echo", "data": {"word": "tea", "n": None}}


def test_a_refusal_has_the_status_of_http(connected: Open) -> None:
    """An error frame says what the same call over HTTP would."""
    socket = connected()
    call(socket, "nothing")
    assert received(socket)["error"]["status"] in {403, 404}


def test_a_doubt_refuses_the_handshake(connected: Open) -> None:
    """Whoever isn't known to be allowed gets no connection."""
    with pytest.raises(InvalidStatus) as refused:
        connected("nobody")
    assert refused.value.response.status_code in {401, 403}


def test_a_stream_is_whole(connected: Open) -> None:
    """A thousand items come in order, each once."""
    socket = connected()
    call(socket, "count", to=1000)
    items: list[Any] = []
    while "done" not in (frame := received(socket)):
        assert frame["seq"] == len(items)
        items += frame.get("items", [frame["data"]] if "data" in frame else [])
    assert items == list(range(1000))


@pytest.mark.proves("posts")
def test_posts_come_in_order(connected: Open, figures: Figures) -> None:
    """What a function posts arrives in the order of its posts; the figure is how many it makes a second."""
    socket = connected()
    call(socket, "post", count=POSTS)
    assert [received(socket) for _ in range(POSTS)] == list(range(POSTS))
    figures["posts a second"] = round(POSTS / received(socket)["data"])


@pytest.mark.proves("large-results")
def test_a_result_of_more_than_a_frame_arrives(connected: Open) -> None:
    """A result of 100 KB comes whole, though API Gateway's own frames have 32 KB."""
    socket = connected()
    call(socket, "large", size=100_000)
    assert received(socket)["data"] == {"text": "x" * 100_000}


def test_a_broadcast_reaches_everybody(connected: Open) -> None:
    """Whoever is connected to the tenant gets what a function pushes."""
    first, second = connected(), connected()
    call(first, "push", data={"news": 1})
    frames = [received(first), received(first)]
    assert {"news": 1} in frames
    assert received(second) == {"news": 1}
