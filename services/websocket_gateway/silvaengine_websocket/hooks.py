"""The operator's functions ``on_connect(event, context)`` and ``on_message(event, context)``.

An endpoint's gateway settings name them as ``module:function``. Like authorizers they are trusted code, and
only the artefact's own modules are imported.
"""

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, cast

from silvaengine.authorization.events import Members
from silvaengine.aws.errors import misconfigured
from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.registry.model import KeyAccess

if TYPE_CHECKING:
    from silvaengine.authorization.authorization import Authorization

type Hook = Callable[[Members, object], object]

_logger = logging.getLogger(__name__)


def call_hook(
    name: str,
    key_access: KeyAccess,
    open_authorization: "Callable[[], Authorization]",
    event: Members,
    context: object,
) -> None:
    """Call an endpoint's ``on_connect`` or ``on_message``, if its settings name one.

    Raises:
        RequestError: the hook raised: a RequestError is passed on, anything else is a 403.
        ConfigurationError: there is no such hook.

    """
    path = key_access.settings.get(name)
    if path is None:
        return
    hook = _find(name, str(path), open_authorization().packages.shipped)
    try:
        hook(event, context)
    except RequestError:
        raise
    except (Exception, SystemExit) as error:  # however a hook fails, the event is refused
        _logger.exception("The hook %s failed", name)
        message = error.message if isinstance(error, SilvaEngineError) else "A hook refused the request"
        raise RequestError(message, status=403) from error


def _find(name: str, path: str, shipped: Collection[str]) -> Hook:
    from importlib import import_module  # lazy: only an endpoint with hooks needs it

    module_name, _, function_name = path.partition(":")
    if module_name.partition(".")[0] not in shipped:
        raise misconfigured(f"{name}: {module_name!r} is not among the packages of authorizers/")
    try:
        hook = getattr(import_module(module_name), function_name)
    except (ImportError, SyntaxError, AttributeError) as error:
        raise misconfigured(f"{name}: {path!r}: {type(error).__name__}: {error}") from error
    if not callable(hook):
        raise misconfigured(f"{name}: {path!r} is not callable")
    return cast("Hook", hook)
