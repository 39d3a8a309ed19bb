"""The state of the process that all tenants share: restored after each call.

A constructor that sets an environment variable would otherwise pass it on to the next tenant. Threads, signal
handlers, patched modules and the like are not restored (docs/security.md).
"""

import logging
import os
from typing import Self

_environ = os.environ  # noqa: TID251 - restored as a whole, read for no setting


def environment_data() -> dict[bytes, bytes]:
    """Return the mapping inside ``os.environ``: copying or comparing that decodes all names and values."""
    data: dict[bytes, bytes] = vars(_environ)["_data"]
    return data


_data = environment_data()


class ProcessStateGuard:
    """Restores the environment, the working directory and the root logger's level and handlers."""

    def __enter__(self) -> Self:
        """Save them."""
        self._before = dict(_data)
        self._folder = os.getcwd()  # noqa: PTH109 - a path object costs a percent of a call
        self._root = logging.getLogger()
        self._level, self._handlers = self._root.level, list(self._root.handlers)
        return self

    def is_environment_unchanged(self) -> bool:
        """Return whether the environment is as it was saved."""
        return _data == self._before

    def __exit__(self, *_: object) -> None:
        """Restore them."""
        if not self.is_environment_unchanged():
            _environ.clear()
            _environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in self._before.items()})
        os.chdir(self._folder)
        if self._root.level != self._level:
            self._root.setLevel(self._level)
        self._root.handlers[:] = self._handlers
