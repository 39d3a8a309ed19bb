"""Where clients get a token for an endpoint, as RFC 9728 has it: metadata of the protected resource.

modelcontextprotocol.io/specification/2026-07-28/basic/authorization. The metadata are below the server's own
path, and at the well-known one, which reaches the gateway where the API has no stage in its paths.
"""

from collections.abc import Callable

from silvaengine.authorization.authorizers import SETTING
from silvaengine.authorization.events import Members
from silvaengine.authorization.key_sets import user_pool_issuer
from silvaengine.errors import RequestError, SilvaEngineError, method_not_allowed
from silvaengine.named_tuple import NamedTuple
from silvaengine.registry.model import Values
from silvaengine_http.request import Request
from silvaengine_http.response import Response, json_response

METADATA = ".well-known/oauth-protected-resource"

type FindSettings = Callable[[str, str, str | None], Values]


class TokenSource(NamedTuple):
    """The issuer of an endpoint's tokens, and the scopes that they need."""

    issuer: str
    scopes: tuple[str, ...]


def token_source(settings: Values) -> TokenSource | None:
    """Return where tokens for an endpoint come from, by its gateway settings; None where it takes none."""
    options = settings.get(SETTING)
    if not isinstance(options, dict):
        return None
    scopes = options.get("scopes") or ()
    named = (scopes,) if isinstance(scopes, str) else tuple(map(str, scopes))
    match options.get("type"):
        case "jwt" if options.get("issuer"):
            return TokenSource(str(options["issuer"]), named)
        case "cognito" if options.get("user_pool"):
            return TokenSource(user_pool_issuer(str(options["user_pool"])).name, named)
    return None


def metadata_response(event: Members, request: Request, find_settings: FindSettings) -> Response | None:
    """Return an endpoint's metadata; None where the request asks for none, or the endpoint takes no tokens.

    ``find_settings`` returns the gateway settings of an endpoint, an area and a stage.
    """
    route, url = request.route, server_url(event, request)
    area, endpoint_id, is_asked = route.area, route.endpoint_id, route.path == METADATA
    if f"{area}/{endpoint_id}" == METADATA:
        endpoint_id, _, name = route.path.partition("/")
        area, url, is_asked = route.function, url.replace(f"/{METADATA}", "", 1), name == "mcp"
    source = token_source(find_settings(endpoint_id, area, request.stage)) if is_asked else None
    if source is None:
        return None
    if request.method not in {"GET", "HEAD"}:
        raise method_not_allowed("The metadata", request.method, ["GET"])
    metadata: dict[str, object] = {
        "resource": url,
        "authorization_servers": [source.issuer],
        "bearer_methods_supported": ["header"],
    }
    if source.scopes:
        metadata["scopes_supported"] = source.scopes
    return json_response(metadata)


def challenged(
    error: SilvaEngineError, event: Members, request: Request, source: TokenSource
) -> SilvaEngineError:
    """Return a refusal of a token, or of none, that says where to get one: RFC 9728, section 5.1.

    So it does which scopes it needs: RFC 6750, section 3.
    """
    scheme, _, said = error.headers["WWW-Authenticate"].partition(" ")
    words = [said] if said else []
    if source.scopes and "scope=" not in said:
        words.append(f'scope="{" ".join(source.scopes)}"')
    words.append(f'resource_metadata="{server_url(event, request)}/{METADATA}"')
    headers = {**error.headers, "WWW-Authenticate": f"{scheme} {', '.join(words)}"}
    return RequestError(error.message, status=error.status, headers=headers, detail=error.detail)


def server_url(event: Members, request: Request) -> str:
    """Return the server's URL as its client reaches it, with what the path has of stage and mapping."""
    context, headers = request.context, request.headers
    path = context.get("path") or event.get("rawPath") or event.get("path")
    scheme = headers.get("x-forwarded-proto", "https")
    host = headers.get("host") or context.get("domainName")
    return f"{scheme}://{host}{str(path).rstrip('/').removesuffix(f'/{METADATA}')}"
