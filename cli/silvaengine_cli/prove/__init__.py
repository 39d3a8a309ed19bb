"""Proves on an account what is taken from documentation, and leaves nothing there."""

# What tests/prove has, in the order in which it runs: the last two change the stack, and end it.
AREAS = (
    "account",
    "http",
    "websocket",
    "events",
    "permissions",
    "operations",
    "measures",
    "updates",
    "deletion",
)
