"""The other libraries, an adapter each; they lie in an environment of their own."""

import sys

from benchmarks.harness.paths import PEERS

sys.path.append(str(PEERS))

from benchmarks.cache.peers.collected import memory, redis_hits
from benchmarks.cache.peers.predecessor import (
    predecessor_client,
    predecessor_disk,
    predecessor_miss,
    three_round_trips,
)

__all__ = [
    "memory",
    "predecessor_client",
    "predecessor_disk",
    "predecessor_miss",
    "redis_hits",
    "three_round_trips",
]
