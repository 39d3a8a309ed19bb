"""The registry: a tenant's functions by name, as immutable values that are kept until rows change.

Gateways and tasks resolve calls with it; the worker has no right to the tables and never imports it.
"""
