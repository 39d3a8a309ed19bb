"""A Redis client with short time-outs and a circuit breaker.

Not the ``redis`` package: its import takes longer than a Lambda's cold start, its defaults (5 s, 10 retries,
a pool of 100 that raises) outlive a request, and its time-out is that of each piece of a reply.
"""

import logging
from binascii import crc_hqx
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial, wraps
from time import sleep
from typing import TYPE_CHECKING

from silvaengine.clock import process_clock
from silvaengine.errors import SilvaEngineError
from silvaengine.redis.breaker import Breaker, TierError
from silvaengine.redis.commands import ASKING, AwayError, Command, OutdatedError, Reply, pack
from silvaengine.settings import RedisSettings

if TYPE_CHECKING:
    from silvaengine.aws.connection import ConnectionPool
    from silvaengine.redis.connection import RedisConnection

IDLE_SECONDS = 30.0
SLOTS = 16_384
SCAN_STEP = 1_000
MAX_MOVES = 4  # how often a cluster may redirect a command
MOVE_PAUSE = 0.005  # seconds, in which a command's keys may come together
MOVES = ("ASK ", "MOVED ", "TRYAGAIN ")

# The package may be missing locally, and the password's secret unreadable.
FAILURES = (OSError, EOFError, ValueError, ImportError, SilvaEngineError)

type Address = tuple[str, int]

_logger = logging.getLogger(__name__)


class Password:
    """Redis's password, read at its first use where it refers to a secret, and again once it is forgotten.

    Args:
        settings: the password or the reference, and the region of the secret.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._text: str | None = None

    def __call__(self) -> str | None:
        """Return the password, None without one; raises SilvaEngineError: the secret can't be read."""
        if self._text is None and self._settings.password:
            from silvaengine.aws.secrets import open_lookups, resolve_references  # lazy: only Redis needs it

            given = {"password": self._settings.password}
            self._text = str(resolve_references(given, open_lookups(self._settings.region))["password"])
        return self._text

    def forget(self) -> None:
        """Read the password anew at its next use: it may have been rotated."""
        self._text = None


class RedisClient:
    """Sends commands to one database of Redis, several in one round trip; a cluster has only database 0.

    ``breaker`` and ``password`` are shared by all clients of this Redis, ``clock`` goes on in a freeze.
    """

    def __init__(
        self,
        settings: RedisSettings,
        database: int,
        breaker: Breaker,
        password: Password,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self.breaker = breaker
        self._password = password
        self._clock = clock
        self._settings = settings
        self._address = (settings.host, settings.port)
        self._database = database
        self._pools: dict[Address, ConnectionPool] = {}
        self._owners: dict[int, Address] = {}  # a cluster's nodes by slot, as far as it has said so
        self._warned: set[str] = set()

    def execute(self, key: str, *commands: Command) -> list[Reply]:
        """Send commands on keys of one slot and return their replies.

        ``key`` is one of the keys: it selects a cluster's node.

        Raises:
            TierError: there was no reply within 0.1 s, the breaker is open, or Redis refused a command (out
                of memory, read-only), which doesn't open the breaker.
        """
        with self.breaker.guard("Redis can't be reached", FAILURES):
            packed = list(map(pack, commands))
            if self._settings.cluster:
                replies = self._send_to_cluster(key, packed)
            else:
                replies = self._send(self._address, b"".join(packed), len(packed))
        return self._accepted(replies)

    def scan(self, pattern: str) -> Iterator[str]:
        """Yield the keys that match a glob, of all nodes of a cluster; one may come twice.

        Raises:
            TierError: as for ``execute``.
        """
        for address in self._masters():
            cursor = b"0"
            while True:
                command = ("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_STEP)
                ((cursor, page),) = self._ask(address, command)
                yield from map(bytes.decode, page)
                if cursor == b"0":
                    break

    def _masters(self) -> Iterable[Address]:
        """Return the addresses of the servers that have keys: redis.io/docs/latest/commands/cluster-slots."""
        if not self._settings.cluster:
            return (self._address,)
        (ranges,) = self._ask(self._address, ("CLUSTER", "SLOTS"))
        return {(master[0].decode() or self._address[0], master[1]) for _, _, master, *_ in ranges}

    def _ask(self, address: Address, command: Command) -> list[Reply]:
        with self.breaker.guard("Redis can't be reached", FAILURES):
            replies = self._send(address, pack(command), 1)
        return self._accepted(replies)

    def _accepted(self, replies: list[Reply]) -> list[Reply]:
        """Return replies; raises TierError if Redis refused one of the commands."""
        for reply in replies:
            if isinstance(reply, Exception):
                self._warn_once(str(reply))
                raise TierError(str(reply)) from reply
        return replies

    def _warn_once(self, refusal: str) -> None:
        """Log the first refusal of each kind: NOPERM, MOVED and OOM mean a wrong set-up."""
        kind = refusal.partition(" ")[0]
        if kind not in self._warned:
            self._warned.add(kind)
            _logger.warning("Redis rejected a command: %s", refusal)

    def _send_to_cluster(self, key: str, commands: Sequence[bytes]) -> list[Reply]:
        """Send to the node that has the key's slot, and what it redirects to where it says.

        While a slot moves, each of its keys is on one of two nodes, and each command is sent on by itself.
        redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec.
        """
        slot = key_slot(key)
        address = self._owners.get(slot, self._address)
        replies: dict[int, Reply] = dict.fromkeys(range(len(commands)))
        pending, asking = list(replies), b""
        for _ in range(MAX_MOVES):
            request, step = b"".join([asking + commands[index] for index in pending]), 2 if asking else 1
            received = self._send(address, request, len(pending) * step)[step - 1 :: step]
            replies.update(zip(pending, received, strict=True))
            refused = {
                index: str(replies[index]) for index in pending if isinstance(replies[index], Exception)
            }
            pending = [index for index, text in refused.items() if text.startswith(MOVES)]
            if not pending:
                break
            kind, _, place, *_ = min(refused[index] for index in pending).split()
            if kind == "TRYAGAIN":
                sleep(MOVE_PAUSE)
                continue
            host, _, port = place.rpartition(":")
            address, asking = (host or address[0], int(port)), ASKING if kind == "ASK" else b""
            if kind == "MOVED":
                self._owners[slot] = address
        return list(replies.values())

    def _send(self, address: Address, request: bytes, count: int) -> list[Reply]:
        """Send to a server over a kept connection or a new one."""
        pool = self._pools.get(address)
        try:
            replies: list[Reply] = (pool or self._open_pool(address)).exchange(request, count)
        except OutdatedError as error:  # over a new connection, too
            self._forget(address)
            return error.replies
        except Exception:
            self._forget(address)
            raise
        return replies

    def _open_pool(self, address: Address) -> "ConnectionPool":
        from silvaengine.aws.connection import ConnectionPool  # lazy: few deployments have Redis
        from silvaengine.redis.connection import GONE

        connect = partial(self._connect, address)
        self._pools[address] = ConnectionPool(connect, GONE, IDLE_SECONDS, self._clock)
        return self._pools[address]

    def _forget(self, address: Address) -> None:
        """Ask the cluster again where an address's slots are: others may have taken them over."""
        self._owners = {slot: owner for slot, owner in self._owners.items() if owner != address}

    def _connect(self, address: Address) -> "RedisConnection":
        from silvaengine.aws.origin import Origin
        from silvaengine.redis.connection import RedisConnection

        settings, password = self._settings, self._password()
        handshake: list[Command] = []
        if settings.username:
            handshake.append(("AUTH", settings.username, password or ""))
        elif password:
            handshake.append(("AUTH", password))
        if self._database:
            handshake.append(("SELECT", self._database))
        try:
            return RedisConnection(Origin(settings.tls, *address, address[0], ""), handshake)
        except AwayError:
            self._password.forget()
            raise


class RedisClients:
    """The clients of one Redis, one for each database; they share the breaker."""

    def __init__(self, settings: RedisSettings, clock: Callable[[], float] = process_clock) -> None:
        self.breaker = Breaker(clock)
        self.is_cluster = settings.cluster
        self._settings = settings
        self._password = Password(settings)
        self._clock = clock
        self._clients: dict[int, RedisClient] = {}

    def of(self, cache_name: str) -> RedisClient:
        """Return the client for a cache; it connects with its first command."""
        return self._client(0 if self._settings.cluster else self._settings.database_of(cache_name))

    def all(self) -> "Iterator[RedisClient]":
        """Return the client of each database that a cache may be in."""
        settings = self._settings
        databases = {0} if settings.cluster else {settings.database, *dict(settings.databases).values()}
        return map(self._client, sorted(databases))

    def _client(self, database: int) -> RedisClient:
        if database not in self._clients:
            self._clients[database] = RedisClient(
                self._settings, database, self.breaker, self._password, self._clock
            )
        return self._clients[database]


process_redis = cache(RedisClients)
"""Returns the process's one set of clients, with one breaker."""


def reads_replies[**P, R](read: Callable[P, R]) -> Callable[P, R]:
    """Have a function raise TierError where a reply isn't of its command's kind: it is another request's."""

    @wraps(read)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(*args, **kwargs)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise TierError(f"a reply of another kind ({type(error).__name__})") from error

    return checked


def key_slot(key: str) -> int:
    """Return a key's slot in a cluster: that of what is between its first braces, if anything is."""
    tag, brace, _ = key.partition("{")[2].partition("}")
    return crc_hqx((tag if tag and brace else key).encode(), 0) % SLOTS


def escape_glob(text: str) -> str:
    """Return the glob that matches a text alone."""
    return "".join(f"\\{character}" if character in "*?[]\\" else character for character in text)
