"""The other libraries, an adapter each; they lie in an environment of their own."""

import sys

from benchmarks.harness.paths import PEERS

sys.path.append(str(PEERS))

from benchmarks.cache.peers.collected import memory, redis_hits
from benchmarks.cache.peers.predecessor import predecessor_disk, predecessor_miss

__all__ = ["memory", "predecessor_disk", "predecessor_miss", "redis_hits"]
