"""Functions that count what they use."""

from silvaengine_base import meter


def think() -> str:
    """Use tokens twice and images."""
    meter("tokens", 500)
    meter("images", 2)
    meter("tokens", 12)
    return "thought"


def fail() -> None:
    """Use tokens, and fail."""
    meter("tokens", 7)
    raise RuntimeError
