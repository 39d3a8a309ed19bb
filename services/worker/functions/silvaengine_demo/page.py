"""A page for the browser: it calls this package's functions over a WebSocket."""

from importlib.resources import files
from typing import Any

from silvaengine_base import FunctionError

_TYPES = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "silvaengine.js": "text/javascript; charset=utf-8",
}
# The page runs its own files and nothing else, whatever is written into it; sockets may be anywhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(path: str = "page.html") -> dict[str, Any]:
    """Answer a file of the page; ``path`` is what follows the function's name in the URL."""
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
