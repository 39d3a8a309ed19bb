"""Rate limits of tenants and keys: token buckets, counted in Redis for all instances.

A bucket is one number, the time at which it is full again (the generic cell rate algorithm). Without Redis,
or while it is unreachable, each instance counts for itself and allows its share of the rate.
"""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, inf
from typing import Any

from silvaengine.clock import process_clock
from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.lru import Budget, LruCache
from silvaengine.named_tuple import NamedTuple
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClient, process_redis, reads_replies
from silvaengine.redis.commands import Command
from silvaengine.settings import Settings

MAX_RATE = 100_000  # per second, and of a burst

# KEYS: buckets. ARGV: of each its tokens per second and its size. All are charged or none is. Returns of each
# the whole tokens left and the milliseconds to wait, 0 if it has one. The clock is Redis's own.
_TAKE_SCRIPT = """
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
    """A limit of a tenant or a key: ``per_second`` calls in the long run, ``burst`` at once.

    ``name`` tells clients which limit it is, ``bucket`` says for which tenant or key it counts.
    """

    name: str
    bucket: str
    per_second: float
    burst: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any], name: str, bucket: str) -> "RateLimit | None":
        """Read a row's ``rate_limit``; None if it has none.

        Raises:
            ConfigurationError: the value is no limit; ``detail`` names the bucket.
        """
        value = row.get("rate_limit")
        if value is None:
            return None
        try:
            rate = float(value["per_second"])
            burst = int(value.get("burst") or max(1, ceil(rate)))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            rate = burst = 0
        if not (0 < rate <= MAX_RATE and 0 < burst <= MAX_RATE):
            detail = f"rate_limit of {name} {bucket!r}: expected per_second and burst, found {value!r}"
            raise ConfigurationError("The endpoint is misconfigured", detail=detail)
        return cls(name, bucket, rate, burst)


def rate_limits_of(
    endpoint: Mapping[str, Any], key_row: Mapping[str, Any], endpoint_id: str, key_id: str
) -> tuple[RateLimit, ...]:
    """Return the limits in a tenant's row and a key's; raises ConfigurationError."""
    limits = (
        RateLimit.from_row(endpoint, "tenant", f"tenant:{endpoint_id}"),
        RateLimit.from_row(key_row, "key", f"key:{endpoint_id}:{key_id}"),
    )
    return tuple(limit for limit in limits if limit)


class BucketState(NamedTuple):
    """A bucket's state: ``left`` whole tokens, or ``wait`` seconds until it has one."""

    limit: RateLimit
    left: int
    wait: float


class RateLimiter:
    """Counts calls.

    Args:
        redis: counts for all instances; None to count in each.
        prefix: the prefix of the buckets' keys.
        budget: bounds the buckets that are counted here; one that goes begins anew, full.
        instances: the number by which limits are divided while each instance counts for itself.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        redis: RedisClient | None,
        prefix: str,
        budget: Budget | int,
        *,
        instances: int,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._instances = instances
        self._clock = clock
        self._full_at = LruCache(inf, budget, clock)  # lists of one number, which a call changes

    def command(self, limits: Sequence[RateLimit]) -> Command | None:
        """Return the command that charges these buckets, to send with other commands; None without Redis."""
        if self._redis is None:
            return None
        keys = [f"{self._prefix}{limit.bucket}" for limit in limits]
        numbers = [number for limit in limits for number in (repr(limit.per_second), limit.burst)]
        return "EVAL", _TAKE_SCRIPT, len(keys), *keys, *numbers

    def admit(self, limits: Sequence[RateLimit], reply: Sequence[int] | None = None) -> dict[str, str]:
        """Count a call, unless ``reply`` says that it was; return the headers that say what is left.

        Args:
            limits: all limits of the call.
            reply: Redis's reply to ``command``; None if that wasn't sent.

        Raises:
            RequestError: 429 with ``Retry-After``; nothing was counted.
        """
        try:
            states = _read_reply(limits, reply) if reply else self._take(limits)
        except TierError:
            states = self._take_locally([self._share(limit) for limit in limits])
        headers = rate_headers(states)
        if wait := max(state.wait for state in states):
            headers["Retry-After"] = seconds = str(ceil(wait))
            message = f"Too many requests; try again in {seconds} s"  # agents don't see headers
            raise RequestError(message, status=429, headers=headers)
        return headers

    def _take(self, limits: Sequence[RateLimit]) -> list[BucketState]:
        command = self.command(limits)
        if self._redis is None or command is None:
            raise TierError("there is no Redis")
        (reply,) = self._redis.execute(f"{self._prefix}{limits[0].bucket}", command)
        return _read_reply(limits, reply)

    def _share(self, limit: RateLimit) -> RateLimit:
        burst = max(1, limit.burst // self._instances)
        return limit._replace(per_second=limit.per_second / self._instances, burst=burst)

    def _take_locally(self, limits: Sequence[RateLimit]) -> list[BucketState]:
        now = self._clock()
        buckets = [self._full_at.get_or_load(limit.bucket, lambda: [now]) for limit in limits]
        tokens = [
            limit.burst - max(0.0, full_at - now) * limit.per_second + 1e-6
            for limit, (full_at,) in zip(limits, buckets, strict=True)
        ]
        is_refused = min(tokens) < 1
        if not is_refused:
            for limit, bucket in zip(limits, buckets, strict=True):
                bucket[0] = max(now, bucket[0]) + 1 / limit.per_second
        return [
            BucketState(limit, int(left) - (not is_refused), max(0.0, 1 - left) / limit.per_second)
            for limit, left in zip(limits, tokens, strict=True)
        ]


def rate_headers(states: Sequence[BucketState]) -> dict[str, str]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers, in its version of May 2025."""
    policies = [
        f'"{limit.name}";q={limit.burst};w={ceil(limit.burst / limit.per_second)}' for limit, _, _ in states
    ]
    rest = [
        f'"{limit.name}";r={left};t={ceil((limit.burst - left) / limit.per_second)}'
        for limit, left, _ in states
    ]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(rest)}


@reads_replies
def _read_reply(limits: Sequence[RateLimit], reply: Sequence[int]) -> list[BucketState]:
    if type(reply) is not list or list(map(type, reply)) != [int, int] * len(limits):
        raise TypeError
    return [
        BucketState(limit, reply[2 * index], reply[2 * index + 1] / 1000)
        for index, limit in enumerate(limits)
    ]


def open_rate_limiter(settings: Settings, budget: Budget) -> RateLimiter:
    """Return the limiter of a deployment's calls."""
    redis = process_redis(settings.cache.redis).of("registry") if settings.cache.redis else None
    prefix = bucket_prefix(settings.table_prefix)
    return RateLimiter(redis, prefix, budget, instances=settings.rate_limit_instances)


def bucket_prefix(table_prefix: str) -> str:
    """Return what buckets' keys begin with.

    It is in the slot of the registry's generation, so that a cluster, too, takes both in one round trip.
    """
    return f"{{{table_prefix}registry:generation}}limit:"
