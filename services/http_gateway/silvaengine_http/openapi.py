"""The operation ``openapi.json``: what the caller's key may call, as an OpenAPI document."""

from collections.abc import Container
from typing import Any

from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError, method_not_allowed
from silvaengine.lru import LruCache
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import SYNC_LIMIT
from silvaengine.registry.model import KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_http.headers import JSON
from silvaengine_http.openapi_document import Scope, build_document
from silvaengine_http.request import Request
from silvaengine_http.response import RESPONSE_OVERHEAD, Response

SETTING = "openapi"
KEPT_SECONDS = 600.0


class OpenApi:
    """Serves the documents, and keeps them in memory by the registry's generation.

    Args:
        registry: has the rows of the functions.
        full_event_areas: areas whose functions get whole events.
    """

    def __init__(self, registry: Registry, full_event_areas: Container[str]) -> None:
        self._registry = registry
        self._full_event_areas = full_event_areas
        self._documents = LruCache(KEPT_SECONDS, registry.budget)

    def serve(self, request: Request, key_access: KeyAccess) -> Response:
        """Return the document of a request's area and key, or 304 to a client that has it.

        Raises:
            NotFoundError: the endpoint's settings switch it off.
            RequestError: 405, or 403, the key has no functions in the area.
        """
        area, endpoint_id = request.route.area, request.route.endpoint_id
        if key_access.settings.get(SETTING) is False:
            raise NotFoundError(f"Endpoint {endpoint_id!r} has no openapi.json")
        if request.method not in {"GET", "HEAD"}:
            raise method_not_allowed("openapi.json", request.method, ["GET"])
        key = (self._registry.generation, endpoint_id, key_access.api_key, area, request.stage)
        etag, text = self._documents.get_or_load(key, lambda: self._build(key_access, area))
        # It depends on the key, so that no shared cache may have it: RFC 9111, section 5.2.2.7.
        headers = {"ETag": (etag,), "Cache-Control": ("private, no-cache",)}
        if etag in _etags(request.headers.get("if-none-match", "")):
            return Response(304, "", headers)
        return Response(200, text, {**JSON, **headers})

    def _build(self, key_access: KeyAccess, area: str) -> tuple[str, str]:
        # Relative, since clients reach the API by domains of their own; without a slash at its end.
        server = f"../{key_access.endpoint_id}"
        document = document_of(
            self._registry, key_access, area, server, is_raw=area in self._full_event_areas
        )
        text = encode(document)
        if len(text.encode()) > SYNC_LIMIT - RESPONSE_OVERHEAD:
            raise SilvaEngineError(
                "The document is larger than a response may be; `silvaengine openapi` writes it to a file"
            )
        return f'"{document["info"]["version"]}"', text


def document_of(
    registry: Registry, key_access: KeyAccess, area: str, server: str, *, is_raw: bool
) -> dict[str, Any]:
    """Return a key's document; raises RequestError 403 where it has no functions in the area.

    Args:
        registry: has the rows of the functions.
        key_access: what the key opens, with the gateway's settings of the area.
        area: the functions'.
        server: the URL of area and endpoint, which may be relative to the document's.
        is_raw: whether the area's functions get whole events.
    """
    scope = Scope(
        endpoint_id=key_access.endpoint_id,
        area=area,
        has_key=key_access.api_key != DEFAULT_API_KEY,
        settings=key_access.settings,
        may_see_jobs=key_access.may("jobs"),
        has_limits=bool(key_access.limits),
        is_raw=is_raw,
    )
    document = build_document(scope, registry.function_rows(key_access), server)
    if document is None:
        raise RequestError(f"This API key has no functions in area {area!r}", status=403)
    return document


def _etags(header: str) -> list[str]:
    """Return the tags of If-None-Match, which are compared weakly: RFC 9110, section 13.1.2."""
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]
