"""The WebSocket gateway: messages become calls of functions."""
