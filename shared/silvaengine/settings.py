"""The environment of a Lambda, read once into a frozen object; no other module reads ``os.environ``."""

import logging
import os
from collections.abc import Mapping
from posixpath import join
from types import MappingProxyType
from typing import NamedTuple

from silvaengine.errors import ConfigurationError

# Not read once but live, for what AWS's clients take from it: the runtime changes credentials and trace ids.
ENVIRONMENT: Mapping[str, str] = os.environ

MEBIBYTE = 1_048_576


class RedisSettings(NamedTuple):
    """Where the shared cache is; a cluster has no other database than 0."""

    host: str
    port: int = 6379
    database: int = 0
    databases: Mapping[str, int] = MappingProxyType({})
    username: str | None = None
    password: str | None = None
    tls: bool = False
    cluster: bool = False

    def __repr__(self) -> str:
        """Return what may be shown: no user, no password."""
        return f"RedisSettings({self.host!r}, {self.port})"

    def database_of(self, cache_name: str) -> int:
        """Return the number of the database that holds a cache (``REDIS_DB_{CACHE_NAME}``)."""
        return self.databases.get(cache_name.upper().replace("-", "_"), self.database)

    @classmethod
    def from_environment(cls, given: Mapping[str, str]) -> "RedisSettings | None":
        """Read where Redis is, None where no host is named; raises ConfigurationError."""
        if "REDIS_URL" in given:
            given = {**given, **_redis_url(given["REDIS_URL"])}
        if "REDIS_HOST" not in given:
            return None
        prefix = "REDIS_DB_"
        return cls(
            host=given["REDIS_HOST"],
            port=_number(given, "REDIS_PORT", 6379, 65_535),
            database=_number(given, "REDIS_DB", 0),
            databases={
                name.removeprefix(prefix): _number(given, name, 0)
                for name in given
                if name.startswith(prefix)
            },
            username=given.get("REDIS_USERNAME"),
            password=given.get("REDIS_PASSWORD"),
            tls=given.get("REDIS_TLS", "").lower() == "true",
            cluster=given.get("REDIS_CLUSTER", "").lower() == "true",
        )


class CacheSettings(NamedTuple):
    """What the hybrid cache may use.

    ``folder`` is None for no disk. ``fence_seconds`` says how often the table of generations is read; None
    where there is no such table.
    """

    redis: RedisSettings | None = None
    folder: str | None = "/tmp/silvaengine_cache"  # noqa: S108 - what Lambda has; the folder is closed to others
    memory_bytes: int = 32 * MEBIBYTE
    disk_bytes: int = 128 * MEBIBYTE
    fence_seconds: float | None = None

    @classmethod
    def from_environment(cls, given: Mapping[str, str]) -> "CacheSettings":
        """Read the cache's variables; raises ConfigurationError."""
        folder = given.get("CACHE_DIR", cls().folder)
        return cls(
            redis=RedisSettings.from_environment(given),
            folder=None if folder == "none" else folder,
            memory_bytes=_number(given, "CACHE_MEMORY_MB", 32, 10_240) * MEBIBYTE,
            disk_bytes=_number(given, "CACHE_DISK_MB", 128, 10_240) * MEBIBYTE,
            fence_seconds=_seconds(given, "CACHE_FENCE_SECONDS", 0)
            if "CACHE_FENCE_SECONDS" in given
            else None,
        )


class Settings(NamedTuple):
    """What the deployment decides. The names of the variables are in docs/contract.md."""

    region: str = "us-east-1"
    stage: str = "beta"
    table_prefix: str = "se-"
    log_level: int = logging.INFO
    full_event_areas: frozenset[str] = frozenset()
    sns_topic_arn: str | None = None
    stream_endpoint_id: str | None = None
    packages_path: str | None = None
    allowed_packages: tuple[str, ...] = ()
    tasks_function: str = "silvaengine_agenttask"
    worker_arn: str | None = None
    worker_alias: str | None = None
    mapped_workers: tuple[str, ...] = ()
    other_workers: tuple[str, ...] = ()
    isolated_worker_arn: str | None = None
    registry_refresh_seconds: float = 5.0
    registry_ttl_seconds: float = 600.0
    ledger_secret: str | None = None
    key_pepper: str | None = None
    payload_bucket: str | None = None
    dead_letter_queue_url: str | None = None
    worker_timeout_seconds: float = 300.0
    websocket_management_url: str | None = None
    broadcaster: str | None = None
    registry_in_redis: bool = False
    takes_gzip: bool = False
    rate_limit_instances: int = 4
    cache: CacheSettings = CacheSettings()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; an empty variable counts as absent.

        Raises:
            ConfigurationError: a value isn't what its variable takes; ``detail`` names it.
        """
        given = {name: value for name, value in environ.items() if value}
        usual = cls()
        return cls(
            region=given.get("REGIONNAME") or given.get("AWS_REGION") or usual.region,
            stage=given.get("STAGE", usual.stage),
            table_prefix=given.get("TABLE_PREFIX", usual.table_prefix),
            log_level=_log_level(given.get("LOGGINGLEVEL", "INFO")),
            full_event_areas=frozenset(_names(given.get("FULL_EVENT_AREAS", ""))),
            sns_topic_arn=given.get("SNSTOPICARN"),
            stream_endpoint_id=given.get("DYNAMODBSTREAMENDPOINTID"),
            packages_path=join(given.get("EFSMOUNTPOINT", ""), given.get("PYTHONPACKAGESPATH", "")) or None,
            allowed_packages=_names(given.get("ALLOWED_PACKAGES", "")),
            tasks_function=given.get("TASKS_FUNCTION", usual.tasks_function),
            worker_arn=given.get("WORKER_ARN"),
            worker_alias=given.get("WORKER_ALIAS"),
            mapped_workers=_names(given.get("WORKER_ARN_MAP", "")),
            other_workers=_names(given.get("OTHER_WORKER_ARNS", "")),
            isolated_worker_arn=given.get("ISOLATED_WORKER_ARN"),
            registry_refresh_seconds=_seconds(
                given, "REGISTRY_REFRESH_SECONDS", usual.registry_refresh_seconds
            ),
            registry_ttl_seconds=_seconds(given, "REGISTRY_TTL_SECONDS", usual.registry_ttl_seconds),
            registry_in_redis="REDIS_WORKER_USERNAME" in given,
            rate_limit_instances=_number(given, "RATE_LIMIT_INSTANCES", usual.rate_limit_instances, 1000)
            or 1,
            takes_gzip=given.get("TAKES_GZIP", "").lower() == "true",
            cache=CacheSettings.from_environment(given),
            ledger_secret=given.get("LEDGER_SECRET"),
            key_pepper=given.get("KEY_PEPPER"),
            payload_bucket=given.get("PAYLOAD_BUCKET"),
            dead_letter_queue_url=given.get("DEAD_LETTER_QUEUE_URL"),
            worker_timeout_seconds=_seconds(given, "WORKER_TIMEOUT", usual.worker_timeout_seconds),
            websocket_management_url=given.get("WEBSOCKET_MANAGEMENT_URL"),
            broadcaster=given.get("BROADCASTER"),
        )


def _redis_url(text: str) -> dict[str, str]:
    """Return the variables that a URL stands for."""
    from urllib.parse import unquote, urlsplit  # few have a URL

    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _wrong("REDIS_URL", "redis://host:port", "a host or port that is none") from None
    if url.scheme not in ("redis", "rediss") or not url.hostname:
        raise _wrong("REDIS_URL", "redis://host or rediss://host", f"{url.scheme}://…")
    found = {
        "REDIS_HOST": url.hostname,
        "REDIS_PORT": str(port or ""),
        "REDIS_USERNAME": unquote(url.username or ""),
        "REDIS_PASSWORD": unquote(url.password or ""),
        "REDIS_DB": url.path.strip("/"),
        "REDIS_TLS": "true" if url.scheme == "rediss" else "",
    }
    return {name: value for name, value in found.items() if value}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _log_level(text: str) -> int:
    """Take ``INFO`` and the predecessor's ``logging.INFO`` alike."""
    level = logging.getLevelNamesMapping().get(text.rpartition(".")[2].upper())
    if level is None:
        raise _wrong("LOGGINGLEVEL", "a level of Python's logging such as INFO", text)
    return level


def _seconds(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise _wrong(name, "seconds from 0 to 86400", text)
    return seconds


def _number(given: Mapping[str, str], name: str, default: int, largest: int = 65_535) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isdecimal() and int(text) <= largest):
        raise _wrong(name, f"a whole number from 0 to {largest}", text)
    return int(text)


def _wrong(name: str, expected: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        "The service is misconfigured", detail=f"{name}: expected {expected}, found {found!r}"
    )


def require[T](value: T | None, variable: str) -> T:
    """Return a setting that only some deployments have.

    Raises:
        ConfigurationError: this one has it not; ``detail`` names the variable.

    """
    if value is None:
        raise ConfigurationError("The service is misconfigured", detail=f"{variable} is not set")
    return value
