"""How often a tenant and a key may call: token buckets, counted in Redis for all instances if there is one.

A bucket is one number, the time at which it is full again (the generic cell rate algorithm). Without Redis,
or while it is away, each instance counts for itself and grants its share of the rate.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClient
from silvaengine.redis.commands import Command
from silvaengine.settings import Settings

MAX_BUCKETS = 4096
MAX_RATE = 100_000  # per second, and of a burst

# KEYS: buckets. ARGV: of each its tokens in a second and its size. All are charged or none is. Gives of each
# the whole tokens left and the milliseconds to wait, 0 where it has one. Redis's own clock counts.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local full, answer, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local rate = ARGV[2 * i - 1] / 1000
  full[i] = math.max(now, tonumber(redis.call('GET', key) or 0))
  local left = ARGV[2 * i] - (full[i] - now) * rate + 0.000001
  refused = refused or left < 1
  answer[2 * i - 1] = math.floor(left)
  answer[2 * i] = left < 1 and math.ceil((1 - left) / rate) or 0
end
if refused then return answer end
for i, key in ipairs(KEYS) do
  full[i] = full[i] + 1000 / ARGV[2 * i - 1]
  redis.call('SET', key, string.format('%.3f', full[i]), 'PX', math.ceil(full[i] - now) + 1)
  answer[2 * i - 1] = answer[2 * i - 1] - 1
end
return answer
"""


class RateLimit(NamedTuple):
    """What one tenant or key may do: ``per_second`` in the long run, ``burst`` at once.

    ``name`` says to clients which limit it is, ``bucket`` whose.
    """

    name: str
    bucket: str
    per_second: float
    burst: int

    @classmethod
    def of(cls, row: Mapping[str, Any], name: str, bucket: str) -> "RateLimit | None":
        """Read a row's ``rate_limit``; None where it has none.

        Raises:
            ConfigurationError: it isn't one; ``detail`` says whose.
        """
        given = row.get("rate_limit")
        if given is None:
            return None
        try:
            rate = float(given["per_second"])
            burst = int(given.get("burst") or max(1, ceil(rate)))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            rate = burst = 0
        if not (0 < rate <= MAX_RATE and 0 < burst <= MAX_RATE):
            detail = f"rate_limit of {name} {bucket!r}: expected per_second and burst, found {given!r}"
            raise ConfigurationError("The endpoint is misconfigured", detail=detail)
        return cls(name, bucket, rate, burst)


def rate_limits_of(
    endpoint: Mapping[str, Any], connection: Mapping[str, Any], endpoint_id: str, key_id: str
) -> tuple[RateLimit, ...]:
    """Read the limits of a tenant's row and a key's; raises ConfigurationError."""
    found = (
        RateLimit.of(endpoint, "tenant", f"tenant:{endpoint_id}"),
        RateLimit.of(connection, "key", f"key:{endpoint_id}:{key_id}"),
    )
    return tuple(limit for limit in found if limit)


class BucketState(NamedTuple):
    """What a bucket said: ``left`` whole tokens, or ``wait`` seconds until it has one."""

    limit: RateLimit
    left: int
    wait: float


class RateLimiter:
    """Counts calls.

    Args:
        redis: counts for all instances; None without one.
        prefix: what the buckets' keys begin with.
        instances: by how many a limit is divided where each one counts for itself.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        redis: RedisClient | None,
        prefix: str,
        *,
        instances: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._instances = instances
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def command(self, limits: Sequence[RateLimit]) -> Command | None:
        """Return what charges these buckets, to be sent along with something else; None without Redis."""
        if self._redis is None:
            return None
        keys = [f"{self._prefix}{limit.bucket}" for limit in limits]
        numbers = [number for limit in limits for number in (repr(limit.per_second), limit.burst)]
        return "EVAL", _TAKE, len(keys), *keys, *numbers

    def admit(self, limits: Sequence[RateLimit], reply: Sequence[int] | None = None) -> dict[str, str]:
        """Count a call, unless it was counted along with something else, and give the headers that say so.

        Args:
            limits: all that the call falls under.
            reply: what ``command`` gave, None when it wasn't sent.

        Raises:
            RequestError: 429 with ``Retry-After``; nothing was counted.
        """
        verdicts = _read(limits, reply) if reply else self._taken(limits)
        headers = rate_headers(verdicts)
        if wait := max(verdict.wait for verdict in verdicts):
            headers["Retry-After"] = str(ceil(wait))
            raise RequestError("Too many requests; come again later", status=429, headers=headers)
        return headers

    def _taken(self, limits: Sequence[RateLimit]) -> list[BucketState]:
        command = self.command(limits)
        if self._redis is not None and command is not None:
            try:
                (reply,) = self._redis.execute(f"{self._prefix}{limits[0].bucket}", command)
                return _read(limits, reply)
            except TierError:
                pass
        return self._taken_here([self._share(limit) for limit in limits])

    def _share(self, limit: RateLimit) -> RateLimit:
        burst = max(1, limit.burst // self._instances)
        return limit._replace(per_second=limit.per_second / self._instances, burst=burst)

    def _taken_here(self, limits: Sequence[RateLimit]) -> list[BucketState]:
        now = self._clock()
        left = [
            limit.burst - max(0.0, self._full_at.get(limit.bucket, now) - now) * limit.per_second + 1e-6
            for limit in limits
        ]
        is_refused = min(left) < 1
        if not is_refused:
            for limit in limits:
                self._charge(limit, now)
        return [
            BucketState(limit, int(one) - (not is_refused), max(0.0, 1 - one) / limit.per_second)
            for limit, one in zip(limits, left, strict=True)
        ]

    def _charge(self, limit: RateLimit, now: float) -> None:
        """Take a token; a bucket that was full for the longest is forgotten first."""
        full_at = max(now, self._full_at.get(limit.bucket, now)) + 1 / limit.per_second
        self._full_at[limit.bucket] = full_at
        self._full_at.move_to_end(limit.bucket)
        if len(self._full_at) > MAX_BUCKETS:
            self._full_at.popitem(last=False)


def rate_headers(verdicts: Sequence[BucketState]) -> dict[str, str]:
    """Say how much is left: draft-ietf-httpapi-ratelimit-headers, its version of May 2025."""
    policies = [
        f'"{limit.name}";q={limit.burst};w={ceil(limit.burst / limit.per_second)}' for limit, _, _ in verdicts
    ]
    states = [f'"{limit.name}";r={left};t={ceil(_until_full(limit, left))}' for limit, left, _ in verdicts]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


def _until_full(limit: RateLimit, left: int) -> float:
    return (limit.burst - left) / limit.per_second


def _read(limits: Sequence[RateLimit], reply: Sequence[int]) -> list[BucketState]:
    return [
        BucketState(limit, int(reply[2 * at]), int(reply[2 * at + 1]) / 1000)
        for at, limit in enumerate(limits)
    ]


def open_rate_limiter(settings: Settings) -> RateLimiter:
    """Return what counts a deployment's calls."""
    redis = None
    if settings.cache.redis is not None:
        from silvaengine.redis.client import process_redis  # many deployments have no Redis

        redis = process_redis(settings.cache.redis).of("registry")
    # The slot of the registry's generation, so that both go in one round trip on a cluster, too.
    prefix = f"{{{settings.table_prefix}registry:generation}}limit:"
    return RateLimiter(redis, prefix, instances=settings.rate_limit_instances)
