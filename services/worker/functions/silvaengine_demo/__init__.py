"""Functions to learn from; each shows one thing, and registry.yaml beside this folder publishes them.

Read ``greetings`` first (a class with settings), then ``answers`` (what a function may answer), ``calls``
(what a function can know and do about its call), ``rates`` (a cached function), ``members`` (functions that
an authorizer stands before), ``conversations`` (what reaches clients over a WebSocket) and ``page`` (a page
that calls them from a browser).
"""
