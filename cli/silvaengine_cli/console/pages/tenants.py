"""Tenants: comes next."""

from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Context


def show(_session: Session, _request: Request) -> Context:
    """Return nothing yet."""
    return {}
