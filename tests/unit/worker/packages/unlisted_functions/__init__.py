"""A package that stands on the path and not on the allow-list."""


def reach() -> str:
    """Answer, if anything ever gets here."""
    return "reached"
