"""The rules for a function's executions, from its registry row."""

from collections.abc import Mapping
from typing import Any, Literal

from silvaengine.errors import ConfigurationError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import OnLost

MAX_ATTEMPTS = 20
_DAY = 86_400  # seconds


class ExecutionPolicy(NamedTuple):
    """A function's rules for its executions: members of ``config`` in its registry row.

    Without ``on_lost`` it is ``fail`` for a call with an idempotency key and ``retry`` for others.
    ``keep_seconds`` is how long a result, and with it an idempotency key, is kept; ``backoff_seconds`` the
    pause after the first failure, doubled after each further one.
    """

    on_lost: OnLost | None = None
    max_attempts: int = 3
    idempotency: Literal["optional", "required"] = "optional"
    keep_seconds: int = _DAY
    backoff_seconds: int = 10

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ExecutionPolicy":
        """Read a function's config; an absent member has its default.

        Raises:
            ConfigurationError: a member has a wrong value; ``detail`` names it.
        """
        default = cls()
        return cls(
            on_lost=_one_of(config, "on_lost", ("fail", "retry")),
            max_attempts=_number(config, "max_attempts", 1, MAX_ATTEMPTS, default.max_attempts),
            idempotency=_one_of(config, "idempotency", ("optional", "required")) or default.idempotency,
            keep_seconds=_number(config, "keep_seconds", 60, 30 * _DAY, default.keep_seconds),
            backoff_seconds=_number(config, "backoff_seconds", 1, 3600, default.backoff_seconds),
        )


def _one_of[Choice: str](config: Mapping[str, Any], name: str, choices: tuple[Choice, ...]) -> Choice | None:
    value = config.get(name)
    if value is None:
        return None
    for choice in choices:
        if value == choice:
            return choice
    raise _invalid(name, " or ".join(choices), value)


def _number(config: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    value = config.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise _invalid(name, f"a whole number from {least} to {most}", value)
    return value


def _invalid(name: str, expected: str, found: object) -> ConfigurationError:
    detail = f"config.{name}: expected {expected}, found {found!r}"
    return ConfigurationError("The function is misconfigured", detail=detail)
