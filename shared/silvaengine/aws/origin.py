"""Addresses of servers, and connections to them with a time limit and trusted authorities."""

import re
import socket
import ssl
from functools import cache
from posixpath import dirname, join
from threading import Lock

from silvaengine.named_tuple import NamedTuple
from silvaengine.settings import fixed_environment

CONNECT_SECONDS = 1.0
LAST_PORT = 65_535
# NAT gateways and balancers forget a connection that says nothing for 350 s, where Linux keeps silent for
# two hours: docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html. In seconds.
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15}
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in KEEP_ALIVE.items()
        if hasattr(socket, name)
    ),
]

# Amazon's own authorities (www.amazontrust.com/repository). A system's store holds a hundred more, and
# OpenSSL reads all of them for a context.
AMAZON_ROOTS = join(dirname(__file__), "amazon_roots.pem")

_URL = re.compile(r"(https?)://((?:\[([0-9A-Fa-f:.]+)\]|([^\s/:@\[\]?#]+))(?::([0-9]{1,5}))?)(/[^\s?#]*)?")


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
        if match is None or not (url.isascii() and url.isprintable()) or int(match[5] or 0) > LAST_PORT:
            raise ValueError(f"{url!r} is not a valid AWS endpoint URL")
        scheme, netloc, address, name, port, path = match.groups()
        tls = scheme == "https"
        default_port = 443 if tls else 80
        return cls(tls, address or name, int(port or default_port), netloc, (path or "").rstrip("/"), ca_file)

    def connect(self, seconds: float = CONNECT_SECONDS) -> socket.socket:
        """Return a new connection; raises OSError if the server can't be reached in time or isn't trusted."""
        # As bytes: Python loads the tables of internationalized names for text, even for plain ASCII.
        host = self.host.encode("ascii")
        connection = _connect(host, self.port, seconds)
        if not self.tls:
            return connection
        try:
            context = _tls_context(self.ca_file or AMAZON_ROOTS, None)
            return context.wrap_socket(connection, server_hostname=host)
        except ssl.SSLCertVerificationError:
            if self.ca_file:
                raise
        # Not certified by Amazon's authorities: try the system's.
        context = _tls_context(*_system_authorities())
        return context.wrap_socket(_connect(host, self.port, seconds), server_hostname=host)


def _connect(host: bytes, port: int, seconds: float) -> socket.socket:
    connection = socket.create_connection((host, port), seconds)  # type: ignore[arg-type] # typeshed wants text
    for option in SOCKET_OPTIONS:
        connection.setsockopt(*option)
    return connection


_context_lock = Lock()


def _tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    with _context_lock:
        return _cached_context(file, folder)


@cache
def _cached_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host name; TLS 1.2 at least
    if file or folder:
        context.load_verify_locations(file, folder)
    return context


def _system_authorities() -> tuple[str | None, str | None]:
    """Return where OpenSSL's certificates are, which it would look up in the live environment."""
    from pathlib import Path  # lazy: only a server that Amazon hasn't certified needs it

    paths, environ = ssl.get_default_verify_paths(), fixed_environment()
    file = environ.get(paths.openssl_cafile_env, paths.openssl_cafile)
    folder = environ.get(paths.openssl_capath_env, paths.openssl_capath)
    return file if Path(file).is_file() else None, folder if Path(folder).is_dir() else None
