"""A small HTTP client for the deployed API: what is asked for goes out as it is, no path is tidied."""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Api:
    """The REST API of a deployed stack, at its output `ApiUrl`."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Send a GET."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Response:
        """Send a POST with a JSON body."""
        sent = {"content-type": "application/json", **(headers or {})}
        return self.request("POST", path, body=json.dumps(body).encode(), headers=sent)

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send `path` (after the stage, with its query) unchanged. A response takes at most 40 seconds."""
        return self._send(method, path, list((headers or {}).items()), body)

    def get_repeating(self, path: str, fields: Sequence[tuple[str, str]]) -> Response:
        """Send a GET whose headers may repeat a name."""
        return self._send("GET", path, fields, None)

    def _send(
        self, method: str, path: str, fields: Sequence[tuple[str, str]], body: bytes | None
    ) -> Response:
        is_tls = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=40)
        try:
            connection.putrequest(method, self._url.path + path)
            for name, value in fields:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, names, response.read())
        finally:
            connection.close()
