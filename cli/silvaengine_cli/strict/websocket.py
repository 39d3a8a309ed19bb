"""A WebSocket on its way through the proxy, and the frames that API Gateway takes of its client."""

import http.client
import socket
from collections.abc import Callable, Iterator
from io import BufferedIOBase

from silvaengine_cli.strict.http import BLOCK, Fields, Response, blocks_of

FRAME_BYTES = 32 * 1024
MESSAGE_BYTES = 128 * 1024
# RFC 6455, sections 5.2 and 5.5.1: final and masked, by zeros; the engine says the same to the client.
CLOSE_TOO_BIG = b"\x88\x82" + bytes(4) + (1009).to_bytes(2)


class WebSocket(Response):
    """The 101 that opens a WebSocket, and the engine's end of it.

    ``taken`` yields, of what a client sends, the bytes that go to the engine.
    """

    def __init__(self, fields: Fields, received: http.client.HTTPResponse, engine: socket.socket) -> None:
        super().__init__(101, fields, received)
        self.engine = engine
        self.sent: BufferedIOBase = received.fp  # by the engine
        self.taken: Callable[[BufferedIOBase], Iterator[bytes]] = blocks_of


def frames_taken(client: BufferedIOBase) -> Iterator[bytes]:
    """Yield a client's frames in pieces, and in place of the first that is too large a close with 1009."""
    message = 0  # the bytes of the frames of the message so far
    while len(head := client.read(2)) == 2:
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        if size > 125:
            longer = client.read(2 if size == 126 else 8)
            head, size = head + longer, int.from_bytes(longer)
        if opcode < 8:  # a control frame may stand between those of a message
            message = size if opcode else message + size
        if size > FRAME_BYTES or message > MESSAGE_BYTES:
            yield CLOSE_TOO_BIG
            for _ in blocks_of(client):
                pass  # bytes left unread would make the connection's end a reset
            return
        yield head
        left = size + (4 if head[1] & 0x80 else 0)  # the mask
        while left and (piece := client.read1(min(left, BLOCK))):
            left -= len(piece)
            yield piece
