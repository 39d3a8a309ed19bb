"""Instances of functions' classes, created from settings and reused only where nothing can leak.

An object may keep anything: its settings, a connection, the customer it served last. So one is reused only
for the same class, the same setting text **and the same endpoint**: two tenants with equal settings (often
the function's defaults) would otherwise share an object and all that it keeps. Settings are parsed again for
each object, so that a change of them stays in it. A call without a tenant, as the predecessor's callers send
it, gets an object of its own.
"""

import logging
from collections.abc import Callable
from typing import Any

from silvaengine.errors import ConfigurationError, FunctionError
from silvaengine_worker.arguments import Parameters
from silvaengine_worker.loader import Constructor

type InstanceKey = tuple[type, str, str]
"""The class, the endpoint, the setting text."""


class Instances:
    """The objects that may be reused; the least recently used are dropped beyond ``limit``.

    An object serves one call at a time. It is kept when its call ended as the function meant it, with a
    result or a ``FunctionError``; after any other end (an alarm in the middle of it) its state is unknown,
    and the next call gets a new one. The same after a call that changed the environment, which is restored:
    the object may rely on what its constructor put there.
    """

    def __init__(self, limit: int = 128) -> None:
        self._limit = limit
        self._kept: dict[InstanceKey, object] = {}

    def use[T](
        self,
        key: InstanceKey | None,
        create: Callable[[], object],
        run: Callable[[object], T],
        may_keep: Callable[[], bool],
    ) -> T:
        """Run with the kept or a new object, which is kept afterwards if it has a key and ``may_keep``."""
        instance = self._kept.pop(key) if key in self._kept else create()
        try:
            result = run(instance)
        except FunctionError:
            self._keep(key, instance, may_keep)
            raise
        self._keep(key, instance, may_keep)
        return result

    def _keep(self, key: InstanceKey | None, instance: object, may_keep: Callable[[], bool]) -> None:
        if key is None or not may_keep():
            return
        self._kept[key] = instance
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]


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
