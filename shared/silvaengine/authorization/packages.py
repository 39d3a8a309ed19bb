"""The operator's own authorizers: packages of `authorizers/`, which are built into the gateways' artefacts.

They are trusted code, in one of two forms: a class ``Authorizer(logger=…)`` with the methods
``authorize(event, context)`` and ``verify_permission(event, context)``, or a function
``authorizer(event, context, action)`` with these two names as actions. Only what was built in is imported,
whatever a setting names.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from silvaengine.authorization.model import AccessRequest, CallerIdentity, Members, denied, misconfigured
from silvaengine.authorization.package_answers import read_context, read_identity
from silvaengine.authorization.policies import method_arn
from silvaengine.errors import SilvaEngineError

MANIFEST = "silvaengine_authorizers.txt"
DEFAULT_MODULE = "silvaengine_authorizer"
MODULE_SETTING = "authorizer_module_name"
ACTIONS = ("authorize", "verify_permission")

_logger = logging.getLogger(__name__)

type Action = Callable[[dict[str, Any], object], object]


class Packages:
    """The packages that were built in.

    Args:
        shipped: names of the packages and modules that may be imported.
    """

    def __init__(self, shipped: Collection[str]) -> None:
        self.shipped = shipped

    @property
    def has_default(self) -> bool:
        """Return whether there is a package for endpoints whose settings name none."""
        return DEFAULT_MODULE in self.shipped

    def authorizer(self, settings: Mapping[str, Any]) -> "PackageAuthorizer":
        """Return the authorizer that an endpoint's settings name.

        Args:
            settings: ``authorizer_module_name``, ``silvaengine_authorizer`` when absent;
                ``authorizer_class_name``, ``Authorizer`` when absent, with
                ``authorizer_authorize_function_name`` and ``authorizer_verify_permission_function_name`` for
                other names of its methods; or ``authorizer_function_name`` for a function, by default
                ``authorizer`` if the module has no such class.

        Raises:
            ConfigurationError: the package, class or function doesn't exist; ``detail`` says which.
        """
        name = str(settings.get(MODULE_SETTING) or DEFAULT_MODULE)
        if name.partition(".")[0] not in self.shipped:
            raise misconfigured(f"{name!r} is not among the packages of authorizers/: {sorted(self.shipped)}")
        try:
            module = import_module(name)
        except (ImportError, SyntaxError) as error:
            raise misconfigured(f"{name}: {type(error).__name__}: {error}") from error
        return _package_authorizer(module, settings)


class PackageAuthorizer:
    """An operator's authorizer, in either form.

    Args:
        name: its module's.
        actions: returns the two actions for one request: each request gets a new object.
        cache_headers: the headers, by lower-case name, that alone decide what ``authorize`` answers; None if
            the authorizer doesn't say.
    """

    def __init__(
        self, name: str, actions: Callable[[], Mapping[str, Action]], cache_headers: tuple[str, ...] | None
    ) -> None:
        self._name = name
        self._actions = actions
        self._cache_headers = cache_headers

    def credential(self, request: AccessRequest) -> tuple[str, ...] | None:
        """Return the values of ``cache_headers``: their response may be cached."""
        if self._cache_headers is None:
            return None
        return (self._name, *(request.headers.get(name, "") for name in self._cache_headers))

    def authorize(self, request: AccessRequest) -> CallerIdentity:
        """Ask the package who the caller is, with an event like API Gateway's; raises RequestError."""
        event = _event(request)
        event |= {"type": "REQUEST", "methodArn": method_arn(request.event)}
        return read_identity(self._ask("authorize", event, request), event["methodArn"])

    def verify_permission(self, request: AccessRequest) -> Members:
        """Ask the package whether the caller may call the function; raises RequestError."""
        response = self._ask("verify_permission", _event(request), request)
        return read_context(response, method_arn(request.event), request.context)

    def _ask(self, action: str, event: dict[str, Any], request: AccessRequest) -> object:
        try:
            return self._actions()[action](event, request.lambda_context)
        except SilvaEngineError as error:
            if 400 <= error.status < 500:
                raise
            raise denied(detail=f"{action}: {error.message}") from error
        except (Exception, SystemExit) as error:
            # Whatever fails in it, the caller is refused.
            _logger.exception("The authorizer failed in %s", action)
            raise denied(detail=f"{action}: {type(error).__name__}") from error


def shipped_packages(artefact: str) -> Packages:
    """Return the packages in an artefact's manifest, one name a line; none without that file."""
    try:
        with open(f"{artefact}/{MANIFEST}", encoding="ascii") as manifest:  # noqa: PTH123 - pathlib is slow to import
            return Packages(frozenset(manifest.read().split()))
    except FileNotFoundError:
        return Packages(frozenset())


def _package_authorizer(module: ModuleType, settings: Mapping[str, Any]) -> PackageAuthorizer:
    function_name = settings.get("authorizer_function_name")
    class_name = str(settings.get("authorizer_class_name") or "Authorizer")
    owner = getattr(module, class_name, None)
    if function_name is None and isinstance(owner, type):
        names = [str(settings.get(f"authorizer_{action}_function_name") or action) for action in ACTIONS]
        return PackageAuthorizer(
            module.__name__, partial(_method_actions, owner, names), _cache_headers(owner)
        )
    function = getattr(module, str(function_name or "authorizer"), None)
    if not callable(function):
        missing = function_name or f"class {class_name!r} and no function 'authorizer'"
        raise misconfigured(f"module {module.__name__!r} has no {missing}")
    return PackageAuthorizer(module.__name__, partial(_function_actions, function), _cache_headers(function))


def _method_actions(owner: type, names: list[str]) -> Mapping[str, Action]:
    instance = owner(logger=_logger)
    return {action: getattr(instance, name) for action, name in zip(ACTIONS, names, strict=True)}


def _function_actions(function: Callable[..., Any]) -> Mapping[str, Action]:
    def bind(action: str) -> Action:
        return lambda event, context: function(event, context, action)

    return {action: bind(action) for action in ACTIONS}


def _cache_headers(owner: object) -> tuple[str, ...] | None:
    names = getattr(owner, "cache_headers", None)
    return None if names is None else tuple(str(name).lower() for name in names)


def _event(request: AccessRequest) -> dict[str, Any]:
    """Return the event with what the contract adds; a copy, since an authorizer may change it."""
    context = dict(request.context)
    event = {**request.event, "requestContext": context}
    if "headers" in context:  # a socket's message has none
        event["headers"] = context["headers"]  # with all lines of each
    if request.body is not None:
        event |= {"body": request.body, "isBase64Encoded": False}
    if request.function is not None:
        configuration = dict(request.function.configuration)
        event["fnConfigurations"] = configuration | {"config": dict(configuration.get("config") or {})}
    return event
