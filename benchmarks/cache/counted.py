"""What is counted instruction by instruction: each function is called without arguments, again and again."""

import functools
from itertools import count
from threading import RLock

import cachetools
import msgspec

from benchmarks.cache.subjects import AGENT, get_agent, get_name, our_cache, ours

_plain = functools.lru_cache(get_name)
_cachetools = cachetools.cached(cachetools.TTLCache(1000, 3600), lock=RLock())(get_name)
_found = ours(our_cache(), get_name)
_copied = ours(our_cache(), get_agent)
_encoded = msgspec.msgpack.encode(AGENT)
_decode = msgspec.msgpack.Decoder().decode
_numbers = count()


def lru_cache() -> object:
    """Hit by the standard library."""
    return _plain("acme", "a1")


def cachetools_cache() -> object:
    """Hit by cachetools."""
    return _cachetools("acme", "a1")


def silvaengine_cache() -> object:
    """Hit by ours."""
    return _found("acme", "a1")


def decode() -> object:
    """Decode, as a hit that gives a copy has to."""
    return _decode(_encoded)


def silvaengine_copy() -> object:
    """Hit by ours, with a copy."""
    return _copied("acme", "a1")


def silvaengine_miss() -> object:
    """Miss, without other tiers."""
    return _copied("acme", f"a{next(_numbers)}")
