"""What a tenant's function sees of its caller, and a value that it keeps."""

from typing import Any

from silvaengine_base import current_invocation
from silvaengine_utility import method_cache


class Shop:
    """Created from a tenant's settings."""

    def __init__(self, **setting: Any) -> None:
        self.setting = setting

    def look(self, endpoint_id: str, context: Any = None, **params: Any) -> dict[str, Any]:
        """Return everything that is known of the call."""
        current = current_invocation()
        return {
            "endpoint_id": endpoint_id,
            "channel": context["channel"],
            "tenant": current.endpoint_id,
            "setting": self.setting,
            "settings": dict(current.settings),
            "params": sorted(map(str, params)),
            "kept": kept("same for all"),
        }


@method_cache(ttl=600, cache_name="walls")
def kept(text: str) -> str:
    """Return the value cached for the tenant that asked first."""
    return f"{text}: {current_invocation().settings['secret_of']}"
