"""Addresses of servers, and connections to them with a time limit and trusted authorities."""

import re
import socket
import ssl
from functools import cache
from posixpath import dirname, join
from threading import Lock
from typing import NamedTuple

CONNECT_SECONDS = 1.0

# Amazon's own authorities (www.amazontrust.com/repository). A system's store holds a hundred more, and
# OpenSSL reads all of them for a context.
AMAZON_ROOTS = join(dirname(__file__), "amazon_roots.pem")

_URL = re.compile(r"(https?)://((?:\[([0-9A-Fa-f:.]+)\]|([^/:@\[\]]+))(?::([0-9]+))?)(/[^?#]*)?")


class Origin(NamedTuple):
    """A server's address and the path of its API.

    ``netloc`` is host and port as the URL has them, ``path`` has no slash at its end. ``ca_file`` is a file
    of certificates to trust instead of Amazon's.
    """

    tls: bool
    host: str
    port: int
    netloc: str
    path: str
    ca_file: str | None = None

    @classmethod
    def of(cls, url: str, ca_file: str | None = None) -> "Origin":
        """Return the origin of a URL of ``http`` or ``https``, without user, query and fragment.

        Raises:
            ValueError: it isn't such a URL.
        """
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"{url!r} is not a valid AWS endpoint URL")
        scheme, netloc, address, name, port, path = match.groups()
        tls = scheme == "https"
        default_port = 443 if tls else 80
        return cls(tls, address or name, int(port or default_port), netloc, (path or "").rstrip("/"), ca_file)

    def connect(self) -> socket.socket:
        """Return a new connection; raises OSError if the server can't be reached or isn't trusted."""
        # As bytes: Python loads the tables of internationalized names for text, even for plain ASCII.
        host = self.host.encode("ascii")
        connection = _connect(host, self.port)
        if not self.tls:
            return connection
        try:
            return _tls_context(self.ca_file or AMAZON_ROOTS).wrap_socket(connection, server_hostname=host)
        except ssl.SSLCertVerificationError:
            if self.ca_file:
                raise
        # Not certified by Amazon's authorities: try the system's.
        return _tls_context(None).wrap_socket(_connect(host, self.port), server_hostname=host)


def _connect(host: bytes, port: int) -> socket.socket:
    connection = socket.create_connection((host, port), CONNECT_SECONDS)  # type: ignore[arg-type] # typeshed wants text
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection


_context_lock = Lock()


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    with _context_lock:
        return _cached_context(ca_file)


@cache
def _cached_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host name; TLS 1.2 at least
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    return context
