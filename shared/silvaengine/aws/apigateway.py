"""The management API of WebSocket APIs, which sends messages to connected clients.

docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html.
"""

from silvaengine.aws.client import AwsClient, error_of, open_client, percent_encode
from silvaengine.aws.errors import TOO_MANY, BusyError, no_response, to_error
from silvaengine.aws.http import NoResponseError
from silvaengine.errors import NotFoundError, RequestError

SEND_SECONDS = 2.0
GONE = 410
TOO_LARGE = 413


class ConnectionsApi:
    """Posts to the connections of one WebSocket API, by the client for its URL and stage."""

    def __init__(self, client: AwsClient) -> None:
        self._client = client

    def post(self, connection_id: str, data: bytes) -> None:
        """Send at most 128 KB to a client, once: after a failure they may have arrived.

        Raises:
            NotFoundError: 410, the client is gone.
            RequestError: 413, the data are too large.
            BusyError: nothing was sent: too many posts at the moment, a full client buffer, or no connection.
            UnavailableError: API Gateway failed, or gave no response.
            ConfigurationError: any other refusal.
        """
        path = f"/%40connections/{percent_encode(connection_id)}"
        headers = {"content-type": "application/octet-stream"}
        try:
            response = self._client.post(path, headers, data, SEND_SECONDS)
        except NoResponseError as error:
            raise no_response("PostToConnection", error) from error
        if response.status < 300:
            return
        if response.status == GONE:
            raise NotFoundError("The client has disconnected", status=GONE)
        if response.status == TOO_LARGE:
            raise RequestError("The message is too large", status=TOO_LARGE)
        code, message = error_of(response)
        if response.status == TOO_MANY:
            raise BusyError("The client is receiving too many messages", detail=f"{code}: {message}")
        raise to_error("PostToConnection", code, message, response.status)


def open_connections_api(region: str, url: str) -> ConnectionsApi:
    """Return the management API at a URL, such as ``https://{api}.execute-api.{region}.amazonaws.com/beta``."""
    return ConnectionsApi(open_client("execute-api", region, url))
