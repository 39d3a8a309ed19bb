"""An endpoint's authorizer: a built-in one or an operator's package, as its gateway settings say."""

from collections.abc import Callable, Mapping

from silvaengine.authorization.key_sets import KeySets
from silvaengine.authorization.model import (
    AccessRequest,
    Authorizer,
    CallerIdentity,
    Members,
    denied,
    misconfigured,
)
from silvaengine.authorization.packages import MODULE_SETTING, Packages
from silvaengine.tables import DEFAULT_API_KEY

SETTING = "authorizer"


def authorizer_of(
    settings: Members, packages: Packages, keys: KeySets, clock: Callable[[], float]
) -> Authorizer | None:
    """Return the authorizer that an endpoint's gateway settings name.

    Without a name it is the operator's package ``silvaengine_authorizer`` if there is one, else None.

    Args:
        settings: may have ``authorizer``, a built-in one's name or an object with its ``type`` (``api_key``,
            ``jwt``, ``cognito``, ``iam``) and options, or ``authorizer_module_name``.
        packages: the operator's own authorizers.
        keys: the public keys of token issuers.
        clock: returns epoch seconds.

    Raises:
        ConfigurationError: the authorizer doesn't exist or an option is missing; ``detail`` says what.
    """
    setting = settings.get(SETTING)
    if setting is None:
        is_package = MODULE_SETTING in settings or packages.has_default
        return packages.authorizer(settings) if is_package else None
    options = setting if isinstance(setting, Mapping) else {"type": setting}
    match options.get("type"):
        case "api_key":
            return ApiKeyAuthorizer()
        case "iam":
            # lazy: only the authorizer ``iam`` needs it
            from silvaengine.authorization.iam import IamAuthorizer

            return IamAuthorizer(tuple(options.get("principals") or ()))
        case "jwt" | "cognito":
            return _token_authorizer(options, keys, clock)
        case kind:
            raise misconfigured(f"setting {SETTING!r} names {kind!r}, which is not a built-in authorizer")


def _token_authorizer(options: Members, keys: KeySets, clock: Callable[[], float]) -> Authorizer:
    try:
        from silvaengine.authorization.tokens import TokenAuthorizer  # lazy: only a token needs it
    except ModuleNotFoundError as error:
        words = f"{error.name} is missing: authorizers/jwt-requirements.txt wasn't there at the build"
        raise misconfigured(words) from error
    return TokenAuthorizer(options, keys, clock)


class ApiKeyAuthorizer:
    """The built-in authorizer ``api_key``: any API key but the public one; the registry has checked it."""

    def credential(self, request: AccessRequest) -> None:
        """Return None: nothing is worth caching."""

    def authorize(self, request: AccessRequest) -> CallerIdentity:
        """Return the key's public name as the caller.

        Raises:
            RequestError: 403, the request came without a key.
        """
        key_access = request.key_access
        if key_access.api_key == DEFAULT_API_KEY:
            raise denied("This function requires an API key")
        return CallerIdentity(key_access.key_id, {"key_id": key_access.key_id})

    def verify_permission(self, request: AccessRequest) -> Members:
        """Return the requestContext unchanged: the key row's functions decide."""
        return request.context
