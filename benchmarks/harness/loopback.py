"""An AWS on loopback that answers at once over TLS, so that what is measured is the client.

It knows Invoke, posts to WebSocket connections, and DynamoDB's reads. It checks no signature and has a thread
for each connection. Answers are made before they are asked for, as far as that goes.
"""

import json
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from silvaengine.aws.attribute_values import encode
from silvaengine.tables import TABLES, Table

type Rows = Mapping[Table, Sequence[Mapping[str, Any]]]

END = b"\r\n\r\n"
PAGE_BYTES = 1_000_000
SECRET = "secret"  # noqa: S105 - nobody's


@dataclass(frozen=True, slots=True)
class Loopback:
    """A running server: its address, and the certificate that a client has to trust."""

    url: str
    certificate: Path
    responses: "Answers"

    def environment(self, *ca_file: Path) -> dict[str, str]:
        """Return what leads any AWS client here; it trusts this server besides its usual authorities."""
        bundle = self.certificate.with_name("bundle-" + "-".join(path.stem for path in ca_file) + ".pem")
        bundle.write_text("\n".join(path.read_text() for path in (*ca_file, self.certificate)))
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(bundle),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token" * 60,  # a role's token has some hundred characters
            "AWS_LAMBDA_FUNCTION_NAME": "gateway",
            "REGISTRY_REFRESH_SECONDS": "3600",  # else a look falls into some counted calls
            "_X_AMZN_TRACE_ID": "Root=1-67000000-000000000000000000000000;Parent=53995c3f42cd8ad8;Sampled=0",
        }


@contextmanager
def loopback(rows: Rows, result: object) -> Iterator[Loopback]:
    """Serve tables with these rows, and Invokes with this result, for the length of the block."""
    with TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        certificate, key = Path(folder, "server.pem"), Path(folder, "key.pem")
        make_certificate(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        responses = Answers(rows, result)
        Thread(target=_accept, args=(listener, context, responses), daemon=True).start()
        yield Loopback(f"https://127.0.0.1:{listener.getsockname()[1]}", certificate, responses)


def make_certificate(certificate: Path, key: Path) -> None:
    """Make a certificate for 127.0.0.1 that signs itself, of the kind that AWS's servers have."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)


class Answers:
    """The server's responses; it notes when posts came (``perf_counter_ns``), and counts operations."""

    def __init__(self, rows: Rows, result: object) -> None:
        self._invoked = _response(json.dumps(result).encode())
        self._items = {
            ("se-" + table.name, *table.key_of(row)): {name: encode(value) for name, value in row.items()}
            for table, members in rows.items()
            for row in members
        }
        self._key_names = {"se-" + table.name: table.key_names for table in TABLES}
        self._known: dict[tuple[bytes, bytes], bytes] = {}
        self._nothing = _response(b"")
        self.posts: list[int] = []
        self.requests: Counter[str] = Counter()

    def response(self, head: bytes, body: bytes) -> bytes:
        """Return the response to a request."""
        if head.startswith(b"POST /2015-03-31/functions/"):
            self.requests["Invoke"] += 1
            return self._invoked
        if b"connections/" in head.partition(b"\r\n")[0]:
            self.posts.append(time.perf_counter_ns())
            self.requests["PostToConnection"] += 1
            return self._nothing
        operation = _header(head, b"x-amz-target").rpartition(b".")[2]
        self.requests[operation.decode()] += 1
        known = self._known.get((operation, body))
        if known is None:
            text = json.dumps(self._read(operation.decode(), json.loads(body)))
            known = self._known[operation, body] = _response(text.encode())
        return known

    def _read(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "GetItem":
                item = self._item(request["TableName"], request["Key"])
                return {"Item": item} if item else {}
            case "BatchGetItem":
                wanted = request["RequestItems"]
                found = {name: [self._item(name, key) for key in wanted[name]["Keys"]] for name in wanted}
                return {"Responses": {name: list(filter(None, items)) for name, items in found.items()}}
            case "Query":
                return self._page(request)
            case "GetSecretValue":
                return {"SecretString": SECRET}
            case _:
                raise ValueError(operation)

    def _page(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the next rows of a partition, 1 MB of them (API_Query.html); filters let all through."""
        name, mark = request["TableName"], request["KeyConditionExpression"].split()[2]
        value = request["ExpressionAttributeValues"][mark]["S"]
        found = [item for key, item in self._items.items() if key[:2] == (name, value)]
        begin = int(request.get("ExclusiveStartKey", {}).get("at", {}).get("N", 0))
        size, end = 0, begin
        while end < len(found) and size < PAGE_BYTES:
            size += len(json.dumps(found[end]))
            end += 1
        following = {"LastEvaluatedKey": {"at": {"N": str(end)}}} if end < len(found) else {}
        return {"Items": found[begin:end], "Count": end - begin, **following}

    def _item(self, name: str, key: dict[str, dict[str, str]]) -> dict[str, Any] | None:
        return self._items.get((name, *(key[member]["S"] for member in self._key_names[name])))


def _accept(listener: socket.socket, context: ssl.SSLContext, responses: Answers) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        Thread(target=_serve, args=(connection, context, responses), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext, responses: Answers) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with context.wrap_socket(connection, server_side=True) as stream:
            pending = b""
            while True:
                while END not in pending:
                    received = stream.recv(65536)
                    if not received:
                        return
                    pending += received
                head, _, pending = pending.partition(END)
                length = int(_header(head, b"content-length") or 0)
                while len(pending) < length:
                    pending += stream.recv(65536)
                body, pending = pending[:length], pending[length:]
                stream.sendall(responses.response(head, body))
    except OSError:
        return


def _header(head: bytes, name: bytes) -> bytes:
    _, _, rest = head.lower().partition(b"\r\n" + name + b":")
    start = len(head) - len(rest)
    return head[start:].partition(b"\r\n")[0].strip() if rest else b""


def _response(body: bytes) -> bytes:
    """Return a response with about the headers that AWS sends."""
    return (
        b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nConnection: keep-alive\r\n"
        b"x-amzn-RequestId: 3ec8fe6e-0000-4000-8000-c5b0a5a0c0de\r\nX-Amzn-Remapped-Content-Length: 0\r\n"
        b"X-Amz-Executed-Version: $LATEST\r\n"
        b"X-Amzn-Trace-Id: Root=1-67000000-000000000000000000000000;Sampled=0\r\n\r\n%b" % (len(body), body)
    )
