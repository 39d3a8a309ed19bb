"""The fragments that `silvaengine ws connect` sends, at a real WebSocket server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from silvaengine_cli.commands.ws import open_connection
from silvaengine_cli.conversation import Conversation

CALLS = 2


def test_the_header_of_subprotocols_asks_for_them() -> None:
    """An answer to it opens the connection, as in a browser."""
    with serve(lambda _: None, "127.0.0.1", 0, subprotocols=[Subprotocol("v2.shop")]) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with open_connection(address, {"Sec-WebSocket-Protocol": "v1.shop, v2.shop"}) as connection:
            assert connection.subprotocol == "v2.shop"
        server.shutdown()
        thread.join()


@contextmanager
def fragments_at_a_server() -> Iterator[tuple[ClientConnection, list[list[bytes]]]]:
    """Connect to a server that answers the calls; gives the fragments of each message that it got."""
    received: list[list[bytes]] = []

    def answer(connection: ServerConnection) -> None:
        for number in range(1, CALLS + 1):
            received.append(list(connection.recv_streaming(decode=False)))
            connection.send(json.dumps({"id": str(number), "data": None}))

    with serve(answer, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with connect(f"ws://127.0.0.1:{port}", compression=None) as connection:
            yield connection, received
        server.shutdown()
        thread.join()


def test_a_large_message_goes_in_fragments_that_api_gateway_takes() -> None:
    """One over 32 KB is split; a small one is whole, as any client sends it."""
    call = {"id": "1", "funct": "echo", "payload": {"x": "x" * 100_000}}
    with fragments_at_a_server() as (connection, received):
        Conversation(connection, print).hold([json.dumps(call), "hello"])
    large, small = received
    assert max(map(len, large)) <= 32_768
    assert json.loads(b"".join(large)) == call
    assert len(small) == 1


def test_a_message_that_api_gateway_never_takes_is_not_sent() -> None:
    """The connection would end for it: its size is shown, and the other lines are sent."""
    shown: list[str] = []
    first, large, last = ({"id": "1"}, {"id": "2", "payload": "x" * 131_072}, {"id": "2"})
    with fragments_at_a_server() as (connection, received):
        lines = [json.dumps({"funct": "echo", **members}) for members in (first, large, last)]
        Conversation(connection, lambda text: shown.append(text.plain)).hold(lines)
    assert len(received) == CALLS
    assert [text for text in shown if "not sent" in text and "131072" in text]
