"""What the predecessor's cache says to Redis and the disk, step by step: facts, not its code.

silvaengine_utility at f8320b9: the decorator hashes the arguments, ``get`` and ``set`` hash its key again.
A miss in Redis looks for a file, a store goes to Redis alone; it pings only when it connects.
"""

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import redis

from benchmarks.cache.turns import Work, calls

FILES = Path("/nonexistent/silvaengine_cache")


def predecessor_client(port: int) -> redis.Redis:
    """Return redis-py's client with the predecessor's options, its defaults besides."""
    return redis.Redis(
        port=port, socket_timeout=1, socket_connect_timeout=1, retry_on_timeout=True, health_check_interval=30
    )


def predecessor_hit(client: redis.Redis, value: object) -> Callable[[], object]:
    """Return a hit in Redis."""
    client.set(_key("acme", "a1"), pickle.dumps(value))
    return lambda: pickle.loads(client.get(_key("acme", "a1")) or b"")  # noqa: S301 - its way


def predecessor_miss(client: redis.Redis, value: object, numbers: Iterator[int]) -> Callable[[], object]:
    """Return a miss with its store."""

    def miss() -> None:
        key = _hashed("get_agent", {"args": ("acme", f"a{next(numbers)}"), "kwargs": {}})
        found = _hashed("cache", key)
        client.get(found)
        file = FILES / f"{found.replace(':', '_')}.cache"
        if not file.exists():
            with suppress(FileNotFoundError):
                file.unlink()
        client.setex(_hashed("cache", key), 3600, pickle.dumps(value))

    return miss


def three_round_trips(client: redis.Redis, value: object, numbers: Iterator[int]) -> Callable[[], object]:
    """Return a miss with its store that asks first whether Redis is there."""

    def miss() -> None:
        key = f"acme:a{next(numbers)}"
        client.get(key)
        client.ping()
        client.setex(key, 3600, pickle.dumps(value))

    return miss


def predecessor_disk(folder: Path, value: object) -> dict[str, Work]:
    """Return a hit on disk without Redis: a file for each key, with a pickle in it."""
    folder.mkdir()

    def file() -> Path:
        return folder / f"{_key('acme', 'a1').replace(':', '_')}.cache"

    def hit() -> object:
        if not file().exists():
            return None
        with file().open("rb") as opened:
            record = pickle.load(opened)  # noqa: S301 - its way
        return record["value"] if record["expires_at"] > time.time() else None

    file().write_bytes(pickle.dumps({"expires_at": time.time() + 3600, "value": value}))
    return {"the predecessor's file and pickle": calls(hit)}


def _key(*arguments: str) -> str:
    return _hashed("cache", _hashed("get_agent", {"args": arguments, "kwargs": {}}))


def _hashed(prefix: str, data: object) -> str:
    text = data if isinstance(data, str) else json.dumps(data, sort_keys=True, default=str)
    return f"bench:{prefix}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
