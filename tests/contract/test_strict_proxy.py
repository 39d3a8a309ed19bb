"""The proxy of `silvaengine dev --strict` changes no byte that it isn't told to."""

import http.client
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from urllib.parse import urlsplit

import pytest

from silvaengine_cli.engine import EngineError, free_port, require_free
from silvaengine_cli.strict.http import Request, Response
from silvaengine_cli.strict.proxy import Proxy, forward

from .peer import Peer, peer, response

SECONDS = 10


def port_of(server: Peer) -> int:
    """Return the port of a server."""
    return urlsplit(server.url).port or 0


@contextmanager
def proxy_before(target: int) -> Iterator[int]:
    """Run a proxy before a port; yield its own."""
    with Proxy(lambda request: forward(request, target)) as proxy:
        yield proxy.port


def open_client(port: int) -> socket.socket:
    """Connect to a port."""
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def test_a_request_arrives_as_it_was_sent() -> None:
    """Target, repeated headers, host and body are unchanged; so are the response's repeated headers."""
    sent = response(b"ok").replace(b"\r\n\r\n", b"\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n", 1)
    with peer([sent]) as server, proxy_before(port_of(server)) as port, open_client(port) as client:
        head = b"POST //a%2Fb?x=%20&x HTTP/1.1\r\nHost: other\r\nX-Twice: 1\r\nx-twice: 2\r\n"
        client.sendall(head + b"Content-Length: 4\r\n\r\n\x00\r\n\xff")
        received = http.client.HTTPResponse(client)
        received.begin()
        assert (received.read(), received.msg.get_all("set-cookie")) == (b"ok", ["a", "b"])
    (request,) = server.requests
    assert request.startswith(head)
    assert request.endswith(b"\r\n\r\n\x00\r\n\xff")


def test_a_connection_is_kept() -> None:
    """One connection takes many requests: chunked, of a megabyte, without a body."""
    with peer([response(b"1" * 1_000_000)]) as server, proxy_before(port_of(server)) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        client.request("PUT", "/", iter([b"ab", b"c" * 1_000_000]), encode_chunked=True)
        first, kept = client.getresponse().read(), client.sock
        client.request("GET", "/")
        assert (first, client.getresponse().read(), client.sock) == (b"1" * 1_000_000,) * 2 + (kept,)
        client.close()
    assert server.requests[0].endswith(b"ab" + b"c" * 1_000_000)
    assert b"content-length: 1000002\r\n" in server.requests[0]


def test_a_head_request_gets_the_length() -> None:
    """The response to HEAD has the length of the body that it leaves out."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
    with peer([head]) as server, proxy_before(port_of(server)) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        client.request("HEAD", "/")
        received = client.getresponse()
        assert (received.getheader("content-length"), received.read()) == ("7", b"")
        client.close()


def test_a_response_goes_out_as_it_comes() -> None:
    """The first piece of a response reaches the client before the last one is there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = server.getsockname()[1]
        with (
            Proxy(lambda request: forward(request, target)) as proxy,
            open_client(proxy.port) as client,
        ):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            far, _ = server.accept()
            far.recv(65_536)
            far.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            assert b"transfer-encoding: chunked" in received_until(client, b"5\r\nfirst\r\n")
            far.sendall(b"4\r\nlast\r\n0\r\n\r\n")
            assert received_until(client, b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"
            far.close()


def received_until(client: socket.socket, mark: bytes) -> bytes:
    """Return what comes up to and with a mark."""
    received = b""
    while not received.endswith(mark):
        piece = client.recv(100)
        assert piece, received
        received += piece
    return received


def test_requests_are_served_side_by_side() -> None:
    """Ten requests that wait for one another all get their responses."""
    together = Barrier(10)

    def answer(request: Request) -> Response:
        together.wait(SECONDS)
        return Response(200, [], request.target.encode())

    targets = [f"/{number}" for number in range(10)]
    with Proxy(answer) as proxy, ThreadPoolExecutor(10) as pool:
        bodies = pool.map(lambda target: get(proxy.port, target), targets)
        assert [body.decode() for body in bodies] == targets


def test_a_websocket_passes() -> None:
    """Handshake and 101 pass as they are, then bytes both ways, early ones too, until one side ends."""
    handshake = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = server.getsockname()[1]
        with (
            Proxy(lambda request: forward(request, target)) as proxy,
            open_client(proxy.port) as client,
        ):
            client.sendall(handshake + b"early")
            far, _ = server.accept()
            far.settimeout(SECONDS)
            assert received_until(far, b"\r\n\r\n") == handshake
            far.sendall(switching + b"early, too")
            assert received_until(client, b"early, too") == switching + b"early, too"
            assert received_until(far, b"early") == b"early"
            client.sendall(b"more")
            assert received_until(far, b"more") == b"more"
            far.close()
            assert client.recv(100) == b""


def test_a_server_that_is_gone_is_gone_behind_the_proxy_too() -> None:
    """A request to an engine that has ended gets no response, and the next one no connection."""
    with proxy_before(free_port()) as port:
        with pytest.raises(http.client.RemoteDisconnected):
            get(port)
        with pytest.raises(ConnectionRefusedError):
            get(port)


def test_a_server_that_hangs_up_hangs_up_behind_the_proxy_too() -> None:
    """A request without a response has none behind the proxy; the next one is served."""
    with peer([], [response(b"ok")]) as server, proxy_before(port_of(server)) as port:
        with pytest.raises(http.client.RemoteDisconnected):
            get(port)
        assert get(port) == b"ok"


def get(port: int, target: str = "/") -> bytes:
    """Send a GET; return the body of the response."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        client.request("GET", target)
        return client.getresponse().read()
    finally:
        client.close()


def test_a_port_in_use_is_named() -> None:
    """A port that another program has is refused before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} of 127.0.0.1 is in use"):
            require_free(port)
