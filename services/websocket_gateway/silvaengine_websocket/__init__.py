"""The WebSocket gateway: clients' messages become calls of functions."""
