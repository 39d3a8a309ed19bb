"""The headers that every answer has: who may read it in a browser, and what a browser may make of it.

Which origins may read a tenant's answers stands in the gateway's settings for it::

    cors: {origins: ["https://app.example.com"], credentials: true}

Without them every origin may, without credentials, as the contract has it. CORS: fetch.spec.whatwg.org,
section 3.2; the others: cheatsheetseries.owasp.org, REST Security.
"""

from collections.abc import Mapping
from typing import Any

type Headers = Mapping[str, tuple[str, ...]]

REQUEST_ID = "x-request-id"
CONTENT_TYPE = "Content-Type"
CORS_SETTING = "cors"

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_ALLOWED: Headers = {
    "Access-Control-Allow-Headers": ("Authorization, Content-Type, X-Api-Key, Idempotency-Key, Prefer, *",),
    "Access-Control-Allow-Methods": ("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",),
    "Access-Control-Expose-Headers": (f"{REQUEST_ID}, Location, RateLimit, RateLimit-Policy, Retry-After",),
}
CORS: Headers = {_ALLOW_ORIGIN: ("*",), **_ALLOWED}
SAFETY: Headers = {
    "Cache-Control": ("no-store",),  # a cache on the way doesn't know that an API key tells answers apart
    "Referrer-Policy": ("no-referrer",),
    "Strict-Transport-Security": ("max-age=31536000",),
    "X-Content-Type-Options": ("nosniff",),
}
JSON: Headers = {CONTENT_TYPE: ("application/json",)}
YAML: Headers = {CONTENT_TYPE: ("application/x-yaml",)}
BYTES: Headers = {CONTENT_TYPE: ("application/octet-stream",)}

_DATA = ("application/json", "application/x-yaml")  # what is no document: nothing in it runs or is framed
_OF_DATA: Headers = {"Content-Security-Policy": ("default-src 'none'; frame-ancestors 'none'",)}

_NOBODYS = (None, "null", "*")  # many pages have the second, and no policy of ours is a pattern
_USUAL = {name: values[0] for headers in (CORS, SAFETY, _OF_DATA) for name, values in headers.items()}


def usual_headers(given: Headers, request_id: str) -> dict[str, str] | None:
    """Return the headers of an answer that is data and has none of its own; None for any other."""
    if given is not JSON and given is not YAML:
        return None
    return {**_USUAL, CONTENT_TYPE: given[CONTENT_TYPE][0], REQUEST_ID: request_id}


def whole_headers(given: Headers, request_id: str, cors: Headers | None) -> dict[str, tuple[str, ...]]:
    """Return an answer's headers with ours; the answer's own come first.

    Args:
        given: the answer's own.
        request_id: stands in the place of any that the answer has.
        cors: the tenant's wish, which the answer's own don't overrule; None for none.
    """
    own = {name.lower(): name for name in given}
    left_out = {REQUEST_ID}
    if cors is not None:
        left_out |= {lower for lower in own if lower.startswith("access-control-")}
    kept = {name: given[name] for lower, name in own.items() if lower not in left_out}
    added = {**(CORS if cors is None else cors), **SAFETY, **_of_kind(given, own)}
    headers = {name: values for name, values in added.items() if name.lower() not in own}
    if cors is not None:
        headers |= {name: values for name, values in cors.items() if name not in headers}
        headers["Vary"] = (*given.get(own.get("vary", ""), ()), *cors["Vary"])
        kept.pop(own.get("vary", ""), None)
    return {**headers, **kept, REQUEST_ID: (request_id,)}


def _of_kind(given: Headers, own: Mapping[str, str]) -> Headers:
    content_type = given.get(own.get("content-type", ""), ("",))[0].partition(";")[0].strip().lower()
    return _OF_DATA if content_type in _DATA else {}


def cors_headers(policy: Any, origin: str | None) -> Headers | None:  # noqa: ANN401 - a setting
    """Return the headers that say whether a page of this origin may read the answer.

    An origin is compared as browsers write it, whole; ``null``, which many pages share, is nobody's. What is
    no policy allows nobody.

    Args:
        policy: the setting ``cors``, None without one.
        origin: the request's header, None without one.

    Returns:
        None where there is no policy.
    """
    if policy is None:
        return None
    vary: Headers = {"Vary": ("Origin",)}
    if origin in _NOBODYS or origin not in _origins(policy):
        return vary
    credentials = {"Access-Control-Allow-Credentials": ("true",)} if policy.get("credentials") is True else {}
    return {_ALLOW_ORIGIN: (origin,), **_ALLOWED, **credentials, **vary}


def _origins(policy: Any) -> list[str] | tuple[str, ...]:  # noqa: ANN401 - a setting
    origins = policy.get("origins") if isinstance(policy, Mapping) else None
    return origins if isinstance(origins, list | tuple) else ()
