"""What the predecessor's cache says to Redis and the disk, command by command: facts, not its code."""

import hashlib
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from benchmarks.cache.turns import Work, calls


def _hashed(key: str) -> str:
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def predecessor_hit(client: redis.Redis, value: object) -> Callable[[], object]:
    """Give a hit in Redis: a hashed key, GET, pickle."""
    client.set(_hashed("acme:a1"), pickle.dumps(value))
    return lambda: pickle.loads(client.get(_hashed("acme:a1")) or b"")  # noqa: S301 - its way


def predecessor_miss(client: redis.Redis, value: object, numbers: Iterator[int]) -> Callable[[], object]:
    """Give a miss with its store."""

    def miss() -> None:
        key = _hashed(f"acme:a{next(numbers)}")
        client.get(key)
        client.ping()
        client.setex(key, 3600, pickle.dumps(value))

    return miss


def predecessor_disk(folder: Path, value: object) -> dict[str, Work]:
    """Give a hit on disk: a file for each key, with a pickle in it."""
    folder.mkdir()

    def file() -> Path:
        return folder / _hashed("acme:a1")

    file().write_bytes(pickle.dumps({"expires_at": time.time() + 3600, "value": value}))
    return {
        "the predecessor's file and pickle": calls(lambda: pickle.loads(file().read_bytes()))  # noqa: S301 - its way
    }
