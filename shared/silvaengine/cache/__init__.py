"""The hybrid cache: memory, Redis and disk, with clears that reach frozen Lambdas (docs/cache.md).

Functions reach it through ``silvaengine_utility``, the gateways manage it; it imports ``redis``, ``aws``,
errors, settings and context alone.
"""
