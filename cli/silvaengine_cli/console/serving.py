"""Serves the console on loopback, in a thread of its own."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_urlsafe
from threading import Thread

import click
from uvicorn import Config, Server

from silvaengine_cli.console.app import make_app
from silvaengine_cli.console.session import Session

HOST = "127.0.0.1"
LAST_SECONDS = 1  # for what is being answered when it ends; live parts of pages never are


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
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        message = f"port {port} of {HOST}: {error.strerror}: choose another, or none"
        raise click.ClickException(message) from None
    with listener:
        server = Server(
            Config(
                make_app(session, token),
                access_log=False,
                lifespan="off",
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=LAST_SECONDS,
                ws="none",
            )
        )
        thread = Thread(target=server.run, args=([listener],), name="console", daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}/?token={token}"
        finally:
            server.should_exit = True
            thread.join()
