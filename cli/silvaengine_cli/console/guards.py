"""Who may use the console: the browser of whoever started it, and no page of another site.

The token of the address becomes a cookie at the first visit, which says nothing of the token. Browsers keep
cookies apart by host, not by port (RFC 6265, 8.5): the console's host is `localhost` alone, so that functions
at the local engine's 127.0.0.1 don't get it. What is refused otherwise:

* another user of the machine, who can see the token among the browser's arguments, and get the cookie by a
  page at another port of `localhost`;
* another Host: a name that is made to lead here, DNS rebinding;
* a request that another site caused: Fetch Metadata (w3.org/TR/fetch-metadata), and SameSite's Strict;
* a change whose Origin isn't this one (RFC 6454), or without the token of the page's forms.
"""

import hmac
from secrets import token_urlsafe
from urllib.parse import parse_qs, urlencode

import click
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from silvaengine_cli.console.peers import is_of_another_user

HOST = "localhost"
MOST_BYTES = 1024 * 1024  # of a form
TOLD_GUESSES = (10, 1_000, 100_000)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all, browsers send forms with the Origin `null`
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN_AGAIN = "Open the address that `silvaengine console` printed when it was last started."


class Guards:
    """An ASGI application before another, which gets only what its user asked for.

    Requests have ``state.csrf``, the token for forms, and ``state.form``, the fields of one that was sent.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token
        self._cookie, self._csrf = token_urlsafe(32), token_urlsafe(32)
        self._guesses = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over what may pass; answers of both have the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] != "http":  # there are no sockets, and uvicorn runs without lifespan
            return
        request = Request(scope, receive)
        app = self._refusal(request) or await self._refusal_of_form(request) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host") != f"{HOST}:{request.scope['server'][1]}":
            return _refused(f"The console answers at {HOST} only. " + OPEN_AGAIN)
        if is_of_another_user(request.scope["client"][1], request.scope["server"][1]):
            return _refused("The console answers only the user who started it.")
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refused("This request comes from another site. " + OPEN_AGAIN)
        cookie = f"silvaengine-console-{request.url.port}"  # several consoles have one each
        if (given := request.query_params.get("token")) is not None:
            if not _are_equal(given, self._token):
                return self._refused_guess()
            rest = [each for each in request.query_params.multi_items() if each[0] != "token"]
            query = f"?{urlencode(rest)}" if rest else ""
            path = request.url.path.lstrip("/")  # `//host/` leads to another host
            response = RedirectResponse(f"/{path}{query}", 303)
            response.set_cookie(cookie, self._cookie, httponly=True, samesite="strict")
            return response
        return None if _are_equal(request.cookies.get(cookie, ""), self._cookie) else self._refused_guess()

    async def _refusal_of_form(self, request: Request) -> Response | None:
        request.state.csrf, request.state.form = self._csrf, {}
        if request.method in ("GET", "HEAD"):
            return None
        if request.headers.get("origin") != f"http://{request.headers['host']}":
            return _refused("This form comes from another site.")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return PlainTextResponse("A form may have 1 MB.", 413)
        fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
        request.state.form = {name: values[-1] for name, values in fields.items()}
        given = request.headers.get("x-csrf-token") or request.state.form.pop("csrf", "")
        if not _are_equal(given, self._csrf):
            return _refused("This page is out of date: reload it.")
        return None

    def _refused_guess(self) -> Response:
        self._guesses += 1
        if self._guesses in TOLD_GUESSES:
            click.echo(f"console: {self._guesses:,} requests without its token were refused", err=True)
        return _refused(OPEN_AGAIN)


def _are_equal(given: str, secret: str) -> bool:
    """Return whether they are, in a time that doesn't say how far they are."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _refused(reason: str) -> Response:
    return PlainTextResponse(reason, 403)
