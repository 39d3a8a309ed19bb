"""What a page is made of: a function that reads, or an action that asks first, and a template."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from secrets import token_urlsafe
from typing import Any

import anyio
import click
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from silvaengine_cli.console.session import Session
from silvaengine_cli.failures import failure_text, known_errors
from silvaengine_cli.logs.tail import pause_of
from silvaengine_cli.output import plain

type Context = Mapping[str, Any]
type Show = Callable[[Session, Request], Context]
"""Reads what a template shows; runs in a thread, and may raise what commands raise."""
type Look = Callable[[], str]
"""Returns the HTML of what is new, an empty text for nothing, or all anew; runs in a thread."""
type Watch = Callable[[Session, Request], Look]

PAGES = ("Requests", "Functions", "Tenants", "Jobs")
MOST_STREAMS = 20  # live parts: each takes a thread for its looks, of the forty that pages have, too
NAVIGATION = {"/": "Overview"} | {f"/{name.lower()}": name for name in PAGES}


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a page changes once it was confirmed."""

    title: str
    """What is done, as a heading: `Retry job 3f2a…`."""
    effect: str
    """What follows of it, in a sentence or two."""
    command: str
    """The command line that does the same, from ``Session.command``."""
    button: str
    carry_out: Callable[[], str]
    """Does it and returns what was done, in a sentence; runs in a thread."""
    back: str
    """The address of the page that shows the new state."""
    is_secret: bool = False
    """Whether what was done is said in the answer of its form alone."""


def page(path: str, template: str, show: Show, *, posts: bool = False) -> Route:
    """Return the route of a page that a function reads for its template, by POST, too, if it ``posts``."""

    def answer(request: Request) -> Response:
        return render(request, template, show(_session(request), request))

    return Route(path, answer, methods=["GET", "POST"] if posts else None)


def action(path: str, make: Callable[[Session, Request], Action]) -> Route:
    """Return the route of an action: GET shows what it would do, POST does it and leads back.

    Only path and query say what is done, so that what was shown is what is done.
    """

    def answer(request: Request) -> Response:
        session = _session(request)

        def do() -> tuple[Action, str]:
            return (asked := make(session, request)), asked.carry_out()

        if request.method != "POST":
            return render(request, "confirm.html", {"action": make(session, request)})
        check_change(session, request)
        asked, said = session.once(request.state.form, do)
        if asked.is_secret:
            return render(request, "confirm.html", {"action": asked, "secret": said})
        session.outcomes[outcome := token_urlsafe(8)] = said
        return RedirectResponse(f"{asked.back}{'&' if '?' in asked.back else '?'}outcome={outcome}", 303)

    return Route(path, answer, methods=["GET", "POST"])


def actions(path: str, make: Callable[[str, Session, Request], Action], *names: str) -> list[Route]:
    """Return the routes of actions that are made alike, below a path."""
    return [action(f"{path}/{name}", partial(make, name)) for name in names]


def number(request: Request, name: str) -> int:
    """Return a number of the query, of at most nine digits; raise ClickException for anything else."""
    text = request.query_params.get(name, "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise click.ClickException(f"{name}: expected a number, not {text[:100]!r}")
    return int(text)


def check_change(session: Session, request: Request) -> None:
    """Raise HTTPException unless a form may change something: in production it has the stack's name."""
    if not session.may_write:
        raise HTTPException(403, "This console is read-only: start it with --write.")
    if session.is_production and request.state.form.get("stack") != session.deployment.stack:
        raise HTTPException(403, f"Nothing was changed: type the stack's name, {session.deployment.stack}.")


def live(path: str, watch: Watch) -> Route:
    """Return the route of a page's live part: server-sent events with the HTML of what is new.

    html.spec.whatwg.org/multipage/server-sent-events.html. An event's id is the epoch millisecond of its
    look, so that after a lost connection the header Last-Event-ID says since when nothing was seen; a window
    that was hidden meanwhile says it in the query. What fails is said by an event `failure`, and is tried
    again; an event `nothing` says that it works, and that nothing is new.
    """

    async def events(request: Request) -> AsyncIterator[str]:
        session, last = _session(request), ""
        look: Look | None = None
        session.streams += 1
        try:
            while True:
                now = f"id: {int(time.time() * 1000)}\n"
                try:
                    if look is None:
                        look = await run_in_threadpool(watch, session, request)
                    before, last = last, await run_in_threadpool(look)
                    is_new = last not in ("", before)
                    text = now + (_event("message", last) if is_new else "event: nothing\ndata:\n")
                except known_errors() as error:  # nothing was seen of this time: it has no id
                    text = _event("failure", plain(failure_text(error)))
                yield f"{text}\n"
                await anyio.sleep(pause_of(_session(request).deployment))
        finally:
            session.streams -= 1

    async def answer(request: Request) -> Response:
        if _session(request).streams >= MOST_STREAMS:
            raise HTTPException(503, f"{MOST_STREAMS} live parts are open: close some windows.")
        if seen := request.query_params.get("last-event-id"):
            request.scope["headers"].append((b"last-event-id", seen.encode()))
        return StreamingResponse(events(request), media_type="text/event-stream")

    return Route(path, answer)


def render(request: Request, template: str, context: Context, status: int = 200) -> Response:
    """Return a response with a template, in the frame that all pages have."""
    session = _session(request)
    return HTMLResponse(
        render_part(
            template,
            request=request,
            session=session,
            navigation=NAVIGATION,
            outcome=session.outcomes.get(request.query_params.get("outcome", "")),
            once=token_urlsafe(),
            **context,
        ),
        status,
    )


def render_part(template: str, **context: Any) -> str:  # noqa: ANN401 - what a template shows
    """Return a template's HTML without a request, such as a live part's."""
    return _TEMPLATES.get_template(template).render(context)


async def show_error(request: Request, error: Exception) -> Response:
    """Return the page that says what failed, and how to go on."""
    if isinstance(error, HTTPException):
        reason, status = error.detail, error.status_code
    elif isinstance(error, known_errors()):
        reason, status = failure_text(error), 404 if isinstance(error, click.ClickException) else 502
    else:
        reason, status = "The console failed: see the terminal in which it runs.", 500
    return render(request, "error.html", {"reason": reason}, status)


def _session(request: Request) -> Session:
    session: Session = request.app.state.session
    session.look_again()
    return session


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}" if lines else ""


def _visible(value: object) -> object:
    """Return a template's value with escapes for what can't be seen, as tables of commands have them."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _moment(seconds: float) -> Markup:
    """Return epoch seconds as a time in UTC, which the browser shows in its own zone."""
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(at.isoformat(), at)


_TEMPLATES = Environment(
    loader=PackageLoader("silvaengine_cli.console"),
    autoescape=True,
    finalize=_visible,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters |= {"moment": _moment}
_TEMPLATES.globals["parts"] = _TEMPLATES.get_template("parts.html").module
_TEMPLATES.policies["json.dumps_kwargs"] = {}  # in their own order, which is that of a chart's colours
