"""Objects of users' classes, made from settings and reused only where nothing can leak.

An object may keep whatever it likes: its settings, a connection, the customer whom it served last. So one
is reused only for the same class, the same setting text **and the same endpoint**: two tenants with equal
settings (often the function's defaults) would otherwise share an object, and with it all that it remembers.
Settings are parsed anew for each object, so that changing them in one is seen by no other. A call that
doesn't name its tenant gets an object of its own, as from the predecessor.
"""

import logging
from collections.abc import Callable
from typing import Any

from silvaengine.errors import ConfigurationError, FunctionError
from silvaengine.protocol.json_codec import standard_decoder
from silvaengine_worker.loader import Constructor
from silvaengine_worker.parameters import Parameters

_decode = standard_decoder()

type Key = tuple[type, str, str]
"""The class, the endpoint, the setting text."""


class Instances:
    """The least recently used are given up beyond ``limit``.

    An object is lent to one call at a time. It comes back when the call ended as its function meant it,
    with a result or a ``FunctionError``; after any other end (an alarm in the middle of it) its state isn't
    known, and the next call gets a new one. So it does when the call changed the environment, which is put
    back: the object may count on what its constructor put there.
    """

    def __init__(self, limit: int = 128) -> None:
        self._limit = limit
        self._kept: dict[Key, object] = {}

    def checkout(
        self, key: Key | None, construct: Callable[[], object], untouched: Callable[[], bool]
    ) -> "Lease":
        """Lend the kept object or a new one for a block; with no key, or not ``untouched``, it isn't kept."""
        instance = self._kept.pop(key) if key in self._kept else construct()
        return Lease(self, key, instance, untouched)

    def keep(self, key: Key, instance: object) -> None:
        """Take an object back."""
        self._kept[key] = instance
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]


class Lease:
    """An object that is lent; a class, since a generator's context manager takes three times as long."""

    __slots__ = ("_instance", "_instances", "_key", "_untouched")

    def __init__(
        self, instances: Instances, key: Key | None, instance: object, untouched: Callable[[], bool]
    ) -> None:
        self._instances = instances
        self._key = key
        self._instance = instance
        self._untouched = untouched

    def __enter__(self) -> object:
        """Return the object."""
        return self._instance

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Return it back."""
        as_meant = error is None or isinstance(error, FunctionError)
        if self._key is not None and as_meant and self._untouched():
            self._instances.keep(self._key, self._instance)


def read_settings(text: str) -> dict[str, Any]:
    """Parse a setting text into an object of its own.

    Raises:
        ConfigurationError: the text isn't a JSON object.
    """
    try:
        settings = _decode(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ConfigurationError("The function is misconfigured", detail="its setting isn't a JSON object")
    return settings


def construct(constructor: Constructor, setting: str, logger: logging.Logger) -> object:
    """Make an object: ``cls(logger, **settings)``, the logger only if it is taken.

    It is taken by a parameter named ``logger``, by ``*args``, or in the predecessor's form
    ``(self, log, **setting)`` by the first, whatever its name; any other name stands for a setting.

    Raises:
        ConfigurationError: settings and constructor don't fit; ``detail`` names the setting.

    """
    owner, parameters = constructor.owner, constructor.parameters
    settings = read_settings(setting)
    if "logger" in settings:
        raise _misfit(owner, "can't have the setting 'logger', which is the worker's")
    if taker := _logger_taker(parameters, settings):
        settings[taker] = logger
    if (unknown := parameters.unknown(settings)) is not None:
        raise _misfit(owner, f"takes no setting {unknown!r}")
    if (missing := parameters.missing(settings)) is not None:
        raise _misfit(owner, f"requires the setting {missing!r}")
    if parameters.variadic and not parameters.names:
        return owner(logger, **settings)
    return parameters.call(owner, settings)


def _logger_taker(parameters: Parameters, settings: dict[str, Any]) -> str | None:
    if "logger" in parameters.names:
        return "logger"
    first = parameters.required[0] if parameters.accepts_any and parameters.required else None
    return None if first in settings else first


def _misfit(owner: type, what: str) -> ConfigurationError:
    return ConfigurationError("The function is misconfigured", detail=f"{owner.__qualname__} {what}")
