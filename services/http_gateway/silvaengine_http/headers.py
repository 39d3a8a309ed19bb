"""The headers of every response: who may read it in a browser, and what a browser may do with it.

A tenant's gateway settings list the origins that may read its responses::

    cors: {origins: ["https://app.example.com"], credentials: true}

Without that setting every origin may, without credentials, as the contract has it. CORS:
fetch.spec.whatwg.org, section 3.2; the others: cheatsheetseries.owasp.org, REST Security.

All tenants' documents come from the API's one origin. So each has an origin of its own, by a sandbox
(html.spec.whatwg.org, section 7.1.5), unless its endpoint's settings have ``sandbox: false``.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from silvaengine.authorization.events import lists_origin, read_tokens

type Header = tuple[str, tuple[str, ...]]
type Headers = Mapping[str, tuple[str, ...]]

REQUEST_ID = "x-request-id"
CONTENT_TYPE = "Content-Type"
SANDBOX_SETTING = "sandbox"

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_ALLOW_HEADERS = "Access-Control-Allow-Headers"
_ALLOWED: Headers = {
    _ALLOW_HEADERS: ("Authorization, Content-Type, X-Api-Key, Idempotency-Key, Prefer, *",),
    "Access-Control-Allow-Methods": ("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",),
}
CORS: Headers = {_ALLOW_ORIGIN: ("*",), **_ALLOWED}
_VARY: Headers = {"Vary": ("Origin",)}  # what a cache has to keep apart
_PREFLIGHT_VARY: Headers = {"Vary": ("Origin, Access-Control-Request-Headers",)}
# Every page may read some, and none the last: fetch.spec.whatwg.org, section 2.2.2.
_NEVER_EXPOSED = frozenset(
    {
        "cache-control",
        "content-language",
        "content-length",
        "content-type",
        "expires",
        "last-modified",
        "pragma",
        "set-cookie",
    }
)
SECURITY_HEADERS: Headers = {
    "Cache-Control": ("no-store",),  # a cache on the way doesn't know that responses depend on the API key
    "Referrer-Policy": ("no-referrer",),
    "Strict-Transport-Security": ("max-age=31536000",),
    "X-Content-Type-Options": ("nosniff",),
}
JSON: Headers = {CONTENT_TYPE: ("application/json",)}
YAML: Headers = {CONTENT_TYPE: ("application/x-yaml",)}
BYTES: Headers = {CONTENT_TYPE: ("application/octet-stream",)}

_SPACES = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")


def _by_name(*several: Headers) -> dict[str, Header]:
    """Return headers by lower-case name."""
    return {name.lower(): (name, values) for headers in several for name, values in headers.items()}


_POLICY = "Content-Security-Policy"
_DATA_POLICY = (_POLICY, ("default-src 'none'; frame-ancestors 'none'",))
_SANDBOX = (
    "sandbox allow-downloads allow-forms allow-modals allow-popups "
    "allow-popups-to-escape-sandbox allow-scripts"
)
_SECURITY = _by_name(SECURITY_HEADERS)
_DEFAULTS = _by_name(CORS, SECURITY_HEADERS)


def merge_headers(*several: Headers) -> dict[str, tuple[str, ...]]:
    """Merge headers, whatever the case of their names; later ones win."""
    return dict(_by_name(*several).values())


def all_headers(
    own: Headers, request_id: str, cors: Headers | None, *, is_sandboxed: bool = True
) -> Collection[Header]:
    """Return a response's own headers and those that every response has, fit to be sent; its own win.

    Args:
        own: the response's own.
        request_id: replaces any that the response has.
        cors: the tenant's policy, which the response's own don't overrule; None for the contract's.
        is_sandboxed: whether a document gets an origin of its own, which they don't overrule either.
    """
    if cors is None:
        headers = {**_DEFAULTS, **_by_name(own)}
    else:
        headers = {**_SECURITY, **_by_name(own)}
        _, vary = headers.pop("vary", ("Vary", ()))
        kept = {name: header for name, header in headers.items() if not name.startswith("access-control-")}
        headers = {**kept, **_by_name(cors, {"Vary": (*vary, *cors["Vary"])})}
    if "access-control-allow-origin" in headers:
        headers.setdefault("access-control-expose-headers", _exposing(tuple(own)))
    _, types = headers.get("content-type", ("", ("",)))
    if all(map(_is_data, types)):
        headers.setdefault("content-security-policy", _DATA_POLICY)
    elif is_sandboxed and types != ("application/pdf",):  # it runs nothing, and isn't shown in a sandbox
        _, policies = headers.get("content-security-policy", ("", ()))
        headers["content-security-policy"] = (_POLICY, (", ".join([*policies, _SANDBOX]),))
    headers[REQUEST_ID] = (REQUEST_ID, (request_id,))
    return [(name, tuple(map(fit_value, values))) for name, values in headers.values()]


def fit_value(value: str) -> str:
    """Return a header's value as it can be sent, whatever it is made of.

    A control character becomes a space, so that no value ends its line: RFC 9110, section 5.5. For what is
    beyond Latin-1 a header has no bytes: it is percent-encoded as in a URL, and a lone surrogate as ``?``.
    """
    if not (value.isascii() and value.isprintable()):
        value = re.sub("[^\x00-\xff]+", _percent_encode, value.translate(_SPACES))
    return value.strip(" ")


def _percent_encode(found: re.Match[str]) -> str:
    from urllib.parse import quote  # lazy: hardly any header needs it

    return quote(found[0], errors="replace")


@lru_cache(maxsize=128)
def _exposing(own: tuple[str, ...]) -> Header:
    """Return the header that lets a page read those of a response's own, by name: ``*`` may be a name."""
    hidden = {*_NEVER_EXPOSED, REQUEST_ID}
    names = (name for name in own if not name.lower().startswith("access-control-"))
    exposed = [REQUEST_ID, *(name for name in names if name.lower() not in hidden)]
    return "Access-Control-Expose-Headers", (", ".join(exposed),)


def _is_data(content_type: str) -> bool:
    """Return whether a response is no document: nothing in it runs or is framed.

    Of several types behind commas browsers take the last: fetch.spec.whatwg.org, section 2.2.2.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in {"application/json", "application/x-yaml"} and "," not in content_type


def cors_headers(policy: object, origin: str | None, requested: str | None = None) -> Headers | None:
    """Return the headers that say whether a page of this origin may read the response.

    Args:
        policy: the setting ``cors``, None without one.
        origin: the request's header, None without one.
        requested: the names of headers for which a preflight asks, None for any other request. With
            credentials ``*`` is a header's name, so that they are named back.

    Returns:
        None where there is no policy.
    """
    if policy is None:
        return None
    vary = _VARY if requested is None else _PREFLIGHT_VARY
    if not isinstance(policy, Mapping) or origin is None or not lists_origin(policy, origin):
        return vary
    headers = {_ALLOW_ORIGIN: (origin,), **_ALLOWED, **vary}
    if requested and (names := read_tokens(requested)):
        headers[_ALLOW_HEADERS] = (", ".join(names),)
    if policy.get("credentials") is True:
        headers["Access-Control-Allow-Credentials"] = ("true",)
    return headers


def open_headers(requested: str | None) -> Headers:
    """Return the contract's headers for a response that no page will read: no policy was looked up."""
    return {**CORS, **(_VARY if requested is None else _PREFLIGHT_VARY)}
