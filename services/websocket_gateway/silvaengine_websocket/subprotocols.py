"""The subprotocol that a handshake is answered with, of those that the client asks for.

Without an answer a browser fails the connection (websockets.spec.whatwg.org, section 2.1). API Gateway takes
it from the headers of ``$connect``'s response:
docs.aws.amazon.com/apigateway/latest/developerguide/websocket-connect-route-subprotocol.html.
"""

from collections.abc import Mapping
from typing import Any

from silvaengine.authorization.events import Members, read_tokens
from silvaengine_websocket.event import read_event_headers

SUBPROTOCOLS_SETTING = "subprotocols"

_HEADER = "Sec-WebSocket-Protocol"


def subprotocol_headers(event: Members, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that answer a handshake's wish for a subprotocol, none where none is answered.

    It is the client's first that the endpoint's setting ``subprotocols`` lists, and without that setting its
    first.
    """
    listed = settings.get(SUBPROTOCOLS_SETTING)
    headers = read_event_headers(event)
    for name in read_tokens(headers.get(_HEADER.lower(), "")):
        if listed is None or (isinstance(listed, list | tuple) and name in listed):
            return {_HEADER: name}
    return {}
