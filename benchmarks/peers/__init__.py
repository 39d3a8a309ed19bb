"""One module for each peer, written as its documentation says: a handler for `GET /core/demo/hello`.

All do the same work (`work.py`): none, or one read of a function's row kept from the first call on, and an
Invoke of the worker on every call.
"""
