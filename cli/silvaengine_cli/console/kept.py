"""What is slow to read, and shown in several windows."""

import time
from collections.abc import Callable
from threading import Lock


class Kept[T]:
    """A value that is read anew once it is old; whoever asks meanwhile waits, too.

    Args:
        read: returns it.
        seconds: after which it is old.
    """

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self.last: T | None = None
        """The value that was read last, however old; None before the first."""
        self._read = read
        self._seconds = seconds
        self._read_at = 0.0
        self._lock = Lock()

    def __call__(self) -> T:
        """Return it; raise what reading raises."""
        with self._lock:
            if self.last is None or time.monotonic() - self._read_at >= self._seconds:
                self.last = self._read()
                self._read_at = time.monotonic()
            return self.last
