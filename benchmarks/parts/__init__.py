"""What a warm call of each Lambda consists of, in pieces that can be counted alone.

Each module has `PARTS`: what a piece is called, and a function that does it once. `BENCHMARK_PART` names
the one that `choose` returns. They reach for private names, as nothing else here may.
"""

import os


def choose(parts):
    """Return the piece that is asked for; an unknown name does nothing: what the loop itself costs."""
    return parts.get(os.environ.get("BENCHMARK_PART"), lambda: None)
