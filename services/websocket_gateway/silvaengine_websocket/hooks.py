"""The operator's functions ``on_connect(event, context)`` and ``on_message(event, context)``.

An endpoint's gateway settings name them as ``module:function``. Like authorizers they are trusted code, and
only what the artefact holds of these is imported.
"""

import logging
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError, RequestError, SilvaEngineError
from silvaengine.registry.model import KeyAccess
from silvaengine_websocket.event import Members

_logger = logging.getLogger(__name__)


class SocketHooks(NamedTuple):
    """Calls the hooks of endpoints.

    Args:
        shipped: returns the names of the packages and modules that may be imported.

    """

    shipped: Callable[[], Collection[str]]

    def call(self, name: str, key_access: KeyAccess, event: Members, context: object) -> None:
        """Call an endpoint's hook, if its settings name one; what it gives is ignored.

        Args:
            name: ``on_connect`` or ``on_message``.
            key_access: has the settings.
            event: API Gateway's.
            context: Lambda's.

        Raises:
            RequestError: the hook raised, which refuses the event: its own words if it is one, else 403.
            ConfigurationError: there is no such function.

        """
        named = key_access.settings.get(name)
        if named is None:
            return
        hook = self._find(name, named)
        try:
            hook(event, context)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:
            # Whatever goes wrong in it, the event is refused.
            _logger.exception("The hook %s failed", name)
            message = error.message if isinstance(error, SilvaEngineError) else "Refused"
            raise RequestError(message, status=403) from error

    def _find(self, name: str, named: Any) -> Callable[[Members, object], Any]:  # noqa: ANN401 - a setting
        from importlib import import_module  # few endpoints have hooks

        module_name, _, function_name = str(named).partition(":")
        if module_name.partition(".")[0] not in self.shipped():
            raise _misconfigured(f"{name}: {module_name!r} is not among the packages of authorizers/")
        try:
            hook = getattr(import_module(module_name), function_name)
        except (ImportError, SyntaxError, AttributeError) as error:
            raise _misconfigured(f"{name}: {named!r}: {type(error).__name__}: {error}") from error
        if not callable(hook):
            raise _misconfigured(f"{name}: {named!r} is no function")
        found: Callable[[Members, object], Any] = hook
        return found


def _misconfigured(detail: str) -> ConfigurationError:
    return ConfigurationError("The service is misconfigured", detail=detail)
