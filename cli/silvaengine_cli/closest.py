"""What somebody who misspelt a name may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a hint at the closest of the known names, shown after a prefix; empty if none is close."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""
