"""The disk tier: values that outlive a process, shared by the processes of one host."""

import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from silvaengine.cache.disk_folder import DiskFolder, failure_types
from silvaengine.clock import process_clock
from silvaengine.redis.breaker import Breaker

if TYPE_CHECKING:
    from diskcache import Cache

MAX_VALUE = 16 * 1_048_576  # bytes

_CAPITAL = re.compile("[A-Z]")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class DiskTier:
    """Bytes by key, in a folder for each cache.

    Args:
        folder: the caches' folders are in it, by name.
        size: limit of each cache in bytes; the oldest values go first.
        clock: seconds that go on in a freeze, for the breaker.
    """

    def __init__(self, folder: Path, size: int, clock: Callable[[], float] = process_clock) -> None:
        self.folder = folder
        self.breaker = Breaker(clock)
        self._size = size
        self._folders: dict[str, DiskFolder] = {}

    def path(self, name: str) -> Path:
        """Return a cache's folder; capitals are marked, since some file systems ignore case."""
        return self.folder / _CAPITAL.sub(r"^\g<0>", name)

    def get(self, name: str, key: str) -> tuple[bytes, float] | None:
        """Return a value and the seconds that it has left, None for none; raises TierError."""
        row = self.read_text(name, key)
        if row is None:
            return None
        head, _, value = row.partition(b"\n")
        clock_id, _, end = head.partition(b" ")
        own_id, now = disk_clock()
        if clock_id != own_id or not end.replace(b".", b"", 1).isdigit():
            return None
        left = float(end) - now
        return (value, left) if left > 0 else None

    def set(self, name: str, key: str, value: bytes, seconds: float) -> None:
        """Store a value of at most 16 MB; raises TierError."""
        if len(value) <= MAX_VALUE:
            clock_id, now = disk_clock()
            row = b"%b %a\n%b" % (clock_id, now + seconds, value)
            self._use(name, lambda folder: folder.set(key, row, expire=seconds))

    def delete(self, name: str, key: str) -> None:
        """Delete a value; raises TierError."""
        self._use(name, lambda folder: folder.delete(key))

    def read_text(self, name: str, key: str) -> bytes | None:
        """See ``silvaengine.cache.clear_log.LogTexts``."""
        row = self._use(name, lambda folder: folder.get(key))
        return row if isinstance(row, bytes) else None

    def update_text(
        self, name: str, key: str, update: Callable[[bytes | None], bytes], attempts: int = 1
    ) -> bytes:
        """See ``silvaengine.cache.clear_log.LogTexts``."""
        from diskcache import Timeout

        def transact(folder: "Cache") -> bytes:
            for left in reversed(range(attempts)):
                try:
                    with folder.transact():
                        row = folder.get(key)
                        text = update(row if isinstance(row, bytes) else None)
                        folder.set(key, text)
                        return text
                except Timeout:
                    if not left:
                        raise
            raise AssertionError  # the last attempt returns or raises

        return self._use(name, transact)

    def _use[T](self, name: str, work: "Callable[[Cache], T]") -> T:
        """Call ``work`` with a cache's folder, under the breaker; raises TierError."""
        folder = self._folders.get(name) or self._folders.setdefault(
            name, DiskFolder(self.path(name), self._size)
        )
        with self.breaker.guard("The cache's folder can't be used", failure_types()):
            return folder.use(work)


@cache
def _boot_id() -> bytes | None:
    return _BOOT_ID.read_bytes().strip() if _BOOT_ID.is_file() else None


def disk_clock() -> tuple[bytes, float]:
    """Return the name and the seconds of a clock that all processes of this host share.

    On Linux it counts from the boot, so that a change of the date doesn't change a value's age; elsewhere it
    is the date.
    """
    boot = _boot_id()
    return (boot, time.clock_gettime(time.CLOCK_BOOTTIME)) if boot else (b"date", time.time())
