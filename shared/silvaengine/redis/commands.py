"""Redis commands as bytes of the protocol, Lua scripts, and refusals.

Protocol: redis.io/docs/latest/develop/reference/protocol-spec.
"""

from collections.abc import Sequence
from typing import Any

type Command = Sequence[bytes | str | int]
type Reply = Any

ASKING = b"*1\r\n$6\r\nASKING\r\n"  # before a command on a slot that a cluster is just moving here

# KEYS: a record. ARGV: the pattern, an epoch for a new record, the limits of patterns and of seconds.
CLEAR = """
local record = redis.call('MGET', KEYS[1])[1] or ''
local epoch, cleared, markers = record:match('^(%S+) (%d+)\\n(.*)$')
local is_new = not epoch
if is_new then
  epoch, cleared, markers = ARGV[2], 0, ''
end
local count = select(2, markers:gsub('\\n', ''))
if is_new or ARGV[1] == '*' or count >= tonumber(ARGV[3]) then
  record = epoch .. ' ' .. string.format('%d', cleared + count + 1) .. '\\n'
else
  record = epoch .. ' ' .. cleared .. '\\n' .. markers .. ARGV[1] .. '\\n'
end
return redis.call('SET', KEYS[1], record, 'EX', ARGV[4])
"""
# KEYS: a value, its lock. ARGV: the owner's token, the lease in milliseconds, whether to take the lock even
# where there is a value. Returns 1 for a lock that was taken, now or by the same request if its reply was
# lost, 0 for none, -1 if it can't be written.
LOCK = """
if ARGV[3] == '0' and redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local taken = redis.pcall('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
if taken then
  return taken.ok and 1 or -1
end
return redis.call('GET', KEYS[2]) == ARGV[1] and 1 or 0
"""
# KEYS: a lock. ARGV: the owner's token.
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Refusal(Exception):  # noqa: N818 - a reply that is returned
    """The reply to a command that Redis has refused; its text begins with the kind, such as ``OOM``."""


class AwayError(ConnectionError):
    """Redis can't be used at the moment, or not with these credentials; ``detail`` is what it says."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.detail = str(refusal)


class OutdatedError(Exception):
    """Redis has refused a command for a reason that a new connection may not have; ``replies`` has all."""

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__()
        self.replies = replies


def pack(command: Command) -> bytes:
    """Return a command in the protocol's form."""
    from hiredis import pack_command  # lazy: few deployments have Redis

    packed: bytes = pack_command(tuple(command))  # type: ignore[arg-type] # its stub takes one part alone
    return packed
