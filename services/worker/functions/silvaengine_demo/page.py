"""A page for the browser that calls this package's functions over a WebSocket."""

from importlib.resources import files
from typing import Any

from silvaengine_base import FunctionError

_TYPES = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "silvaengine.js": "text/javascript; charset=utf-8",
}
# The page runs only its own files, whatever is injected into it; sockets may connect to any host.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(path: str = "page.html") -> dict[str, Any]:
    """Return a file of the page; ``path`` is what follows the function's name in the URL."""
    if path not in _TYPES:
        raise FunctionError(f"The page has no file {path!r}", status_code=404)
    return {
        "statusCode": 200,
        "headers": {
            "Content-Type": _TYPES[path],
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        },
        "body": files(__package__).joinpath("static", path).read_text(),
    }
