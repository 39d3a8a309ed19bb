"""An HTTP request and its response on their way through the proxy."""

import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedIOBase
from typing import Any, Self

BLOCK = 65_536

type Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; ``target`` is path and query string, unchanged, and ``body`` without chunks."""

    method: str
    target: str
    fields: Fields
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query string."""
        return self.target.partition("?")[0]

    @property
    def is_handshake(self) -> bool:
        """Whether it asks for a WebSocket: RFC 6455, section 4.1."""
        return self.header("upgrade").lower() == "websocket"

    def header(self, name: str) -> str:
        """Return the first value of a header, named in lower case; empty if absent."""
        return _header(self.fields, name)

    def with_fields(self, **fields: str) -> Self:
        """Return the request with these headers, ``_`` for ``-``, in place of those of the same names."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        kept = [field for field in self.fields if field[0].lower() not in named]
        return replace(self, fields=[*kept, *named.items()])


class Response:
    """A response; its body is read when somebody asks for it, else it goes out piece by piece as it comes."""

    def __init__(self, status: int, fields: Fields, body: bytes | http.client.HTTPResponse = b"") -> None:
        self.status = status
        self.fields = fields
        self._body = body

    @classmethod
    def of_json(cls, status: int, value: object, **fields: str) -> Self:
        """Return a response with a JSON body; header names have ``_`` for ``-``."""
        named = {"content_type": "application/json", **fields}
        headers = [(name.replace("_", "-"), text) for name, text in named.items()]
        return cls(status, headers, json.dumps(value).encode())

    def header(self, name: str) -> str:
        """See ``Request``."""
        return _header(self.fields, name)

    @property
    def is_success(self) -> bool:
        """Whether the status is below 300."""
        return self.status < 300

    @property
    def body(self) -> bytes:
        """All of the body."""
        if not isinstance(self._body, bytes):
            self._body = self._body.read()
        return self._body

    @property
    def length(self) -> int | None:
        """The body's length in bytes, None where only its end will tell."""
        return len(self._body) if isinstance(self._body, bytes) else self._body.length

    def blocks(self) -> Iterator[bytes]:
        """Return the body in pieces."""
        return iter([self._body]) if isinstance(self._body, bytes) else blocks_of(self._body)

    def json(self) -> Any:  # noqa: ANN401 - any document
        """Return the body's JSON value."""
        return json.loads(self.body)

    def with_json(self, value: object) -> Self:
        """Return the response with another JSON body, and without what DynamoDB says of the old one."""
        fields = [field for field in self.fields if field[0].lower() != "x-amz-crc32"]
        return type(self)(self.status, fields, json.dumps(value).encode())


def blocks_of(source: BufferedIOBase) -> Iterator[bytes]:
    """Return what a source has, in pieces as they come."""
    return iter(partial(source.read1, BLOCK), b"")


def _header(fields: Fields, name: str) -> str:
    return next((value for each, value in fields if each.lower() == name), "")
