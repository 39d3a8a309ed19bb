"""Which function a name means for a tenant: rows of the registry as immutable values, kept until they change.

Gateways and tasks resolve with it; the worker has no right to the tables and never imports it.
"""
