"""What a function's registry row says about its executions."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from silvaengine.errors import ConfigurationError
from silvaengine.ledger.execution import DAY
from silvaengine.protocol.messages import OnLost

MAX_ATTEMPTS = 20


class ExecutionPolicy(NamedTuple):
    """How a function's executions are treated; the members of ``config`` in its registry row.

    ``on_lost`` is None where the caller's way decides: ``fail`` with an idempotency key, ``retry`` without.
    ``keep_seconds`` is how long a result, and with it an idempotency key, is kept; ``backoff_seconds`` the
    pause after the first failure, doubled after each further one.
    """

    on_lost: OnLost | None = None
    max_attempts: int = 3
    idempotency: Literal["optional", "required"] = "optional"
    keep_seconds: int = DAY
    backoff_seconds: int = 10

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ExecutionPolicy":
        """Read a function's config; what is absent has its default.

        Raises:
            ConfigurationError: a member isn't what it may be; ``detail`` names it.
        """
        usual = cls()
        return cls(
            on_lost=_one_of(config, "on_lost", ("fail", "retry")),
            max_attempts=_number(config, "max_attempts", 1, MAX_ATTEMPTS, usual.max_attempts),
            idempotency=_one_of(config, "idempotency", ("optional", "required")) or usual.idempotency,
            keep_seconds=_number(config, "keep_seconds", 60, 30 * DAY, usual.keep_seconds),
            backoff_seconds=_number(config, "backoff_seconds", 1, 3600, usual.backoff_seconds),
        )


def _one_of(config: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> Any:  # noqa: ANN401 - one of them
    value = config.get(name)
    if value is not None and value not in allowed:
        raise _wrong(name, " or ".join(allowed), value)
    return value


def _number(config: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    value = config.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least} to {most}", value)
    return value


def _wrong(name: str, expected: str, found: object) -> ConfigurationError:
    detail = f"config.{name}: expected {expected}, found {found!r}"
    return ConfigurationError("The function is misconfigured", detail=detail)
