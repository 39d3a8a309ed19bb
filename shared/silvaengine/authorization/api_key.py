"""The built-in authorizer ``api_key``: a function isn't open to callers without a key of their own."""

from silvaengine.authorization.access import AccessRequest, CallerIdentity, Members, denied
from silvaengine.tables import DEFAULT_API_KEY


class ApiKeyAuthorizer:
    """Lets everyone pass whose API key opened the endpoint; the registry has checked the key itself."""

    def credential(self, asked: AccessRequest) -> None:
        """Keep nothing."""

    def authorize(self, asked: AccessRequest) -> CallerIdentity:
        """Tell whose key it is, by its public name.

        Raises:
            RequestError: 403, the request came without a key.
        """
        key_access = asked.key_access
        if key_access.api_key == DEFAULT_API_KEY:
            raise denied("This function requires an API key")
        return CallerIdentity(key_access.key_id, {"key_id": key_access.key_id})

    def verify_permission(self, asked: AccessRequest) -> Members:
        """Let the connection's list of functions decide."""
        return asked.context
