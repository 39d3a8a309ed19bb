"""A connection to Redis: replies are parsed by hiredis, and a whole exchange has one time limit.

Protocol: redis.io/docs/latest/develop/reference/protocol-spec, version 2.
"""

import re
from collections.abc import Sequence
from ssl import SSLError
from time import monotonic
from typing import Final

from hiredis import Reader

from silvaengine.aws.connection import Connection
from silvaengine.aws.origin import Origin
from silvaengine.redis.commands import AwayError, Command, OutdatedError, Refusal, Reply, pack

TIMEOUT_SECONDS = 0.1
UNFINISHED: Final = object()

# A server that isn't ready, and one that isn't the right one any more: after a failover it is a replica. What
# a script is refused stands in the middle of its own refusal.
AWAY = re.compile("(LOADING|NOAUTH|ERR max number of clients) ")
OUTDATED = re.compile(".*(READONLY|MASTERDOWN|UNBLOCKED|CLUSTERDOWN) ")

GONE = (EOFError, ConnectionError, SSLError, OutdatedError)
"""What an exchange raises where a new connection may serve; a time-out is none of it."""


class RedisConnection(Connection):
    """One connection, for one thread at a time.

    Args:
        origin: the server.
        handshake: the commands that begin a connection.

    Raises:
        AwayError: Redis has refused the handshake.
        OSError, EOFError: the server can't be reached in time, or isn't trusted.
    """

    __slots__ = ("_reader",)

    def __init__(self, origin: Origin, handshake: Sequence[Command]) -> None:
        super().__init__(origin.connect(TIMEOUT_SECONDS))
        self._reader = Reader(ValueError, Refusal, notEnoughData=UNFINISHED)
        try:
            self._begin(handshake)
        except BaseException:
            self.close()
            raise

    def _begin(self, handshake: Sequence[Command]) -> None:
        for reply in self.exchange(b"".join(map(pack, handshake)), len(handshake)):
            if isinstance(reply, Refusal):
                raise AwayError(reply)

    def exchange(self, request: bytes, count: int) -> list[Reply]:
        """Send commands and return ``count`` replies, a ``Refusal`` for a command that was refused.

        Raises:
            OutdatedError: another connection may lead to a server that doesn't refuse.
            OSError, EOFError: the connection broke, the server isn't ready, or 0.1 s are over.
            ValueError: what came is not the protocol's, or more than the replies.
        """
        end, reader = monotonic() + TIMEOUT_SECONDS, self._reader
        replies: list[Reply] = []
        self._send(request, end)
        while len(replies) < count:
            reader.feed(self._receive(end))
            while len(replies) < count and (reply := reader.gets()) is not UNFINISHED:
                replies.append(reply)
        if reader.has_data():
            raise ValueError("more data than the replies")
        if Refusal in map(type, replies):
            refusals = [reply for reply in replies if isinstance(reply, Refusal)]
            if any(OUTDATED.match(str(refusal)) for refusal in refusals):
                raise OutdatedError(replies)
            if away := next((refusal for refusal in refusals if AWAY.match(str(refusal))), None):
                raise AwayError(away)
        return replies
