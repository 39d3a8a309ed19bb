"""Which authorizer an endpoint has: its gateway settings name a built-in one or an operator's package."""

from collections.abc import Mapping
from typing import Any

from silvaengine.authorization.access import Authorizer
from silvaengine.authorization.packages import MODULE_SETTING, Packages
from silvaengine.errors import ConfigurationError
from silvaengine.registry import Connection

SETTING = "authorizer"


def authorizer_for(connection: Connection, packages: Packages) -> Authorizer | None:
    """Give the authorizer that a connection's gateway settings name.

    Without a name it is the operator's package ``silvaengine_authorizer``, where there is one, else None.

    Args:
        connection: its ``settings`` may have ``authorizer``, a built-in one's name or an object with its
            ``type`` and options, or ``authorizer_module_name``.
        packages: the operator's own authorizers.

    Raises:
        ConfigurationError: what the settings name isn't there or lacks something; ``detail`` says what.
    """
    settings = connection.settings
    named = settings.get(SETTING)
    if named is None:
        is_there = MODULE_SETTING in settings or packages.has_default
        return packages.authorizer(settings) if is_there else None
    options = named if isinstance(named, Mapping) else {"type": named}
    return _built_in(options)


def _built_in(options: Mapping[str, Any]) -> Authorizer:
    kind = options.get("type")
    if kind == "api_key":
        from silvaengine.authorization.api_key import ApiKeyAuthorizer  # noqa: PLC0415 - one of them is used

        return ApiKeyAuthorizer()
    detail = f"setting {SETTING!r} names {kind!r}, which is no built-in authorizer"
    raise ConfigurationError("The authorizer is misconfigured", detail=detail)
