"""The one module that speaks to Redis: connections with short time-outs, and the breaker around them.

It uses the ``redis`` package's connections, not its clients: their defaults (5 s, 10 retries, a pool of 100
that raises) outlive a request, and a client costs twice the time of its connection. A connection that died
while the Lambda was frozen is opened once again, and that is no failure.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from os import register_at_fork
from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.redis.breaker import Breaker, TierError
from silvaengine.redis.commands import Command, pack
from silvaengine.settings import RedisSettings

if TYPE_CHECKING:
    from silvaengine.redis.resp import RespParser

TIMEOUT_SECONDS = 0.1
IDLE_SECONDS = 30.0  # a network may have forgotten a connection that was silent for longer
MOVES = 2  # how often a cluster may send a command on

type Address = tuple[str, int]
type Reply = Any

_logger = logging.getLogger(__name__)


class Link(NamedTuple):
    """A connection of the package's, which types half of its methods, and what goes over it."""

    connection: Any
    wire: "RespParser"


type Idle = tuple[Link, float]


class RedisClient:
    """Sends commands, several in one round trip.

    Args:
        settings: where Redis is.
        database: number of the database; a cluster has only 0.
        breaker: shared by all who speak to this Redis.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: RedisSettings,
        database: int,
        breaker: Breaker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.breaker = breaker
        self._clock = clock
        self._settings = settings
        self._options: dict[str, Any] = {
            "username": settings.username,
            "password": settings.password,
            "db": database,
            "protocol": 2,
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "socket_keepalive": True,
        }
        self._address = (settings.host, settings.port)
        self._idle: defaultdict[Address, list[Idle]] = defaultdict(list)
        register_at_fork(after_in_child=self._idle.clear)  # a child must not speak on its parent's
        self._cluster: Any = None
        self._refusals: set[str] = set()

    def execute(self, key: str, *commands: Command) -> list[Reply]:
        """Send commands about keys in one slot and give their replies.

        Args:
            key: one of the keys; a cluster's node is found by it.
            commands: each a command and its arguments.

        Raises:
            TierError: there was no answer within 0.1 s, or nothing was sent since there lately was none, or
                Redis refused a command (out of memory, read-only), which doesn't open the breaker.
        """
        return self.exchange(key, b"".join(map(pack, commands)), len(commands))

    def exchange(self, key: str, request: bytes, count: int) -> list[Reply]:
        """Send commands in the protocol's form and give so many replies; see ``execute``."""
        breaker = self.breaker
        if breaker.has_failed and not breaker.allows():
            raise TierError("Redis is passed over for a moment")
        try:
            if self._settings.cluster:
                replies = self._routed(key, request, count)
            else:
                replies = self._sent(self._address, request, count)
        except _package().failures as error:
            self._note_failure(error)
            raise TierError(type(error).__name__) from error
        if breaker.has_failed:
            breaker.succeeded()
        for reply in replies:
            if isinstance(reply, Exception):
                self._warn_once(str(reply))
                raise TierError(str(reply)) from reply
        return replies

    def _warn_once(self, refusal: str) -> None:
        """Log the first refusal of its kind: NOAUTH, NOPERM, MOVED and OOM tell of a set-up gone wrong."""
        kind = refusal.partition(" ")[0]
        if kind not in self._refusals:
            self._refusals.add(kind)
            _logger.warning("Redis refuses a command: %s", refusal)

    def _note_failure(self, error: Exception) -> None:
        if self.breaker.state == "closed":
            _logger.warning("Redis can't be reached: %s", type(error).__name__)
        self.breaker.failed()

    def _routed(self, key: str, request: bytes, count: int) -> list[Reply]:
        """Send to the cluster's node that has the key's slot."""
        moved_error = _package().moved
        try:
            address = self._node(key)
            for _ in range(MOVES):
                replies = self._sent(address, request, count)
                moved = next((reply for reply in replies if isinstance(reply, moved_error)), None)
                if moved is None:
                    return replies
                address = (moved.host or address[0], moved.port)
                self._cluster = None
        except Exception:
            self._cluster = None
            raise
        return replies

    def _node(self, key: str) -> Address:
        """Ask for the cluster's map of slots when none is known, or the known one turned out to be old."""
        from redis.backoff import NoBackoff
        from redis.cluster import RedisCluster
        from redis.retry import Retry

        cluster = self._cluster  # another thread may forget it meanwhile
        if cluster is None:
            options = {name: value for name, value in self._options.items() if name != "db"}
            options |= {"host": self._settings.host, "port": self._settings.port, "ssl": self._settings.tls}
            cluster = self._cluster = RedisCluster(retry=Retry(NoBackoff(), 0), **options)
        node = cluster.get_node_from_key(key)
        if node is None:
            raise ConnectionError("no node of the cluster has the slot")
        return node.host, node.port

    def _sent(self, address: Address, request: bytes, count: int) -> list[Reply]:
        """Send over a kept connection; where those that were kept have died, over a new one."""
        idle = self._idle[address]
        try:
            link, since = idle.pop()
        except IndexError:
            return self._over(self._connect(address), idle, request, count)
        if self._clock() - since < IDLE_SECONDS:
            try:
                return self._over(link, idle, request, count)
            except _package().breaks:
                _logger.debug("A kept connection to Redis had died")
        link.connection.disconnect()
        idle.clear()
        return self._over(self._connect(address), idle, request, count)

    def _over(self, link: Link, idle: list[Idle], request: bytes, count: int) -> list[Reply]:
        try:
            replies = link.wire.exchange(request, count)
        except BaseException:
            link.connection.disconnect()  # what it brings from now on is nobody's
            raise
        idle.append((link, self._clock()))
        return replies

    def _connect(self, address: Address) -> Link:
        from redis import connection as kinds

        from silvaengine.redis.resp import RespParser

        kind: Any = kinds.SSLConnection if self._settings.tls else kinds.Connection
        (host, port), wire = address, RespParser()
        connection = kind(host=host, port=port, parser_class=lambda **_: wire, **self._options)
        connection.connect()
        return Link(connection, wire)


class RedisClients:
    """The clients of one Redis, by the database that a cache lies in; they share the breaker.

    Args:
        settings: where Redis is.
        clock: monotonic seconds.
    """

    def __init__(self, settings: RedisSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.breaker = Breaker(clock)
        self._settings = settings
        self._clock = clock
        self._clients: dict[int, RedisClient] = {}

    def of(self, cache_name: str) -> RedisClient:
        """Return the client for a cache; it connects at its first command."""
        database = 0 if self._settings.cluster else self._settings.database_of(cache_name)
        if database not in self._clients:
            self._clients[database] = RedisClient(self._settings, database, self.breaker, self._clock)
        return self._clients[database]


_clients: list[RedisClients] = []


def process_redis(settings: RedisSettings) -> RedisClients:
    """Return what speaks to Redis for everyone in this process: one breaker, and no more connections."""
    if not _clients:
        _clients.append(RedisClients(settings))
    return _clients[0]


class _Package(NamedTuple):
    moved: Any
    failures: tuple[type[Exception], ...]
    """What the package, a socket or ``RespParser`` raises when Redis is down, or something else answers."""
    breaks: tuple[type[Exception], ...] = (ConnectionError,)
    """What it raises where a connection was cut."""


@cache
def _package() -> _Package:
    try:
        from redis import exceptions  # most deployments have no Redis
    except ImportError as error:  # and the library is installed without its package
        return _Package(type(error), (type(error),))
    package = (exceptions.RedisError, exceptions.RedisClusterException)
    failures = (*package, OSError, ValueError, RecursionError)
    return _Package(exceptions.MovedError, failures, (exceptions.ConnectionError, ConnectionError))
