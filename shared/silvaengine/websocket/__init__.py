"""What a Lambda says to a connected client: frames, how they are pushed, and who may broadcast.

The WebSocket gateway and the worker push with it; the other services only issue broadcast tokens.
"""
