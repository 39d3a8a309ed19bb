"""The deployment's settings: environment variables, read once into frozen objects.

What a module needs of the environment it takes from here. The environment itself is for two readers: AWS's
clients look up credentials and trace ids (``ENVIRONMENT``), which the runtime changes, and the worker undoes
what functions change in it (``silvaengine_worker.process_state``).
"""

import logging
import os
from collections.abc import Mapping
from posixpath import join
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from silvaengine.errors import ConfigurationError

ENVIRONMENT: Mapping[str, str] = os.environ
"""The live environment."""

MEBIBYTE = 1_048_576


def _misconfigured(variable: str, expected: str, value: str) -> ConfigurationError:
    detail = f"{variable}: expected {expected}, found {value!r}"
    return ConfigurationError("The service is misconfigured", detail=detail)


def _is_true(_variable: str, text: str) -> bool:
    return text.lower() == "true"


def _is_set(_variable: str, _text: str) -> bool:
    return True


def _names(_variable: str, text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _name_set(variable: str, text: str) -> frozenset[str]:
    return frozenset(_names(variable, text))


def _log_level(variable: str, text: str) -> int:
    """Return the level of ``INFO``, or of ``logging.INFO`` as the predecessor wrote it."""
    level = logging.getLevelNamesMapping().get(text.rpartition(".")[2].upper())
    if level is None:
        raise _misconfigured(variable, "a level of Python's logging such as INFO", text)
    return level


def _seconds(variable: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise _misconfigured(variable, "seconds from 0 to 86400", text)
    return seconds


def _number(variable: str, text: str, largest: int = 65_535) -> int:
    if not (text.isdecimal() and int(text) <= largest):
        raise _misconfigured(variable, f"a whole number from 0 to {largest}", text)
    return int(text)


def _instances(variable: str, text: str) -> int:
    return _number(variable, text, 1000) or 1


def _mebibytes(variable: str, text: str) -> int:
    return _number(variable, text, 10_240) * MEBIBYTE


def _folder(_variable: str, text: str) -> str | None:
    return None if text == "none" else text


def _read(settings: type[tuple[object, ...]], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that are annotated with a variable that is set: its text, or what a parser returns.

    Raises:
        ConfigurationError: the parser doesn't accept the text.
    """
    fields = {}
    for name, annotation in settings.__annotations__.items():
        variable, *parsers = getattr(annotation, "__metadata__", ("",))
        if variable in environ:
            text = environ[variable]
            fields[name] = parsers[0](variable, text) if parsers else text
    return fields


class RedisSettings(NamedTuple):
    """The address of the shared cache; a cluster has no database but 0."""

    host: Annotated[str, "REDIS_HOST"]
    port: Annotated[int, "REDIS_PORT", _number] = 6379
    database: Annotated[int, "REDIS_DB", _number] = 0
    databases: Mapping[str, int] = MappingProxyType({})
    username: Annotated[str | None, "REDIS_USERNAME"] = None
    password: Annotated[str | None, "REDIS_PASSWORD"] = None
    tls: Annotated[bool, "REDIS_TLS", _is_true] = False
    cluster: Annotated[bool, "REDIS_CLUSTER", _is_true] = False

    def __repr__(self) -> str:
        """Return text without user and password."""
        return f"RedisSettings({self.host!r}, {self.port})"

    def database_of(self, cache_name: str) -> int:
        """Return the number of a cache's database (``REDIS_DB_{CACHE_NAME}``)."""
        return self.databases.get(cache_name.upper().replace("-", "_"), self.database)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "RedisSettings | None":
        """Return the settings, None without a host; raises ConfigurationError."""
        if "REDIS_URL" in environ:
            environ = {**environ, **_redis_url(environ["REDIS_URL"])}
        if "REDIS_HOST" not in environ:
            return None
        prefix = "REDIS_DB_"
        databases = {
            variable.removeprefix(prefix): _number(variable, text)
            for variable, text in environ.items()
            if variable.startswith(prefix)
        }
        return cls(databases=databases, **_read(cls, environ))


class CacheSettings(NamedTuple):
    """What the hybrid cache may use.

    ``folder`` is None for no disk. ``fence_seconds`` is the time between two reads of the table of
    generations, None without that table.
    """

    redis: RedisSettings | None = None
    folder: Annotated[str | None, "CACHE_DIR", _folder] = "/tmp/silvaengine_cache"  # noqa: S108 - Lambda has no other; the folder is closed to others
    memory_bytes: Annotated[int, "CACHE_MEMORY_MB", _mebibytes] = 32 * MEBIBYTE
    disk_bytes: Annotated[int, "CACHE_DISK_MB", _mebibytes] = 128 * MEBIBYTE
    fence_seconds: Annotated[float | None, "CACHE_FENCE_SECONDS", _seconds] = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "CacheSettings":
        """Return the cache's settings; raises ConfigurationError."""
        return cls(redis=RedisSettings.from_environment(environ), **_read(cls, environ))


class Settings(NamedTuple):
    """What the deployment decides, with the variable of each field; docs/contract.md describes them."""

    region: Annotated[str, "AWS_REGION"] = "us-east-1"
    stage: Annotated[str, "STAGE"] = "beta"
    table_prefix: Annotated[str, "TABLE_PREFIX"] = "se-"
    log_level: Annotated[int, "LOGGINGLEVEL", _log_level] = logging.INFO
    full_event_areas: Annotated[frozenset[str], "FULL_EVENT_AREAS", _name_set] = frozenset()
    sns_topic_arn: Annotated[str | None, "SNSTOPICARN"] = None
    stream_endpoint_id: Annotated[str | None, "DYNAMODBSTREAMENDPOINTID"] = None
    packages_path: str | None = None
    allowed_packages: Annotated[tuple[str, ...], "ALLOWED_PACKAGES", _names] = ()
    tasks_function: Annotated[str, "TASKS_FUNCTION"] = "silvaengine_agenttask"
    worker_arn: Annotated[str | None, "WORKER_ARN"] = None
    worker_alias: Annotated[str | None, "WORKER_ALIAS"] = None
    mapped_workers: Annotated[tuple[str, ...], "WORKER_ARN_MAP", _names] = ()
    other_workers: Annotated[tuple[str, ...], "OTHER_WORKER_ARNS", _names] = ()
    isolated_worker_arn: Annotated[str | None, "ISOLATED_WORKER_ARN"] = None
    registry_refresh_seconds: Annotated[float, "REGISTRY_REFRESH_SECONDS", _seconds] = 5.0
    registry_ttl_seconds: Annotated[float, "REGISTRY_TTL_SECONDS", _seconds] = 600.0
    registry_in_redis: Annotated[bool, "REDIS_WORKER_USERNAME", _is_set] = False
    rate_limit_instances: Annotated[int, "RATE_LIMIT_INSTANCES", _instances] = 4
    takes_gzip: Annotated[bool, "TAKES_GZIP", _is_true] = False
    ledger_secret: Annotated[str | None, "LEDGER_SECRET"] = None
    key_pepper: Annotated[str | None, "KEY_PEPPER"] = None
    payload_bucket: Annotated[str | None, "PAYLOAD_BUCKET"] = None
    dead_letter_queue_url: Annotated[str | None, "DEAD_LETTER_QUEUE_URL"] = None
    worker_timeout_seconds: Annotated[float, "WORKER_TIMEOUT", _seconds] = 300.0
    websocket_management_url: Annotated[str | None, "WEBSOCKET_MANAGEMENT_URL"] = None
    broadcaster: Annotated[str | None, "BROADCASTER"] = None
    cache: CacheSettings = CacheSettings()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Return the settings; an empty variable counts as absent.

        Raises:
            ConfigurationError: a variable has a value that it can't have; ``detail`` names it.
        """
        present = {variable: text for variable, text in environ.items() if text}
        if "REGIONNAME" in present:  # the predecessor's variable
            present["AWS_REGION"] = present["REGIONNAME"]
        packages_path = join(present.get("EFSMOUNTPOINT", ""), present.get("PYTHONPACKAGESPATH", ""))
        cache = CacheSettings.from_environment(present)
        return cls(packages_path=packages_path or None, cache=cache, **_read(cls, present))


def _redis_url(text: str) -> dict[str, str]:
    """Return the variables that a URL stands for."""
    from urllib.parse import unquote, urlsplit  # few deployments have a URL

    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _misconfigured("REDIS_URL", "redis://host:port", "an invalid host or port") from None
    if url.scheme not in ("redis", "rediss") or not url.hostname:
        raise _misconfigured("REDIS_URL", "redis://host or rediss://host", f"{url.scheme}://…")
    variables = {
        "REDIS_HOST": url.hostname,
        "REDIS_PORT": str(port or ""),
        "REDIS_USERNAME": unquote(url.username or ""),
        "REDIS_PASSWORD": unquote(url.password or ""),
        "REDIS_DB": url.path.strip("/"),
        "REDIS_TLS": "true" if url.scheme == "rediss" else "",
    }
    return {variable: value for variable, value in variables.items() if value}


def require[T](value: T | None, variable: str) -> T:
    """Return a setting that only some deployments have.

    Raises:
        ConfigurationError: this deployment doesn't have it; ``detail`` names the variable.
    """
    if value is None:
        raise ConfigurationError("The service is misconfigured", detail=f"{variable} is not set")
    return value
