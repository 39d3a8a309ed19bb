"""Overview: how the deployment stands, as `silvaengine status` has it."""

from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Context
from silvaengine_cli.status.state import read_state


def show(session: Session, _request: Request) -> Context:
    """Return the counts, pointers and alarms of now."""
    return {"state": read_state(session.deployment)}
