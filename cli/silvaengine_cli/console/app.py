"""The console as an ASGI application: where its pages are."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from silvaengine_cli.console.guards import Guards
from silvaengine_cli.console.pages import functions, jobs, overview, requests, tenants
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import live, page, show_error
from silvaengine_cli.failures import known_errors

FILES = Path(__file__).parent / "static"

ROUTES = (
    page("/", "overview.html", overview.show),
    page("/requests", "requests.html", requests.show),
    live("/requests/live", requests.watch),
    page("/requests/{id}", "request.html", requests.show_story),
    page("/functions", "functions.html", functions.show),
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
