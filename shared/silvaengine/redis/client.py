"""A Redis client with short time-outs and a circuit breaker.

It uses the ``redis`` package's connections, not its clients: their defaults (5 s, 10 retries, a pool of 100
that raises) outlive a request, and a client takes twice the time of its connection. A connection that died
while the Lambda was frozen is replaced once, which doesn't count as a failure.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from os import register_at_fork
from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.clock import process_clock
from silvaengine.redis.breaker import Breaker, TierError
from silvaengine.redis.commands import Command, pack
from silvaengine.settings import RedisSettings

if TYPE_CHECKING:
    from silvaengine.redis.resp import RespParser

TIMEOUT_SECONDS = 0.1
IDLE_SECONDS = 30.0  # a network may have forgotten a connection that was silent for longer
MAX_MOVES = 2  # how often a cluster may redirect a command

type Address = tuple[str, int]
type Reply = Any

_logger = logging.getLogger(__name__)


class Link(NamedTuple):
    """A connection of the package, and the parser that exchanges commands and replies over it."""

    connection: Any  # the package types half of its methods
    parser: "RespParser"


type Idle = tuple[Link, float]


class RedisClient:
    """Sends commands to one database of Redis, several in one round trip; a cluster has only database 0.

    ``breaker`` is shared by all clients of this Redis, ``clock`` is in monotonic seconds.
    """

    def __init__(
        self,
        settings: RedisSettings,
        database: int,
        breaker: Breaker,
        clock: Callable[[], float] = process_clock,
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
        register_at_fork(after_in_child=self._idle.clear)  # a child must not use its parent's connections
        self._cluster: Any = None
        self._warned: set[str] = set()

    def execute(self, key: str, *commands: Command) -> list[Reply]:
        """Send commands on keys of one slot and return their replies.

        ``key`` is one of the keys: it selects a cluster's node.

        Raises:
            TierError: there was no reply within 0.1 s, the breaker is open, or Redis refused a command (out
                of memory, read-only), which doesn't open the breaker.
        """
        request, count = b"".join(map(pack, commands)), len(commands)
        with self.breaker.guard("Redis can't be reached", _failures()):
            if self._settings.cluster:
                replies = self._send_to_cluster(key, request, count)
            else:
                replies = self._send(self._address, request, count)
        for reply in replies:
            if isinstance(reply, Exception):
                self._warn_once(str(reply))
                raise TierError(str(reply)) from reply
        return replies

    def _warn_once(self, refusal: str) -> None:
        """Log the first refusal of each kind: NOAUTH, NOPERM, MOVED and OOM mean a wrong set-up."""
        kind = refusal.partition(" ")[0]
        if kind not in self._warned:
            self._warned.add(kind)
            _logger.warning("Redis rejected a command: %s", refusal)

    def _send_to_cluster(self, key: str, request: bytes, count: int) -> list[Reply]:
        """Send to the cluster's node with the key's slot."""
        from redis.exceptions import MovedError

        try:
            address = self._node(key)
            for _ in range(MAX_MOVES):
                replies = self._send(address, request, count)
                moved = next((reply for reply in replies if isinstance(reply, MovedError)), None)
                if moved is None:
                    return replies
                address = (moved.host or address[0], moved.port)
                self._cluster = None
        except Exception:
            self._cluster = None
            raise
        return replies

    def _node(self, key: str) -> Address:
        """Return the address of a key's node, from a new map of slots if the last was out of date."""
        from redis.backoff import NoBackoff
        from redis.cluster import RedisCluster
        from redis.retry import Retry

        cluster = self._cluster  # another thread may drop it meanwhile
        if cluster is None:
            options = {name: value for name, value in self._options.items() if name != "db"}
            options |= {"host": self._settings.host, "port": self._settings.port, "ssl": self._settings.tls}
            cluster = self._cluster = RedisCluster(retry=Retry(NoBackoff(), 0), **options)
        node = cluster.get_node_from_key(key)
        if node is None:
            raise ConnectionError("no node of the cluster has the slot")
        return node.host, node.port

    def _send(self, address: Address, request: bytes, count: int) -> list[Reply]:
        """Send over an idle connection or, if it has died, over a new one."""
        idle = self._idle[address]
        try:
            link, since = idle.pop()
        except IndexError:
            return self._exchange_over(self._connect(address), idle, request, count)
        if self._clock() - since < IDLE_SECONDS:
            from redis.exceptions import ConnectionError as BrokenError

            try:
                return self._exchange_over(link, idle, request, count)
            except (BrokenError, ConnectionError):
                _logger.debug("An idle Redis connection was closed")
        link.connection.disconnect()
        idle.clear()
        return self._exchange_over(self._connect(address), idle, request, count)

    def _exchange_over(self, link: Link, idle: list[Idle], request: bytes, count: int) -> list[Reply]:
        try:
            replies = link.parser.exchange(request, count)
        except BaseException:
            link.connection.disconnect()  # a late reply must not answer a later request
            raise
        idle.append((link, self._clock()))
        return replies

    def _connect(self, address: Address) -> Link:
        from redis.connection import Connection, SSLConnection

        from silvaengine.redis.resp import RespParser

        connection_class: Any = SSLConnection if self._settings.tls else Connection
        (host, port), parser = address, RespParser()
        connection = connection_class(host=host, port=port, parser_class=lambda **_: parser, **self._options)
        connection.connect()
        return Link(connection, parser)


class RedisClients:
    """The clients of one Redis, one for each database; they share the breaker."""

    def __init__(self, settings: RedisSettings, clock: Callable[[], float] = process_clock) -> None:
        self.breaker = Breaker(clock)
        self._settings = settings
        self._clock = clock
        self._clients: dict[int, RedisClient] = {}

    def of(self, cache_name: str) -> RedisClient:
        """Return the client for a cache; it connects with its first command."""
        database = 0 if self._settings.cluster else self._settings.database_of(cache_name)
        if database not in self._clients:
            self._clients[database] = RedisClient(self._settings, database, self.breaker, self._clock)
        return self._clients[database]


_clients: list[RedisClients] = []


def process_redis(settings: RedisSettings) -> RedisClients:
    """Return the process's one set of clients, with one breaker."""
    if not _clients:
        _clients.append(RedisClients(settings))
    return _clients[0]


@cache
def _failures() -> tuple[type[Exception], ...]:
    """Return what any failure of Redis raises, a missing package included: it is optional locally."""
    try:
        from redis.exceptions import RedisClusterException, RedisError  # lazy: few deployments have Redis
    except ImportError as error:
        return (type(error),)
    return RedisError, RedisClusterException, OSError, ValueError, RecursionError
