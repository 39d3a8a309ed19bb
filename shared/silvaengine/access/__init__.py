"""API keys and rate limits.

The registry reads them from rows, the gateways check them; tasks and worker need neither.
"""
