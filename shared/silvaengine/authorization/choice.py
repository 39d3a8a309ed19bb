"""Which authorizer an endpoint has: its gateway settings name a built-in one or an operator's package."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from silvaengine.authorization.access import Authorizer
from silvaengine.authorization.key_sets import KeySets
from silvaengine.authorization.packages import MODULE_SETTING, Packages
from silvaengine.errors import ConfigurationError
from silvaengine.registry.model import KeyAccess

SETTING = "authorizer"


class Chooser(NamedTuple):
    """Finds the authorizers that settings name.

    Args:
        packages: the operator's own.
        keys: the public keys of token issuers.
        clock: epoch seconds.
    """

    packages: Packages
    keys: KeySets
    clock: Callable[[], float]

    def authorizer(self, key_access: KeyAccess) -> Authorizer | None:
        """Return the authorizer that a connection's gateway settings name.

        Without a name it is the operator's package ``silvaengine_authorizer``, where there is one, else None.

        Args:
            key_access: its ``settings`` may have ``authorizer``, a built-in one's name or an object with its
                ``type`` (``api_key``, ``jwt``, ``cognito``, ``iam``) and options, or
                ``authorizer_module_name``.

        Raises:
            ConfigurationError: what the settings name isn't there or lacks something; ``detail`` says what.
        """
        settings = key_access.settings
        named = settings.get(SETTING)
        if named is None:
            is_there = MODULE_SETTING in settings or self.packages.has_default
            return self.packages.authorizer(settings) if is_there else None
        return self._built_in(named if isinstance(named, Mapping) else {"type": named})

    def _built_in(self, options: Mapping[str, Any]) -> Authorizer:
        match options.get("type"):
            case "api_key":
                from silvaengine.authorization.api_key import ApiKeyAuthorizer  # one is used

                return ApiKeyAuthorizer()
            case "iam":
                from silvaengine.authorization.iam import IamAuthorizer

                return IamAuthorizer(tuple(options.get("principals") or ()))
            case "jwt" | "cognito":
                return self._of_tokens(options)
            case kind:
                raise _misconfigured(f"setting {SETTING!r} names {kind!r}, which is no built-in authorizer")

    def _of_tokens(self, options: Mapping[str, Any]) -> Authorizer:
        try:
            from silvaengine.authorization.tokens import token_authorizer
        except ModuleNotFoundError as error:
            words = f"{error.name} is missing: authorizers/jwt-requirements.txt wasn't there at the build"
            raise _misconfigured(words) from error
        return token_authorizer(options, self.keys, self.clock)


def _misconfigured(detail: str) -> ConfigurationError:
    return ConfigurationError("The authorizer is misconfigured", detail=detail)
