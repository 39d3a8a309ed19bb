"""Example functions; each shows one thing, and registry.yaml beside this folder publishes them.

Read ``greetings`` first (a class with settings), then ``answers`` (what a function may return), ``calls``
(what a function can learn and do about its call), ``dishes`` (routes), ``rates`` (a cached function),
``members`` (functions behind an authorizer), ``conversations`` (messages to clients over a WebSocket),
``events`` (functions that AWS events call) and ``page`` (a page that calls functions from a browser).
"""
