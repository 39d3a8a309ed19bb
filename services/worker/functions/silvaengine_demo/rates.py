"""A cached function: it runs once for each tenant and currency, however often it is called."""

from datetime import UTC, datetime

from silvaengine_utility import method_cache


@method_cache(ttl=600, cache_name="demo")
def rate(currency: str = "EUR") -> dict[str, str]:
    """Return a rate as a slow source would; ``asked_at`` shows whether it was asked again."""
    return {"currency": currency, "asked_at": datetime.now(UTC).isoformat()}
