"""Connections to Redis, and the circuit breaker around them.

Cache, registry and rate limits all use it, so that one breaker serves them all.
"""
