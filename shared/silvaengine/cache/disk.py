"""The disk tier: values that outlive a process, shared by the processes of one host.

By diskcache, which pickles what is neither text nor bytes, and unpickles what it finds: whoever can write to
the folder could run code (CVE-2025-69872, without a fix). So only bytes are stored and read here.
"""

import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from silvaengine.clock import process_clock
from silvaengine.redis.breaker import Breaker

if TYPE_CHECKING:
    from diskcache import Cache

TIMEOUT_SECONDS = 0.1  # how long to wait for another process's lock
MAX_VALUE = 16 * 1_048_576  # bytes

_CAPITAL = re.compile("[A-Z]")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_RAW: Final = 1  # how diskcache stores a row's value
_FILE: Final = 2
_FILE_NAME = re.compile("[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}[.]val")


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
        self._open: dict[str, Cache] = {}

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
        with self.breaker.guard("The cache's folder can't be used", _failure_types()):
            return work(self._cache(name))

    def _cache(self, name: str) -> "Cache":
        if name not in self._open:
            self._open[name] = _open_folder(self.path(name), self._size)
        return self._open[name]


def _open_folder(folder: Path, size: int) -> "Cache":
    """Open a folder that only this user can read; a corrupt database is deleted."""
    from sqlite3 import DatabaseError, OperationalError

    from diskcache import Cache

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {"disk": _bytes_disk(), "timeout": TIMEOUT_SECONDS, "size_limit": size}
    try:
        return Cache(str(folder), **options)
    except DatabaseError as error:
        if isinstance(error, OperationalError):
            raise
        for file in folder.glob("cache.db*"):
            file.unlink(missing_ok=True)
        return Cache(str(folder), **options)


@cache
def _bytes_disk() -> type:
    """Return diskcache's ``Disk`` without pickles; a function, since diskcache is imported at first use."""
    from diskcache import Disk

    class BytesDisk(Disk):  # type: ignore[misc] # diskcache has no types
        def put(self, key: object) -> tuple[str, bool]:
            return _text(key), True

        def get(self, key: object, raw: bool) -> str:  # noqa: ARG002 - diskcache's signature
            return _text(key)

        def store(self, value: object, read: bool, key: object = None) -> object:
            if type(value) is not bytes or read:
                raise TypeError("a value must be bytes")
            return super().store(value, read, key)

        def fetch(self, mode: int, filename: str, value: object, read: bool) -> object:
            if mode == _RAW and filename is None:
                return value  # as diskcache does
            if read or mode != _FILE or not _FILE_NAME.fullmatch(str(filename)):
                raise FileNotFoundError("a planted row")  # which diskcache takes for no value
            return super().fetch(mode, filename, value, read)

        def remove(self, file_path: str) -> None:
            if _FILE_NAME.fullmatch(file_path):
                super().remove(file_path)

    return BytesDisk


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError("a key must be a string")
    return key


@cache
def _failure_types() -> tuple[type[Exception], ...]:
    import sqlite3  # lazy: only a call that the memory can't serve needs it

    from diskcache import Timeout

    return OSError, sqlite3.Error, Timeout, ValueError, TypeError, LookupError


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
