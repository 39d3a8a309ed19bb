"""The operator's functions ``on_connect(event, context)`` and ``on_message(event, context)``.

An endpoint's gateway settings name them as ``module:function``. Like authorizers they are trusted code, and
only the artefact's own modules are imported.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from silvaengine.authorization.events import Members
from silvaengine.errors import ConfigurationError, RequestError, SilvaEngineError
from silvaengine.registry.model import KeyAccess

if TYPE_CHECKING:
    from silvaengine.authorization.authorization import Authorization

type Hook = Callable[[Members, object], object]

_logger = logging.getLogger(__name__)


class SocketHooks:
    """The hooks of all endpoints.

    Args:
        open_authorization: returns the authorizers, in whose packages the hooks are.

    """

    def __init__(self, open_authorization: "Callable[[], Authorization]") -> None:
        self._open_authorization = open_authorization

    def call(self, name: str, key_access: KeyAccess, event: Members, context: object) -> None:
        """Call an endpoint's hook, if its settings name one; what it returns is ignored.

        Args:
            name: ``on_connect`` or ``on_message``.
            key_access: has the settings.
            event: API Gateway's event.
            context: Lambda's context.

        Raises:
            RequestError: the hook raised: a RequestError is passed on, anything else is a 403.
            ConfigurationError: there is no such hook.

        """
        path = key_access.settings.get(name)
        if path is None:
            return
        hook = self._find(name, str(path))
        try:
            hook(event, context)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:  # however a hook fails, the event is refused
            _logger.exception("The hook %s failed", name)
            message = error.message if isinstance(error, SilvaEngineError) else "A hook refused the request"
            raise RequestError(message, status=403) from error

    def _find(self, name: str, path: str) -> Hook:
        from importlib import import_module  # lazy: only an endpoint with hooks needs it

        module_name, _, function_name = path.partition(":")
        if module_name.partition(".")[0] not in self._open_authorization().packages.shipped:
            raise _misconfigured(f"{name}: {module_name!r} is not among the packages of authorizers/")
        try:
            hook = getattr(import_module(module_name), function_name)
        except (ImportError, SyntaxError, AttributeError) as error:
            raise _misconfigured(f"{name}: {path!r}: {type(error).__name__}: {error}") from error
        if not callable(hook):
            raise _misconfigured(f"{name}: {path!r} is not callable")
        return cast("Hook", hook)


def _misconfigured(detail: str) -> ConfigurationError:
    return ConfigurationError("The service is misconfigured", detail=detail)
