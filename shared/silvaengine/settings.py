"""The deployment's settings: environment variables, read once into frozen objects.

What a module needs of the environment it takes from here. The environment itself is for two readers: AWS's
clients look up credentials and trace ids (``ENVIRONMENT``), which the runtime changes, and the worker undoes
what functions change in it (``silvaengine_worker.process_state``). What is kept for later calls, such as a
client's endpoint, may be made during a call, so that it comes from ``fixed_environment``.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from posixpath import join
from threading import Lock
from typing import Any

from silvaengine.errors import ConfigurationError
from silvaengine.named_tuple import NamedTuple

ENVIRONMENT: Mapping[str, str] = os.environ
"""The live environment."""

MEMORY_MB = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0)
"""This Lambda's memory, 0 outside of one: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""

_fixed: dict[str, str] = {}
_replacement = Lock()


def fix_environment() -> None:
    """Let nothing that a function sets in the environment reach what is kept: called before the first one."""
    _fixed.update(os.environ)


def fixed_environment() -> Mapping[str, str]:
    """Return the environment as it was fixed, and the live one where no functions run."""
    return _fixed or ENVIRONMENT


@contextmanager
def in_fixed_environment() -> Iterator[None]:
    """Replace the environment by the fixed one, for a library that reads it to make something that is kept.

    Afterwards it is as before; other threads see the fixed one until then.
    """
    with _replacement:
        before = dict(os.environ)
        _replace_environment(_fixed or before)
        try:
            yield
        finally:
            _replace_environment(before)


def _replace_environment(variables: Mapping[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


MEBIBYTE = 1_048_576
KEPT_BYTES = (MEMORY_MB or 256) * MEBIBYTE // 4
"""What an instance keeps by default of rows, or of functions' objects: a quarter of its memory."""
PACKAGE_MARK = "-pkg-"  # in the name of a package's Lambda, between the stack's and the package's


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
        raise _misconfigured(variable, "a Python logging level such as INFO", text)
    return level


def _decimal(variable: str, text: str, largest: int = 1, unit: str = "a number") -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= largest:
        raise _misconfigured(variable, f"{unit} from 0 to {largest}", text)
    return number


def _seconds(variable: str, text: str) -> float:
    return _decimal(variable, text, 86_400, "seconds")


def _number(variable: str, text: str, largest: int = 65_535) -> int:
    if not (text.isdecimal() and int(text) <= largest):
        raise _misconfigured(variable, f"a whole number from 0 to {largest}", text)
    return int(text)


def _instances(variable: str, text: str) -> int:
    return _number(variable, text, 1000) or 1


def _mebibytes(variable: str, text: str) -> int:
    return _number(variable, text, 10_240) * MEBIBYTE


def _share_of_memory(variable: str, text: str) -> int:
    return _mebibytes(variable, text) or KEPT_BYTES


def _folder(_variable: str, text: str) -> str | None:
    return None if text == "none" else text


def _text(_variable: str, text: str) -> str:
    return text


type _Variables = Mapping[str, tuple[str, Callable[[str, str], object]]]
"""The variable of a field, and the parser that gets its name and its text."""


def _read(variables: _Variables, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the variables that are set; raises ConfigurationError."""
    return {
        field: parse(variable, environ[variable])
        for field, (variable, parse) in variables.items()
        if variable in environ
    }


_REDIS_VARIABLES: _Variables = {
    "host": ("REDIS_HOST", _text),
    "port": ("REDIS_PORT", _number),
    "database": ("REDIS_DB", _number),
    "username": ("REDIS_USERNAME", _text),
    "password": ("REDIS_PASSWORD", _text),
    "tls": ("REDIS_TLS", _is_true),
    "cluster": ("REDIS_CLUSTER", _is_true),
    "region": ("AWS_REGION", _text),
}


class RedisSettings(NamedTuple):
    """The address of the shared cache; a cluster has no database but 0.

    ``password`` may refer to a secret, as settings do: ``secretsmanager:name``.
    """

    host: str
    port: int = 6379
    database: int = 0
    databases: tuple[tuple[str, int], ...] = ()  # by cache name in capitals; settings are keys of caches
    username: str | None = None
    password: str | None = None
    tls: bool = False
    cluster: bool = False
    region: str = "us-east-1"

    def __repr__(self) -> str:
        """Return text without user and password."""
        return f"RedisSettings({self.host!r}, {self.port})"

    def database_of(self, cache_name: str) -> int:
        """Return the number of a cache's database (``REDIS_DB_{CACHE_NAME}``)."""
        variable = cache_name.upper().replace("-", "_").replace(".", "_")
        return dict(self.databases).get(variable, self.database)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "RedisSettings | None":
        """Return the settings, None without a host; raises ConfigurationError."""
        if "REDIS_URL" in environ:
            environ = {**environ, **_redis_url(environ["REDIS_URL"])}
        if "REDIS_HOST" not in environ:
            return None
        prefix = "REDIS_DB_"
        databases = tuple(
            (variable.removeprefix(prefix), _number(variable, text))
            for variable, text in environ.items()
            if variable.startswith(prefix)
        )
        return cls(databases=databases, **_read(_REDIS_VARIABLES, environ))


_CACHE_VARIABLES: _Variables = {
    "folder": ("CACHE_DIR", _folder),
    "memory_bytes": ("CACHE_MEMORY_MB", _mebibytes),
    "disk_bytes": ("CACHE_DISK_MB", _mebibytes),
    "fence_seconds": ("CACHE_FENCE_SECONDS", _seconds),
}


class CacheSettings(NamedTuple):
    """What the hybrid cache may use.

    ``folder`` is None for no disk. ``fence_seconds`` is the time between two reads of the table of
    generations, None without that table.
    """

    redis: RedisSettings | None = None
    folder: str | None = "/tmp/silvaengine_cache"  # noqa: S108 - Lambda has no other; the folder is closed to others
    memory_bytes: int = 32 * MEBIBYTE
    disk_bytes: int = 128 * MEBIBYTE
    fence_seconds: float | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "CacheSettings":
        """Return the cache's settings; raises ConfigurationError."""
        return cls(redis=RedisSettings.from_environment(environ), **_read(_CACHE_VARIABLES, environ))


_VARIABLES: _Variables = {
    "region": ("AWS_REGION", _text),
    "stage": ("STAGE", _text),
    "stack_name": ("STACK_NAME", _text),
    "table_prefix": ("TABLE_PREFIX", _text),
    "log_level": ("LOGGINGLEVEL", _log_level),
    "log_sample": ("LOG_SAMPLE", _decimal),
    "full_event_areas": ("FULL_EVENT_AREAS", _name_set),
    "sns_topic_arn": ("SNSTOPICARN", _text),
    "stream_endpoint_id": ("DYNAMODBSTREAMENDPOINTID", _text),
    "allowed_packages": ("ALLOWED_PACKAGES", _names),
    "tasks_function": ("TASKS_FUNCTION", _text),
    "events_by_name": ("EVENTS_BY_NAME", _is_set),
    "checks_results": ("CHECK_RESULTS", _is_set),
    "announces_rows": ("REGISTRY_STREAMS", _is_set),
    "worker_arn": ("WORKER_ARN", _text),
    "worker_alias": ("WORKER_ALIAS", _text),
    "mapped_workers": ("WORKER_ARN_MAP", _names),
    "other_workers": ("OTHER_WORKER_ARNS", _names),
    "isolated_worker_arn": ("ISOLATED_WORKER_ARN", _text),
    "registry_refresh_seconds": ("REGISTRY_REFRESH_SECONDS", _seconds),
    "registry_ttl_seconds": ("REGISTRY_TTL_SECONDS", _seconds),
    "registry_in_redis": ("REDIS_WORKER_USERNAME", _is_set),
    "kept_bytes": ("KEPT_MEMORY_MB", _share_of_memory),
    "rate_limit_instances": ("RATE_LIMIT_INSTANCES", _instances),
    "takes_gzip": ("TAKES_GZIP", _is_true),
    "ledger_secret": ("LEDGER_SECRET", _text),
    "key_pepper": ("KEY_PEPPER", _text),
    "payload_bucket": ("PAYLOAD_BUCKET", _text),
    "dead_letter_queue_url": ("DEAD_LETTER_QUEUE_URL", _text),
    "worker_timeout_seconds": ("WORKER_TIMEOUT", _seconds),
    "websocket_management_url": ("WEBSOCKET_MANAGEMENT_URL", _text),
    "broadcaster": ("BROADCASTER", _text),
}


class Settings(NamedTuple):
    """What the deployment decides; docs/contract.md describes the variables."""

    region: str = "us-east-1"
    stage: str = "beta"
    stack_name: str | None = None
    table_prefix: str = "se-"
    log_level: int = logging.INFO
    log_sample: float = 1.0
    full_event_areas: frozenset[str] = frozenset()
    sns_topic_arn: str | None = None
    stream_endpoint_id: str | None = None
    packages_path: str | None = None
    allowed_packages: tuple[str, ...] = ()
    tasks_function: str = "silvaengine_agenttask"
    events_by_name: bool = False
    announces_rows: bool = False
    checks_results: bool = False
    worker_arn: str | None = None
    worker_alias: str | None = None
    mapped_workers: tuple[str, ...] = ()
    other_workers: tuple[str, ...] = ()
    isolated_worker_arn: str | None = None
    registry_refresh_seconds: float = 5.0
    registry_ttl_seconds: float = 600.0
    registry_in_redis: bool = False
    kept_bytes: int = KEPT_BYTES
    rate_limit_instances: int = 4
    takes_gzip: bool = False
    ledger_secret: str | None = None
    key_pepper: str | None = None
    payload_bucket: str | None = None
    dead_letter_queue_url: str | None = None
    worker_timeout_seconds: float = 300.0
    websocket_management_url: str | None = None
    broadcaster: str | None = None
    cache: CacheSettings = CacheSettings()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Return the settings, by default of the fixed environment; an empty variable counts as absent.

        Raises:
            ConfigurationError: a variable has a value that it can't have; ``detail`` names it.
        """
        environ = fixed_environment() if environ is None else environ
        present = {variable: text for variable, text in environ.items() if text}
        if "REGIONNAME" in present:  # the predecessor's variable
            present["AWS_REGION"] = present["REGIONNAME"]
        packages_path = join(present.get("EFSMOUNTPOINT", ""), present.get("PYTHONPACKAGESPATH", ""))
        cache = CacheSettings.from_environment(present)
        return cls(packages_path=packages_path or None, cache=cache, **_read(_VARIABLES, present))

    @property
    def package_prefix(self) -> str | None:
        """The beginning of the ARNs of published packages' Lambdas; None without the stack's worker."""
        return package_prefix(self.worker_arn or "")


def package_prefix(worker_arn: str) -> str | None:
    """Return the beginning of the ARNs of packages' Lambdas beside a stack's worker; None for another."""
    stack = worker_arn.removesuffix("-Worker")
    return stack + PACKAGE_MARK if stack != worker_arn else None


def _redis_url(text: str) -> dict[str, str]:
    """Return the variables that a URL stands for."""
    from urllib.parse import unquote, urlsplit  # lazy: only a Redis URL needs it

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
