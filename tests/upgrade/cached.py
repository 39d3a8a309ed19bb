"""A cached function for programs of both versions."""

import time

from silvaengine_utility import method_cache


@method_cache(ttl=600, cache_name="demo")
def rate(currency: str) -> dict[str, object]:
    """Return a value that is another one each time it is loaded."""
    return {"currency": currency, "loaded": time.time_ns()}
