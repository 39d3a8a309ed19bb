"""The environment of a Lambda, read once into a frozen object; no other module reads ``os.environ``."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import join

from silvaengine.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Settings:
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
    registry_refresh_seconds: float = 5.0
    registry_ttl_seconds: float = 600.0
    ledger_secret: str | None = None
    payload_bucket: str | None = None
    dead_letter_queue_url: str | None = None
    worker_timeout_seconds: float = 300.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; an empty variable counts as absent.

        Raises:
            ConfigurationError: a value isn't what its variable takes; ``detail`` names it.
        """
        given = {name: value for name, value in environ.items() if value}
        return cls(
            region=given.get("REGIONNAME") or given.get("AWS_REGION") or cls.region,
            stage=given.get("STAGE", cls.stage),
            table_prefix=given.get("TABLE_PREFIX", cls.table_prefix),
            log_level=_log_level(given.get("LOGGINGLEVEL", "INFO")),
            full_event_areas=frozenset(_names(given.get("FULL_EVENT_AREAS", ""))),
            sns_topic_arn=given.get("SNSTOPICARN"),
            stream_endpoint_id=given.get("DYNAMODBSTREAMENDPOINTID"),
            packages_path=join(given.get("EFSMOUNTPOINT", ""), given.get("PYTHONPACKAGESPATH", "")) or None,
            allowed_packages=_names(given.get("ALLOWED_PACKAGES", "")),
            registry_refresh_seconds=_seconds(
                given, "REGISTRY_REFRESH_SECONDS", cls.registry_refresh_seconds
            ),
            registry_ttl_seconds=_seconds(given, "REGISTRY_TTL_SECONDS", cls.registry_ttl_seconds),
            ledger_secret=given.get("LEDGER_SECRET"),
            payload_bucket=given.get("PAYLOAD_BUCKET"),
            dead_letter_queue_url=given.get("DEAD_LETTER_QUEUE_URL"),
            worker_timeout_seconds=_seconds(given, "WORKER_TIMEOUT", cls.worker_timeout_seconds),
        )


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


def _wrong(name: str, expected: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        "The service is misconfigured", detail=f"{name}: expected {expected}, found {found!r}"
    )
