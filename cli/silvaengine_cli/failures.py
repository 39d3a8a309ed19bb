"""What users are told of an error, in a terminal or on a page."""

import click

from silvaengine.errors import SilvaEngineError


def known_errors() -> tuple[type[Exception], ...]:
    """Return the errors that aren't mistakes of a command's own; imports botocore, which is slow."""
    from botocore.exceptions import BotoCoreError, ClientError

    return click.ClickException, SilvaEngineError, BotoCoreError, ClientError


def failure_text(error: Exception) -> str:
    """Return what failed, and how to go on where that is known, of one of the known errors."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, SilvaEngineError):
        return f"{error}: {error.detail}" if error.detail else str(error)
    return f"AWS: {error}{_hint(error)}"


def _hint(error: Exception) -> str:
    from botocore.exceptions import EndpointConnectionError  # lazy, as above

    is_local = isinstance(error, EndpointConnectionError) and "//127.0.0.1:" in str(error)
    return ": start `silvaengine dev`" if is_local else ""
