"""The hybrid cache: memory, Redis and disk, with clears that reach frozen Lambdas (docs/cache.md).

The way of a cached call: ``decorators`` (its key), ``lookup`` (who loads, who waits), ``hybrid`` (a hit in
memory, then the order of the tiers), ``memory``, ``shared_tiers``, ``redis_tier`` and ``disk`` (the
tiers), ``fence`` and ``clear_log`` (what clears have ended).

Functions use it through ``silvaengine_utility``, and the gateways manage it; it imports only ``redis``,
``aws``, context, errors, settings and tables.
"""
