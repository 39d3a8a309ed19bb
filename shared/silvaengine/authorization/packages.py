"""The operator's own authorizers: packages of `authorizers/`, which the gateways' artefacts hold.

They are trusted code, in one of two forms: a class ``Authorizer(logger=…)`` with the methods
``authorize(event, context)`` and ``verify_permission(event, context)``, or a function
``authorizer(event, context, action)`` whose actions are these two names. Only what was built in is imported,
whatever a setting names.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from silvaengine.authorization.access import AccessRequest, CallerIdentity, Members, denied
from silvaengine.authorization.answers import context_of, identity_of
from silvaengine.authorization.policies import method_arn
from silvaengine.errors import ConfigurationError, SilvaEngineError

MANIFEST = "silvaengine_authorizers.txt"
DEFAULT_MODULE = "silvaengine_authorizer"
MODULE_SETTING = "authorizer_module_name"
ACTIONS = ("authorize", "verify_permission")

_logger = logging.getLogger(__name__)

type Action = Callable[[dict[str, Any], object], Any]


class Packages(NamedTuple):
    """Finds the operator's authorizers.

    Args:
        shipped: names of the packages and modules that may be imported.
    """

    shipped: Collection[str]

    @property
    def has_default(self) -> bool:
        """Return whether there is one that endpoints use whose settings name none."""
        return DEFAULT_MODULE in self.shipped

    def authorizer(self, settings: Mapping[str, Any]) -> "PackageAuthorizer":
        """Return the authorizer that an endpoint's settings name.

        Args:
            settings: ``authorizer_module_name``, ``silvaengine_authorizer`` when absent;
                ``authorizer_class_name``, ``Authorizer`` when absent, with
                ``authorizer_authorize_function_name`` and ``authorizer_verify_permission_function_name`` for
                other names of its methods; or ``authorizer_function_name`` for the form of a function, which
                is also looked for, as ``authorizer``, where the module has no such class.

        Raises:
            ConfigurationError: there is no such thing; ``detail`` says what is missing.
        """
        name = str(settings.get(MODULE_SETTING) or DEFAULT_MODULE)
        if name.partition(".")[0] not in self.shipped:
            raise _misconfigured(
                f"{name!r} is not among the packages of authorizers/: {sorted(self.shipped)}"
            )
        try:
            module = import_module(name)
        except (ImportError, SyntaxError) as error:
            raise _misconfigured(f"{name}: {type(error).__name__}: {error}") from error
        return _found(module, settings)


class PackageAuthorizer(NamedTuple):
    """One of the operator's, in either form.

    ``name`` is its module's. ``actions`` gives its two actions for one request: an object serves no second
    one. ``cache_headers`` are the headers, by lower-case name, that alone decide what ``authorize`` answers;
    None when it doesn't say.
    """

    name: str
    actions: Callable[[], Mapping[str, Action]]
    cache_headers: tuple[str, ...] | None

    def credential(self, asked: AccessRequest) -> tuple[str, ...] | None:
        """Keep what it says itself may be kept."""
        if self.cache_headers is None:
            return None
        return (self.name, *(asked.headers.get(name, "") for name in self.cache_headers))

    def authorize(self, asked: AccessRequest) -> CallerIdentity:
        """Ask it who the caller is, as API Gateway would; raises RequestError."""
        event = _event(asked)
        event |= {"type": "REQUEST", "methodArn": method_arn(asked.event)}
        return identity_of(self._ask("authorize", event, asked), event["methodArn"])

    def verify_permission(self, asked: AccessRequest) -> Members:
        """Ask it whether the caller may call the function; raises RequestError."""
        answer = self._ask("verify_permission", _event(asked), asked)
        return context_of(answer, method_arn(asked.event), asked.context)

    def _ask(self, action: str, event: dict[str, Any], asked: AccessRequest) -> Any:  # noqa: ANN401 - checked by the caller
        try:
            return self.actions()[action](event, asked.lambda_context)
        except SilvaEngineError as error:
            if 400 <= error.status < 500:
                raise
            raise denied(detail=f"{action}: {error.message}") from error
        except (Exception, SystemExit) as error:
            # Whatever goes wrong in it, nobody is let in.
            _logger.exception("The authorizer failed in %s", action)
            raise denied(detail=f"{action}: {type(error).__name__}") from error


def shipped_packages(artefact: str) -> Packages:
    """Read what was built into an artefact, one name a line; without the file there is none."""
    try:
        with open(f"{artefact}/{MANIFEST}", encoding="ascii") as manifest:  # noqa: PTH123 - pathlib is slow to import
            return Packages(frozenset(manifest.read().split()))
    except FileNotFoundError:
        return Packages(frozenset())


def _found(module: Any, settings: Mapping[str, Any]) -> PackageAuthorizer:  # noqa: ANN401 - an operator's module
    function_name = settings.get("authorizer_function_name")
    class_name = str(settings.get("authorizer_class_name") or "Authorizer")
    owner = getattr(module, class_name, None)
    if function_name is None and isinstance(owner, type):
        names = [str(settings.get(f"authorizer_{action}_function_name") or action) for action in ACTIONS]
        return PackageAuthorizer(module.__name__, partial(_methods, owner, names), _cache_headers(owner))
    function = getattr(module, str(function_name or "authorizer"), None)
    if not callable(function):
        wanted = function_name or f"class {class_name!r} and no function 'authorizer'"
        raise _misconfigured(f"module {module.__name__!r} has no {wanted}")
    return PackageAuthorizer(module.__name__, partial(_function, function), _cache_headers(function))


def _methods(owner: type, names: list[str]) -> Mapping[str, Action]:
    instance = owner(logger=_logger)
    return {action: getattr(instance, name) for action, name in zip(ACTIONS, names, strict=True)}


def _function(function: Callable[..., Any]) -> Mapping[str, Action]:
    def bound(action: str) -> Action:
        return lambda event, context: function(event, context, action)

    return {action: bound(action) for action in ACTIONS}


def _cache_headers(owner: object) -> tuple[str, ...] | None:
    names = getattr(owner, "cache_headers", None)
    return None if names is None else tuple(str(name).lower() for name in names)


def _event(asked: AccessRequest) -> dict[str, Any]:
    """Return the event with what the contract adds; a copy, since it is an authorizer's to change."""
    event = {**asked.event, "requestContext": dict(asked.context)}
    if asked.body is not None:
        event |= {"body": asked.body, "isBase64Encoded": False}
    if asked.function is not None:
        configuration = dict(asked.function.configuration)
        event["fnConfigurations"] = configuration | {"config": dict(configuration.get("config") or {})}
    return event


def _misconfigured(detail: str) -> ConfigurationError:
    return ConfigurationError("The authorizer is misconfigured", detail=detail)
