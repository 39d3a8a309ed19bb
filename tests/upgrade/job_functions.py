"""Functions that run as jobs in the stacks of both versions."""


def note(title: str) -> dict[str, str]:
    """Return what was noted."""
    return {"noted": title}
