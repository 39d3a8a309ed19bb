"""API Gateway's WebSocket events as frozen values: a handshake, and the context of an open socket.

docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html. The
authorizer's context comes with every later event of the same connection, so that no message reads a row. An
API without an authorizer, as the predecessor's are, gets it from ``$connect`` and the row.
"""

from collections.abc import Mapping

from silvaengine.authorization.events import (
    API_KEY,
    GatewayEvent,
    Headers,
    Members,
    read_api_key,
    read_headers,
    read_stage,
)
from silvaengine.errors import RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine_websocket.message import MessageRef

NAME_LIMIT = 255  # bytes of an endpoint's and of an area's name

# Members of the authorizer's context that only this gateway sets, whatever an authorizer returns.
PINNED = ("endpoint_id", "area", "api_key", "connection_id")

_ROUTES = {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}  # by requestContext.eventType
_NO_MESSAGES = frozenset(_ROUTES.values())


class Handshake(NamedTuple):
    """A client's request for a connection.

    ``context`` is the event's requestContext, ``stage`` is the API's.
    """

    connection_id: str
    endpoint_id: str
    area: str
    api_key: str
    stage: str | None
    headers: Headers
    context: Members

    def pinned(self, row_key: str) -> dict[str, str]:
        """Return what stays fixed while the socket is open; ``row_key`` is what the key's row is named by."""
        return {name: getattr(self, name) for name in PINNED} | {"api_key": row_key}


class SocketContext(NamedTuple):
    """An open connection, as its handshake fixed it.

    ``api_key`` is what the key's row is named by: for a key with a secret its id.
    ``claims`` are the authorizer's other text members, ``context`` is the event's requestContext as functions
    get it: without the key.
    """

    connection_id: str
    endpoint_id: str
    area: str
    api_key: str
    stage: str | None
    principal: str
    claims: Mapping[str, str]
    context: Members


class SocketEvent(GatewayEvent):
    """One event of the WebSocket API, and what becomes known of it for a refusal.

    ``socket`` is the connection that it comes from; ``ref`` is empty until a message was parsed.
    """

    socket: SocketContext
    ref = MessageRef()


def read_route(event: Members) -> tuple[str, Members]:
    """Return an event's route, and the event under it, as hooks, authorizers and functions see it.

    Only its type says that a connection begins or ends: a client names the route of its message, as its
    ``action``, and may name any. Such a message is one of ``$default``.
    """
    context = _members(event, "requestContext")
    named = str(context.get("routeKey") or "")
    route = _ROUTES.get(str(context.get("eventType"))) or ("$default" if named in _NO_MESSAGES else named)
    return route, event if route == named else {**event, "requestContext": {**context, "routeKey": route}}


def is_authorized(event: Members) -> bool:
    """Return whether our authorizer has spoken of an event; what it said is ``read_context``'s to check."""
    return not _members(_members(event, "requestContext"), "authorizer").keys().isdisjoint(PINNED)


def with_authorizer(event: Members, said: Members) -> Members:
    """Return an event as it comes from an API with the authorizer, which said this."""
    return {**event, "requestContext": {**_members(event, "requestContext"), "authorizer": said}}


def read_connection_id(event: Members) -> str:
    """Return API Gateway's id of an event's connection; raises RequestError where it has none."""
    value = _members(event, "requestContext").get("connectionId")
    if not isinstance(value, str) or not value:
        raise RequestError("The event has no connectionId")
    return value


def read_event_headers(event: Members) -> Headers:
    """Return a handshake's headers as ``read_headers`` does."""
    return read_headers(_members(event, "headers"), _members(event, "multiValueHeaders"))


def read_handshake(event: Members) -> Handshake:
    """Read an authorizer call, or ``$connect``.

    Raises:
        RequestError: a query parameter is missing or too long; the message names it.

    """
    query = {
        name: value
        for name, value in _members(event, "queryStringParameters").items()
        if isinstance(value, str)
    }
    context = _members(event, "requestContext")
    headers = read_event_headers(event)
    return Handshake(
        connection_id=read_connection_id(event),
        endpoint_id=_name(query, "endpointId"),
        area=_name(query, "area"),
        api_key=read_api_key(context, headers, query.get(API_KEY)),
        stage=read_stage(context),
        headers=headers,
        context={**context, "channel": query["endpointId"], "area": query["area"]},
    )


def read_context(event: Members) -> SocketContext:
    """Read which connection an event comes from.

    Raises:
        RequestError: 403, the authorizer's context isn't this connection's.

    """
    context = _members(event, "requestContext")
    authorizer = _members(context, "authorizer")
    pinned = {name: authorizer.get(name) for name in PINNED}
    if not all(isinstance(value, str) and value for value in pinned.values()):
        raise RequestError("The connection was not authorized", status=403)
    if pinned["connection_id"] != context.get("connectionId"):
        raise RequestError("The authorization belongs to another connection", status=403)
    claims = {
        name: value for name, value in authorizer.items() if name not in PINNED and isinstance(value, str)
    }
    endpoint_id, area = str(pinned["endpoint_id"]), str(pinned["area"])
    public = {name: value for name, value in authorizer.items() if name != "api_key"}
    return SocketContext(
        str(pinned["connection_id"]),
        endpoint_id,
        area,
        str(pinned["api_key"]),
        read_stage(context),
        claims.get("principalId", ""),
        claims,
        {**context, "authorizer": public, "channel": endpoint_id, "area": area},
    )


def _name(query: Mapping[str, str], name: str) -> str:
    value = query.get(name)
    if not value:
        raise RequestError(f"The query parameter {name!r} is missing")
    if len(value.encode(errors="replace")) > NAME_LIMIT or not value.isprintable():
        raise RequestError(f"The query parameter {name!r} is not valid")
    return value


def _members(event: Members, name: str) -> Members:
    value = event.get(name)
    return value if isinstance(value, dict) else {}
