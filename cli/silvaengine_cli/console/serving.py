"""Serves the console on loopback, in a thread of its own."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_urlsafe
from threading import Thread
from typing import cast

import click
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from silvaengine_cli.console.app import make_app
from silvaengine_cli.console.guards import HOST
from silvaengine_cli.console.session import Session

MOST_WAITING = 100  # connections without a whole request: others than a browser's


class _Connection(H11Protocol):
    """A connection. Of too many that wait for a request, the oldest ends: they mustn't use up all files."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.opened, all_open = self.loop.time(), cast("set[_Connection]", self.connections)
        waiting = [each for each in all_open if each.is_waiting()]
        if len(waiting) > MOST_WAITING:
            min(waiting, key=lambda each: each.opened).transport.close()

    def is_waiting(self) -> bool:
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)


@contextmanager
def running_console(session: Session, port: int = 0) -> Iterator[str]:
    """Serve the console during the block; yield the address that opens it, whose token is a secret.

    Args:
        session: what it shows.
        port: to listen on, 0 for a free one.

    Raises:
        ClickException: the port is in use.
    """
    token = token_urlsafe(32)
    with ExitStack() as open_sockets:
        listeners = [open_sockets.enter_context(each) for each in _listen(port)]
        server = Server(
            Config(
                make_app(session, token),
                access_log=False,
                http=_Connection,
                lifespan="off",
                log_config=None,
                proxy_headers=False,  # nobody is to say by X-Forwarded-For who asks
                server_header=False,
                timeout_graceful_shutdown=1,  # second, for what is being answered; live parts never are
                ws="none",
            )
        )
        thread = Thread(target=server.run, args=(listeners,), name="console", daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{listeners[0].getsockname()[1]}/?token={token}"
        finally:
            server.should_exit = True
            thread.join()


def _listen(port: int) -> Iterator[socket.socket]:
    """Yield sockets of both of localhost's addresses: nobody else is to get what a browser sends to one."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            listener = socket.create_server((address, port), family=family)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and family == socket.AF_INET6:
                return  # this machine has no IPv6
            message = f"port {port} of {address}: {error.strerror}: choose another, or none"
            raise click.ClickException(message) from None
        port = listener.getsockname()[1]
        yield listener
