"""A collector of OpenTelemetry's on this machine, which takes what the protocol's own schema takes."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = {"traceId", "spanId", "parentSpanId"}


class Collector:
    """Keeps the spans that it got, each with its resource's attributes, and the headers of each request."""

    def __init__(self) -> None:
        self.spans: list[tuple[dict[str, Any], Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.answer: dict[str, Any] = {}

    def take(self, body: bytes) -> None:
        """Parse a request; raises ParseError for what has other members or values than the schema."""
        message = json_format.ParseDict(_with_base64(json.loads(body)), ExportTraceServiceRequest())
        for resource in message.resource_spans:
            about = attributes(resource.resource)
            self.spans += [(about, span) for scope in resource.scope_spans for span in scope.spans]


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a resource, span or event, whose values are of different kinds."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def _with_base64(value: Any) -> Any:
    """Return a request with its ids as protobuf's JSON has bytes: OTLP's has them as hex digits.

    opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
    """
    if isinstance(value, list):
        return [_with_base64(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: b64encode(bytes.fromhex(each)).decode() if name in IDS else _with_base64(each)
        for name, each in value.items()
    }


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector on a free port; a request that it can't parse is answered with 400."""
    collected = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.headers.append({name.lower(): value for name, value in self.headers.items()})
            try:
                assert self.path == "/v1/traces"
                collected.take(body)
                status = 200
            except (json_format.ParseError, ValueError, AssertionError):
                status = 400
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(collected.answer).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collected.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield collected
        finally:
            server.shutdown()
