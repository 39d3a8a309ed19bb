"""The connections to Redis, and the circuit breaker around them.

Whoever wants Redis (cache, registry, rate limits) goes through it, so that one breaker counts for all.
"""
