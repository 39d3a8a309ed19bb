"""What a warm call of each Lambda consists of, in pieces that can be counted alone.

Each module has ``PARTS``: what a piece is called, and a function that does it once. ``BENCHMARK_PART`` names
the one that ``chosen`` gives. They reach for private names, as nothing else here may.
"""

import os


def chosen(parts):
    """Return the piece of this name; an unknown one does nothing, which is what the loop costs."""
    return parts.get(os.environ["BENCHMARK_PART"], lambda: None)
