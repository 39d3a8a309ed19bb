"""Classes, constructed in every way."""

import logging
import os
from dataclasses import dataclass
from enum import Enum
from typing import Any

from silvaengine_base import FunctionError


class Service:
    """Written as the predecessor's packages are."""

    made = 0

    def __init__(self, logger: logging.Logger, **setting: Any) -> None:
        type(self).made += 1
        self.logger = logger
        self.setting = setting
        self.seen: list[str] = []

    def tell(self, **params: Any) -> dict[str, Any]:
        """Return the settings, and every tenant that this object has served."""
        self.seen.append(params.get("endpoint_id", ""))
        return {"setting": self.setting, "seen": self.seen, "logger": self.logger.name}

    def spoil(self, key: str) -> None:
        """Change the settings in place."""
        self.setting["nested"][key] = "spoiled"

    def fail(self) -> None:
        """Fail with a FunctionError."""
        raise FunctionError("no", status_code=404)

    def crash(self) -> None:
        """Fail with another exception."""
        raise ValueError("broken")

    @staticmethod
    def still(a: str) -> str:
        """Need no object."""
        return a

    @classmethod
    def name(cls) -> str:
        """Need the class only."""
        return cls.__name__

    @classmethod
    def family(cls, **params: Any) -> list[str]:
        """Need the class only, and take any name."""
        return [cls.__name__, *params]

    @property
    def secret(self) -> str:
        """Be no function."""
        return "secret"

    class Inner:
        """Be no function either."""

    def _private(self) -> None:
        """Stay inside."""


class Derived(Service):
    """Inherits everything."""


class Keyed:
    """Hands its key to a library by the environment, as many do."""

    def __init__(self, key: str) -> None:
        os.environ["SAMPLE_KEY"] = key  # noqa: TID251 - as tenants' code does

    def tell(self) -> str | None:
        """Return the key that the library would take."""
        return os.environ.get("SAMPLE_KEY")  # noqa: TID251 - as tenants' code does


class Silent:
    """Takes no logger and two settings."""

    def __init__(self, table: str, *, limit: int = 5) -> None:
        self.table = table
        self.limit = limit

    def tell(self) -> list[Any]:
        """Return the settings."""
        return [self.table, self.limit]


class Loose:
    """Takes whatever comes, the logger first."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.logger = args[0]
        self.settings = settings

    def tell(self) -> list[Any]:
        """Return what came."""
        return [self.logger.name, self.settings]


class Terse:
    """Written as the predecessor's packages are, with another name for the logger."""

    def __init__(self, log: Any, **setting: Any) -> None:
        self.told = [getattr(log, "name", log), setting]

    def tell(self) -> list[Any]:
        """Return what came."""
        return self.told


class Bare:
    """Takes nothing."""

    def tell(self) -> str:
        """Return a text."""
        return "bare"


@dataclass
class Data:
    """Takes the logger by name, not first."""

    colour: str
    logger: logging.Logger

    def tell(self) -> list[str]:
        """Return the settings."""
        return [self.colour, self.logger.name]


class Odd(dict):  # type: ignore[type-arg]
    """Has a constructor whose signature Python can't tell."""

    def tell(self) -> str:
        """Return a text."""
        return "odd"


class Colour(Enum):
    """A class whose members are no functions."""

    RED = "red"
