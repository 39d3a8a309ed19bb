"""The headers of every answer: who may read it in a browser, and what a browser may do with it.

A tenant's gateway settings list the origins whose pages may read its answers::

    cors: {origins: ["https://app.example.com"], credentials: true}

Without that setting every origin may, without credentials, as the contract has it. CORS:
fetch.spec.whatwg.org, section 3.2; the others: cheatsheetseries.owasp.org, REST Security.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from silvaengine.errors import SilvaEngineError
from silvaengine_http.call import HttpCall

if TYPE_CHECKING:
    from silvaengine.registry.registry import Registry
    from silvaengine_http.path import Route

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
SECURITY_HEADERS: Headers = {
    "Cache-Control": ("no-store",),  # a cache on the way doesn't know that an API key tells answers apart
    "Referrer-Policy": ("no-referrer",),
    "Strict-Transport-Security": ("max-age=31536000",),
    "X-Content-Type-Options": ("nosniff",),
}
JSON: Headers = {CONTENT_TYPE: ("application/json",)}
YAML: Headers = {CONTENT_TYPE: ("application/x-yaml",)}
BYTES: Headers = {CONTENT_TYPE: ("application/octet-stream",)}

_DATA_TYPES = ("application/json", "application/x-yaml")  # no documents: nothing in them runs or is framed
_CONTENT_POLICY: Headers = {"Content-Security-Policy": ("default-src 'none'; frame-ancestors 'none'",)}

_OPAQUE_ORIGINS = ("null", "*")  # many pages have the first, and the second is no origin


def merge_headers(*several: Headers) -> dict[str, tuple[str, ...]]:
    """Merge headers, whatever the case of their names; later ones win."""
    merged = {name.lower(): (name, values) for headers in several for name, values in headers.items()}
    return dict(merged.values())


def with_defaults(own: Headers, request_id: str, cors: Headers | None) -> dict[str, tuple[str, ...]]:
    """Return an answer's headers and those of every answer; the answer's own win.

    Args:
        own: the answer's own.
        request_id: replaces any that the answer has.
        cors: the tenant's policy, which the answer's own don't overrule; None for the contract's.
    """
    by_name = {name.lower(): values for name, values in own.items()}
    content_type = by_name.get("content-type", ("",))[0].partition(";")[0].strip().lower()
    content_policy = _CONTENT_POLICY if content_type in _DATA_TYPES else {}
    ours = {REQUEST_ID: (request_id,)}
    if cors is None:
        return merge_headers(CORS, SECURITY_HEADERS, content_policy, own, ours)
    kept = {name: values for name, values in own.items() if not name.lower().startswith("access-control-")}
    vary = {"Vary": (*by_name.get("vary", ()), *cors["Vary"])}
    return merge_headers(SECURITY_HEADERS, content_policy, kept, cors, vary, ours)


def cors_of(call: HttpCall, registry: "Registry") -> Headers | None:
    """Return the headers of the tenant's CORS policy; None where the contract's apply.

    A refused request may have no key and a preflight has none, so that their policy is found by the path.
    """
    if call.key_access is not None:
        policy = call.key_access.settings.get(CORS_SETTING)
        return None if policy is None else cors_headers(policy, call.cors_request().origin)
    origin, route, stage = call.cors_request()
    if origin is None or route is None:
        return None
    return cors_headers(_policy_of_path(registry, route, stage), origin)


def _policy_of_path(registry: "Registry", route: "Route", stage: str | None) -> object:
    try:
        registry.refresh()
        return registry.gateway_settings(route.endpoint_id, route.area, stage).get(CORS_SETTING)
    except SilvaEngineError:  # the answer is about this or an earlier error
        return {}


def cors_headers(policy: object, origin: str | None) -> Headers | None:
    """Return the headers that say whether a page of this origin may read the answer.

    An origin is compared as browsers write it, whole; ``null``, which many pages share, is never allowed. A
    malformed policy allows none.

    Args:
        policy: the setting ``cors``, None without one.
        origin: the request's header, None without one.

    Returns:
        None where there is no policy.
    """
    if policy is None:
        return None
    vary: Headers = {"Vary": ("Origin",)}
    members = policy if isinstance(policy, Mapping) else {}
    origins = members.get("origins")
    if origin is None or origin in _OPAQUE_ORIGINS or not isinstance(origins, list | tuple):
        return vary
    if origin not in origins:
        return vary
    headers = {_ALLOW_ORIGIN: (origin,), **_ALLOWED, **vary}
    if members.get("credentials") is True:
        headers["Access-Control-Allow-Credentials"] = ("true",)
    return headers
