"""Sockets against the deployed stack: who gets in, and what comes back."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from .conftest import Deployment
from .registry_rows import API_KEY, ENDPOINT
from .socket_client import RefusedError, Socket

type Connect = Callable[..., Socket]


@pytest.fixture
def connect(deployment: Deployment) -> Connect:
    """Open a connection with these query parameters and headers."""

    def open_socket(headers: dict[str, str] | None = None, **query: str) -> Socket:
        return Socket(f"{deployment.outputs.websocket_url}?{urlencode(query)}", headers)

    return open_socket


@pytest.fixture
def mine(connect: Connect) -> Callable[[], Socket]:
    """Open a connection of the tests' tenant."""
    return lambda: connect({"x-api-key": API_KEY}, endpointId=ENDPOINT, area="core")


def test_the_specifications_example(connect: Connect, deployment: Deployment) -> None:
    """The endpoint's open connection lets a browser in without a key, and its message gets a bare answer."""
    with connect(endpointId="demo", area="core") as socket:
        socket.send({"funct": "hello", "payload": json.dumps({"name": "Ada"})})
        assert socket.json() == {"message": "Hello, Ada!"}


def test_an_id_frames_the_answer(mine: Callable[[], Socket]) -> None:
    """The answer to a call with an id names it, and its data is the value of the function's JSON text."""
    with mine() as socket:
        socket.send({"id": "1", "funct": "settings", "payload": {}})
        frame = socket.json()
        assert (frame["id"], frame["funct"]) == ("1", "settings")
        assert frame["data"]["greeting"] == "Good day"
