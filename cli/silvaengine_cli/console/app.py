"""The console as an ASGI application: where its pages are."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from silvaengine_cli.console.guards import Guards
from silvaengine_cli.console.pages import functions, jobs, overview, packages, requests, tenants
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import action, live, page, show_error
from silvaengine_cli.failures import known_errors

FILES = Path(__file__).parent / "static"

ROUTES = (
    page("/", "overview.html", overview.show),
    live("/overview/state", overview.watch_state),
    live("/overview/numbers", overview.watch_numbers),
    page("/requests", "requests.html", requests.show),
    live("/requests/live", requests.watch),
    page("/requests/{id}", "request.html", requests.show_story),
    page("/functions", "functions.html", functions.show),
    page("/functions/packages", "packages.html", packages.show),
    page("/functions/packages/{package}", "package.html", packages.show_one),
    action("/functions/packages/{package}/promote", packages.promote),
    action("/functions/packages/{package}/rollback", packages.roll_back),
    action("/functions/packages/{package}/canary", packages.grow),
    action("/functions/packages/{package}/pin", packages.pin),
    action("/functions/packages/{package}/unpin", packages.unpin),
    page("/functions/{arn}/{name:path}", "function.html", functions.show_one, posts=True),
    page("/tenants", "tenants.html", tenants.show),
    page("/jobs", "jobs.html", jobs.show),
    Mount("/static", StaticFiles(directory=FILES)),
)


def make_app(session: Session, token: str) -> ASGIApp:
    """Return the application, whose pages open to those who know the token."""
    errors = (HTTPException, *known_errors(), Exception)
    app = Starlette(routes=ROUTES, exception_handlers=dict.fromkeys(errors, show_error))
    app.state.session = session
    return Guards(app, token)
