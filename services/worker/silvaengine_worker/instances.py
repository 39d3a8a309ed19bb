"""Instances of functions' classes, created from settings and reused only where nothing can leak.

An object may keep anything: its settings, a connection, the customer it served last. So one is reused only
for the same class, the same setting text **and the same endpoint**: two tenants with equal settings (often
the function's defaults) would otherwise share an object and all that it keeps. Settings are parsed again for
each object, so that a change of them stays in it. A call without a tenant, as the predecessor's callers send
it, gets an object of its own.
"""

import logging
from typing import Any

from silvaengine.errors import ConfigurationError
from silvaengine.settings import KEPT_BYTES
from silvaengine.sizes import whole_size_of
from silvaengine_worker.arguments import Parameters
from silvaengine_worker.loader import Constructor

type InstanceKey = tuple[type, str, str]
"""The class, the endpoint, the setting text."""

type KeptInstance = tuple[object, int]
"""An object, and its size in bytes."""


class Instances:
    """The objects that may be reused: as many as ``limit``, and together no more than a number of bytes.

    The least recently used are dropped, but for the last one. What an object takes is measured after its
    first call, with its settings' text; ``made`` counts the objects that were made.

    An object serves one call at a time. It is kept when its call ended as the function meant it, with a
    result or a ``FunctionError``; after any other end (an alarm in the middle of it) its state is unknown,
    and the next call gets a new one. The same after a call that changed the environment, which is restored:
    the object may rely on what its constructor put there.
    """

    def __init__(self, limit: int = 128, kept_bytes: int = KEPT_BYTES) -> None:
        self.made = 0
        self._limit = limit
        self._bytes_left = kept_bytes
        self._kept: dict[InstanceKey, KeptInstance] = {}

    def take(self, key: InstanceKey | None) -> KeptInstance | None:
        """Return an object, which is kept no more; None where a new one has to be made."""
        if key is None or key not in self._kept:
            self.made += 1
            return None
        kept = self._kept.pop(key)
        self._bytes_left += kept[1]
        return kept

    def keep(self, key: InstanceKey, instance: object, size: int) -> None:
        """Keep an object; 0 is the size of one that is yet to be measured."""
        size = size or whole_size_of(instance, *key)
        self._kept[key] = (instance, size)
        self._bytes_left -= size
        while len(self._kept) > self._limit or (self._bytes_left < 0 and len(self._kept) > 1):
            _, dropped = self._kept.pop(next(iter(self._kept)))
            self._bytes_left += dropped


def construct(constructor: Constructor, settings: dict[str, Any], logger: logging.Logger) -> object:
    """Return a new object: ``cls(logger, **settings)``, the logger only if the constructor takes it.

    It is passed to a parameter named ``logger``, to ``*args``, or in the predecessor's form
    ``(self, log, **setting)`` to the first one, whatever its name; any other parameter is a setting.

    Raises:
        ConfigurationError: settings and constructor don't match; ``detail`` names the setting.

    """
    cls, parameters = constructor.cls, constructor.parameters
    if "logger" in settings:
        raise _mismatch(cls, "can't have the setting 'logger', which is reserved")
    if name := _logger_parameter(parameters, settings):
        settings[name] = logger
    if unknown := parameters.untaken(settings):
        raise _mismatch(cls, f"has no parameter for the setting {unknown[0]!r}")
    if (missing := parameters.missing(settings)) is not None:
        raise _mismatch(cls, f"requires the setting {missing!r}")
    if parameters.variadic and not parameters.names:
        return cls(logger, **settings)
    by_position, by_name = parameters.arrange(settings)
    return cls(*by_position, **by_name)


def _logger_parameter(parameters: Parameters, settings: dict[str, Any]) -> str | None:
    if "logger" in parameters.names:
        return "logger"
    first = parameters.required[0] if parameters.accepts_any and parameters.required else None
    return None if first in settings else first


def _mismatch(cls: type, reason: str) -> ConfigurationError:
    return ConfigurationError("The function is misconfigured", detail=f"{cls.__qualname__} {reason}")
