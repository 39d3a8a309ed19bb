"""A connection's beginning and end: who may connect, and the row that tells of it.

Any doubt and any failure refuses the handshake, so that a socket that opens is one that may call.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.registry import Connection, Registry
from silvaengine_websocket.connections import Connections
from silvaengine_websocket.event import Handshake, Members, Socket

type Authorize = Callable[[Members, Handshake, Connection], "Principal"]


class Principal(NamedTuple):
    """Who connects: a name, and what else the authorizer says, as texts."""

    name: str
    claims: Mapping[str, str] = {}


class Lifecycle(NamedTuple):
    """Lets clients in and out.

    Args:
        registry: knows what a key opens.
        connections: holds the rows.
        authorize: names the principal, or raises what refuses it.

    """

    registry: Registry
    connections: Connections
    authorize: Authorize

    def admit(self, event: Members, handshake: Handshake) -> dict[str, Any]:
        """Give the policy that lets a handshake through and fixes what is known of the connection.

        Raises:
            SilvaEngineError: it is refused.

        """
        self.registry.refresh()
        connection = self.registry.connection(
            handshake.endpoint_id, handshake.api_key, handshake.area, handshake.stage or None
        )
        if handshake.area not in self.registry.areas(connection):
            message = f"The connection has no function in area {handshake.area!r}"
            raise RequestError(message, status=403)
        principal = self.authorize(event, handshake, connection)
        pinned = {
            **principal.claims,
            "endpoint_id": handshake.endpoint_id,
            "area": handshake.area,
            "api_key": handshake.api_key,
            "connection_id": handshake.connection_id,
        }
        return policy("Allow", handshake.method_arn, principal.name, pinned)

    def connect(self, socket: Socket) -> None:
        """Write the row of a connection that was let in; raises what ``Connections.begin`` raises."""
        self.connections.begin(socket)

    def disconnect(self, socket: Socket) -> None:
        """End the row; raises what ``Connections.end`` raises."""
        self.connections.end(socket)


def by_key(event: Members, handshake: Handshake, connection: Connection) -> Principal:  # noqa: ARG001 - see Authorize
    """Name whoever has a key after the connection that it opens."""
    return Principal(f"{connection.owner}:{connection.endpoint_id}")


def policy(effect: str, method_arn: str, principal: str, context: Mapping[str, str]) -> dict[str, Any]:
    """Answer an authorizer call, for the handshake that it is about and nothing else."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [method_arn]}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }
