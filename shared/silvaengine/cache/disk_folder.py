"""A cache's folder on disk: diskcache's, opened without pickles, and begun anew once where it is damaged.

diskcache pickles what is neither text nor bytes, and unpickles what it finds: whoever can write to the folder
could run code (CVE-2025-69872, without a fix). So only bytes are stored and read here.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from os import W_OK, access, stat
from pathlib import Path
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from silvaengine.clock import process_clock

if TYPE_CHECKING:
    from diskcache import Cache

DBNAME = "cache.db"  # diskcache's
TIMEOUT_SECONDS = 0.1  # how long to wait for another process's lock
OPENING_SECONDS = 2.0  # how long for one that opens or deletes a folder

_RAW: Final = 1  # how diskcache stores a row's value
_FILE: Final = 2
_FILE_NAME = re.compile("[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}[.]val")
_OWN_NAME = re.compile(f"{DBNAME}.*|[0-9a-f]{{2}}")

_logger = logging.getLogger(__name__)


class DiskFolder:
    """One cache's folder, for any number of threads; only this user can read it.

    A damaged database would fail in every later process, too. A second one in the same process is left alone:
    the medium may be at fault.

    Args:
        path: the folder; other processes lock its parent's file ``.lock`` while they open one of its folders.
        size: limit in bytes; the oldest values go first.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._opening = Lock()
        self._cache: Any = None  # diskcache has no types
        self._file: tuple[int, int] | None = None
        self._is_begun_anew = False

    def use[T](self, work: "Callable[[Cache], T]") -> T:
        """Return what ``work`` does with the opened folder; it is called again in one that is begun anew.

        Raises:
            Exception: one of ``failure_types``.
        """
        used = self._cache
        if used is None or self._file != _identity(self._path):  # None is there: deleted, or another's
            used = self._open(used)
        try:
            return work(used)
        except failure_types() as error:
            if not self._is_damaged(error):
                raise
            return work(self._open(used, error))

    def _open(self, used: "Cache | None", damage: Exception | None = None) -> "Cache":
        """Open the folder, unless another thread has done so since ``used``."""
        from diskcache import Cache

        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._opening, _locked(self._path.parent):
            if used is not None and used is self._cache:
                used.close()
                self._cache = None
            if self._cache is not None:
                return self._cache
            self._path.mkdir(mode=0o700, exist_ok=True)
            identity = _identity(self._path)
            if identity is None:
                _delete(self._path)  # what a deleted database has left
            elif damage is not None and identity == self._file:
                self._begin_anew(damage)
            options = {"disk": _bytes_disk(), "timeout": TIMEOUT_SECONDS, "size_limit": self._size}
            try:
                _wait_for_lock(self._path)
                self._cache = Cache(str(self._path), **options)
            except failure_types() as error:
                if not (self._is_damaged(error) or isinstance(error, _CONTENT)):
                    raise
                self._begin_anew(error)
                self._cache = Cache(str(self._path), **options)
            self._file = _identity(self._path)
            return self._cache

    def _is_damaged(self, error: Exception) -> bool:
        """Return whether what the database holds is at fault, not a lock, the disk or permissions."""
        import sqlite3

        from diskcache import Timeout

        is_hiding = isinstance(error, Timeout) or "transaction" in str(error)  # why it didn't begin or end
        code = getattr(error.__context__ if is_hiding else error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        if code == sqlite3.SQLITE_READONLY:  # or its header says so
            return access(self._path / DBNAME, W_OK)
        return code & 0xFF in {
            sqlite3.SQLITE_CONSTRAINT,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_ERROR,  # another program's tables
            sqlite3.SQLITE_MISMATCH,
            sqlite3.SQLITE_NOTADB,
        }

    def _begin_anew(self, damage: Exception) -> None:
        if self._is_begun_anew or not _delete(self._path):
            raise damage
        self._is_begun_anew = True
        _logger.warning("The cache's folder %s is damaged and begun anew: %r", self._path, damage)


_CONTENT = (ValueError, TypeError, LookupError, AttributeError)  # what diskcache raises for strange settings


@cache
def failure_types() -> tuple[type[Exception], ...]:
    """Return what a folder raises that can't be used."""
    import sqlite3  # lazy: only a call that the memory can't serve needs it

    from diskcache import Timeout

    return OSError, sqlite3.Error, Timeout, *_CONTENT


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from opening and deleting the folders in this one; raises OSError after 2 s."""
    from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock  # lazy: see failure_types

    file = folder / ".lock"
    file.touch(mode=0o600)
    end = process_clock() + OPENING_SECONDS
    with file.open("a") as lock:
        while True:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                if process_clock() >= end:
                    raise
                sleep(0.01)
        try:
            yield
        finally:
            flock(lock, LOCK_UN)  # closed alone it would stay with a child that was forked meanwhile


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return which file is the database, None if there is none or it is empty."""
    try:
        found = stat(f"{folder}/{DBNAME}")  # noqa: PTH116 - a Path takes as long as the rest of a hit
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def _wait_for_lock(folder: Path) -> None:
    """Raise an error if another process doesn't release the database; diskcache would wait for a minute."""
    import sqlite3

    connection = sqlite3.connect(folder / DBNAME, timeout=TIMEOUT_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.close()


def _delete(folder: Path) -> bool:
    """Empty a folder, at once for others who use it; return False if it is a link or holds anything else.

    To unlink the database's files one by one would leave a connection with the old one and the new ones:
    sqlite.org/howtocorrupt.html, section 1.4.
    """
    from shutil import rmtree

    names = [file.name for file in folder.iterdir()]
    if folder.is_symlink() or not all(map(_OWN_NAME.fullmatch, names)):
        return False
    if names:
        aside = folder.with_name(f"{folder.name}~")  # no cache has this name
        rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        folder.mkdir(mode=0o700)
        rmtree(aside, ignore_errors=True)
    return True


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
