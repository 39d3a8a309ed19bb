"""What a call changes of the process that all tenants share, put back before the next call.

A constructor that puts a key into the environment would otherwise hand it to whoever comes next. Threads,
signal handlers, patched modules and the like stay; docs/security.md says so.
"""

import logging
import os

_environ = os.environ  # noqa: TID251 - the functions' settings, none of ours
# The mapping inside: to copy or compare os.environ itself decodes every name and value, on every call.
_values: dict[bytes, bytes] = vars(_environ)["_data"]


class ProcessStateGuard:
    """Puts back environment, working directory and the root logger's level and handlers afterwards."""

    def __enter__(self) -> "ProcessStateGuard":
        """Note how it is."""
        self._before = dict(_values)
        self._folder = os.getcwd()  # noqa: PTH109 - a path object costs every call
        self._root = logging.getLogger()
        self._level, self._handlers = self._root.level, list(self._root.handlers)
        return self

    def untouched(self) -> bool:
        """Return whether the environment is as it was."""
        return _values == self._before

    def __exit__(self, *_: object) -> None:
        """Put it back."""
        if not self.untouched():
            _environ.clear()
            _environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in self._before.items()})
        os.chdir(self._folder)
        if self._root.level != self._level:
            self._root.setLevel(self._level)
        self._root.handlers[:] = self._handlers
