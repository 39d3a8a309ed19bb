"""Where requests go, how long to wait for somebody there, and whom to trust for it."""

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
    """Where requests go.

    ``authority`` is host and port as the URL has them, ``path`` has no slash at its end. ``authorities`` is a
    file of certificates to trust instead of Amazon's.
    """

    tls: bool
    host: str
    port: int
    netloc: str
    path: str
    ca_file: str | None = None

    @classmethod
    def of(cls, url: str, ca_file: str | None = None) -> "Origin":
        """Read a URL of ``http`` or ``https``, without user, query and fragment.

        Raises:
            ValueError: it is none.

        """
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError(f"{url!r} is no address of an endpoint")
        scheme, netloc, address, name, port, path = found.groups()
        tls = scheme == "https"
        standard = 443 if tls else 80
        return cls(tls, address or name, int(port or standard), netloc, (path or "").rstrip("/"), ca_file)

    def connect(self) -> socket.socket:
        """Return a connection; raises OSError where there is nobody, or not whom we trust."""
        # As bytes: Python loads the tables of internationalized names for text, even for plain ASCII.
        host = self.host.encode("ascii")
        plain = _reach(host, self.port)
        if not self.tls:
            return plain
        try:
            return _tls(self.ca_file or AMAZON_ROOTS).wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError:
            if self.ca_file:
                raise
        # Not certified by Amazon's authorities: by one of those that this system trusts, or by none.
        again = _reach(host, self.port)
        return _tls(None).wrap_socket(again, server_hostname=host)


def _reach(host: bytes, port: int) -> socket.socket:
    reached = socket.create_connection((host, port), CONNECT_SECONDS)  # type: ignore[arg-type] # typeshed wants text
    reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reached.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reached


_making = Lock()


def _tls(ca_file: str | None) -> ssl.SSLContext:
    with _making:
        return _context(ca_file)


@cache
def _context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host name; TLS 1.2 at the least
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    return context
