"""Messages to connected clients: frames, pushes, broadcasts and the tokens that allow them.

The WebSocket gateway and the worker push; the other services only issue broadcast tokens.
"""
