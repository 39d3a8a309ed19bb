"""The disk tier: what a process computed before it was restarted, shared by the processes of one host.

diskcache does the work. It pickles what is neither text nor bytes, and unpickles what it finds: whoever could
write to the folder could run code (CVE-2025-69872, without a fix). Ours stores bytes and refuses the rest.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from silvaengine.redis.breaker import Breaker, TierError

if TYPE_CHECKING:
    from diskcache import Cache

TIMEOUT_SECONDS = 0.1  # what a lock of another process may cost
VALUE_LIMIT = 16 * 1_048_576  # bytes

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_RAW: Final = 1  # diskcache's modes of a row
_FILE: Final = 2
_FILE_NAME = re.compile("[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}[.]val")

_logger = logging.getLogger(__name__)


class DiskTier:
    """Keeps bytes in a folder for each cache.

    Args:
        folder: below it each cache has a folder of its name.
        size: bytes that each cache may take; the oldest go first.
        clock: monotonic seconds, of the breaker.
    """

    def __init__(self, folder: Path, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.breaker = Breaker(clock)
        self._size = size
        self._open: dict[str, Cache] = {}

    def path(self, name: str) -> Path:
        """Return a cache's folder."""
        return self.folder / name

    def get(self, name: str, key: str) -> tuple[bytes, float] | None:
        """Return a value and the seconds that it has left, None when there is none; raises TierError."""
        found = self._use(name, lambda folder: folder.get(key))
        if not isinstance(found, bytes):
            return None
        head, _, value = found.partition(b"\n")
        clock_id, _, end = head.partition(b" ")
        own_id, now = disk_clock()
        if clock_id != own_id or not end.replace(b".", b"", 1).isdigit():
            return None
        left = float(end) - now
        return (value, left) if left > 0 else None

    def set(self, name: str, key: str, value: bytes, seconds: float) -> None:
        """Keep a value, if it isn't larger than 16 MB; raises TierError."""
        if len(value) <= VALUE_LIMIT:
            clock_id, now = disk_clock()
            row = b"%b %a\n%b" % (clock_id, now + seconds, value)
            self._use(name, lambda folder: folder.set(key, row, expire=seconds))

    def delete(self, name: str, key: str) -> None:
        """Forget a value; raises TierError."""
        self._use(name, lambda folder: folder.delete(key))

    def record(self, name: str, key: str) -> bytes | None:
        """See ``silvaengine.cache.generations.Records``."""
        found = self._use(name, lambda folder: folder.get(key))
        return found if isinstance(found, bytes) else None

    def change(
        self, name: str, key: str, change: Callable[[bytes | None], bytes], attempts: int = 1
    ) -> bytes:
        """See ``silvaengine.cache.generations.Records``."""

        def transact(folder: "Cache") -> bytes:
            with _transaction(folder, attempts):
                found = folder.get(key)
                changed = change(found if isinstance(found, bytes) else None)
                folder.set(key, changed)
            return changed

        return self._use(name, transact)

    def _use[T](self, name: str, work: "Callable[[Cache], T]") -> T:
        """Work in a cache's folder and tell the breaker how it went; raises TierError."""
        if not self.breaker.allows():
            raise TierError("the disk is passed over for a moment")
        try:
            result = work(self._cache(name))
        except _failures() as error:
            if self.breaker.state == "closed":
                _logger.warning("The cache's folder can't be used: %s", type(error).__name__)
            self.breaker.record_failure()
            raise TierError(type(error).__name__) from error
        self.breaker.record_success()
        return result

    def _cache(self, name: str) -> "Cache":
        if name not in self._open:
            self._open[name] = _open_folder(self.path(name), self._size)
        return self._open[name]


def _open_folder(folder: Path, size: int) -> "Cache":
    """Open a folder that only this user may read; what is corrupt is begun anew."""
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


@contextmanager
def _transaction(folder: "Cache", attempts: int) -> Iterator[None]:
    """Hold the folder's lock; raises diskcache's Timeout when no attempt got it."""
    from diskcache import Timeout

    with ExitStack() as held:
        for left in reversed(range(attempts)):
            try:
                held.enter_context(folder.transact())
                break
            except Timeout:
                if not left:
                    raise
        yield


@cache
def _bytes_disk() -> type:
    """Return diskcache's ``Disk`` without its pickles; a class of its own only once diskcache is loaded."""
    from diskcache import Disk

    class BytesDisk(Disk):  # type: ignore[misc] # diskcache has no types
        def put(self, key: Any) -> tuple[str, bool]:  # noqa: ANN401 - diskcache's signature
            return _text(key), True

        def get(self, key: Any, raw: bool) -> str:  # noqa: ANN401, ARG002 - the same
            return _text(key)

        def store(self, value: Any, read: bool, key: Any = None) -> Any:  # noqa: ANN401 - the same
            if type(value) is not bytes or read:
                raise TypeError("a value is bytes")
            return super().store(value, read, key)

        def fetch(self, mode: int, filename: str, value: Any, read: bool) -> Any:  # noqa: ANN401
            if mode == _RAW and filename is None:
                return value  # as diskcache would
            if read or mode != _FILE or not _FILE_NAME.fullmatch(str(filename)):
                raise FileNotFoundError("a planted row")  # for diskcache: there is nothing
            return super().fetch(mode, filename, value, read)

        def remove(self, file_path: str) -> None:
            if _FILE_NAME.fullmatch(file_path):
                super().remove(file_path)

    return BytesDisk


def _text(key: Any) -> str:  # noqa: ANN401 - whatever a row holds
    if not isinstance(key, str):
        raise TypeError("a key is text")
    return key


@cache
def _failures() -> tuple[type[Exception], ...]:
    import sqlite3  # most calls are answered from memory

    from diskcache import Timeout

    return OSError, sqlite3.Error, Timeout, ValueError, TypeError, LookupError


@cache
def _boot_id() -> bytes | None:
    return _BOOT_ID.read_bytes().strip() if _BOOT_ID.is_file() else None


def disk_clock() -> tuple[bytes, float]:
    """Return a clock that every process of this host shares, and its name.

    On Linux it counts from the boot, so that no change of the date makes an entry older or younger; elsewhere
    it is the date.
    """
    boot = _boot_id()
    return (boot, time.clock_gettime(time.CLOCK_BOOTTIME)) if boot else (b"date", time.time())
