"""The name of a run: all that it makes has it in its own name, and it says until when that may exist."""

import re
import secrets
from datetime import UTC, datetime

PREFIX = "silvaengine-prove-"
_NAME = re.compile(PREFIX + r"(\d{10})-[0-9a-f]{4}(?![0-9a-f])")
_FORM = "%y%m%d%H%M"


def new_name(expires: datetime) -> str:
    """Return a name for a run that ends by then, to the minute: `silvaengine-prove-2612011530-5f3a`."""
    return f"{PREFIX}{expires.astimezone(UTC):{_FORM}}-{secrets.token_hex(2)}"


def run_of(text: str) -> str | None:
    """Return the name of the run that a resource's name, URL or ARN belongs to, None for anybody else's."""
    found = _NAME.search(text)
    return found[0] if found else None


def expiry(name: str) -> datetime:
    """Return until when a run's resources may exist."""
    found = _NAME.fullmatch(name)
    if not found:
        raise ValueError(f"{name!r} is no run's name")
    return datetime.strptime(found[1], _FORM).replace(tzinfo=UTC)
