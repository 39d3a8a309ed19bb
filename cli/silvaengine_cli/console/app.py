"""The console as an ASGI application: where its pages are."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from silvaengine_cli.console.guards import Guards
from silvaengine_cli.console.pages import dead_letters, functions, jobs, overview, packages, requests, tenants
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import action, actions, live, page, show_error
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
    action("/tenants/{tenant:path}/keys", tenants.create_key),
    *actions("/tenants/{tenant:path}/keys/{key_id}", tenants.change_key, "rotate", "revoke"),
    action("/tenants/{tenant:path}/usage", tenants.count_usage),
    page("/tenants/{tenant:path}", "tenant.html", tenants.show_one),
    page("/jobs", "jobs.html", jobs.show),
    action("/jobs/purge", jobs.purge),
    page("/jobs/dead", "dead_letters.html", dead_letters.show),
    *actions("/jobs/dead", dead_letters.change, "redrive", "purge"),
    action("/jobs/dead/replay", dead_letters.replay),
    page("/jobs/{job_id}", "job.html", jobs.show_one),
    *actions("/jobs/{job_id}", jobs.change, "retry", "cancel"),
    Mount("/static", StaticFiles(directory=FILES)),
)


def make_app(session: Session, token: str) -> ASGIApp:
    """Return the application, whose pages open to those who know the token."""
    errors = (HTTPException, *known_errors(), Exception)
    app = Starlette(routes=ROUTES, exception_handlers=dict.fromkeys(errors, show_error))
    app.state.session = session
    return Guards(app, token)
