"""A browser without a window: it keeps cookies, and says as browsers do where a request comes from."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


class Visitor:
    """Somebody who has opened the console's address.

    Args:
        address: with its token.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host = parts.netloc
        self.token = parts.query.removeprefix("token=")
        self.cookie = ""
        self.opened = self.send("GET", f"{parts.path}?{parts.query}")
        self.cookie = self.opened.headers.get("set-cookie", "").partition(";")[0]

    def get(self, path: str) -> Answer:
        """Return a page."""
        return self.send("GET", path)

    def post(self, path: str, **fields: str) -> Answer:
        """Send the form of the page at this address, whose hidden field is sent, too."""
        found = re.search('name="csrf" value="([^"]*)"', self.get(path).text)
        fields |= {"csrf": found[1]} if found else {}
        return self.send("POST", path, urlencode(fields), origin=f"http://{self.host}")

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """Send a request with these headers, beside Host and Cookie unless they are among them."""
        with self._request(method, path, body, headers) as response:
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read().decode())

    @contextmanager
    def listen(self, path: str, **headers: str) -> Iterator[HTTPResponse]:
        """Yield the response of a page's live part, which ends when the block does."""
        with self._request("GET", path, None, headers) as response:
            yield response

    @contextmanager
    def _request(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> Iterator[HTTPResponse]:
        connection = HTTPConnection(self.host, timeout=30)
        connection.request(method, path, body, {"Host": self.host, "Cookie": self.cookie, **headers})
        with closing(connection):
            yield connection.getresponse()
