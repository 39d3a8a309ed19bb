"""What a call changes of the process that all tenants share, put back before the next call.

A constructor that puts a key into the environment would otherwise hand it to whoever comes next. Threads,
signal handlers, patched modules and the like stay; docs/security.md says so.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def restored() -> Iterator[Callable[[], bool]]:
    """Put back environment, working directory and the root logger's level and handlers afterwards.

    Yields:
        what tells whether the environment is as it was.

    """
    environment = os.environ  # noqa: TID251 - the functions' settings, none of ours
    before = dict(environment)
    folder, root = os.getcwd(), logging.getLogger()  # noqa: PTH109 - a path object costs every call
    level, handlers = root.level, list(root.handlers)
    try:
        yield lambda: environment == before
    finally:
        if environment != before:
            environment.clear()
            environment.update(before)
        os.chdir(folder)
        root.setLevel(level)
        root.handlers[:] = handlers
