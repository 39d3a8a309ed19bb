"""Which revision of MCP a request is of, and what its headers have to say of it.

A *modern* revision says version and capabilities with each request, and mirrors some of the body in headers;
a *legacy* one begins with ``initialize``, here without a session:
modelcontextprotocol.io/specification/2026-07-28/basic/versioning and .../basic/transports/streamable-http.
"""

import re
from base64 import b64decode

from silvaengine.authorization.events import Headers
from silvaengine.named_tuple import NamedTuple
from silvaengine_http.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    Members,
    Message,
    RpcError,
)

MODERN = ("2026-07-28",)
LEGACY = ("2025-11-25", "2025-06-18")
SUPPORTED = (*MODERN, *LEGACY)
SERVER = "io.modelcontextprotocol/serverInfo"
TASKS = "io.modelcontextprotocol/tasks"

_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_REQUIRED = {_VERSION: str, _CAPABILITIES: dict}
_MIRRORED = {"tools/call": "name", "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}
_ENCODED = "=?base64?", "?="
_PLAIN = re.compile(r"[\t\x20-\x7e]*")


class Revision(NamedTuple):
    """A request's revision, and what its client can do, which only modern ones say."""

    version: str
    capabilities: Members

    @property
    def is_modern(self) -> bool:
        """Whether each request says its version itself."""
        return self.version in MODERN

    @property
    def takes_tasks(self) -> bool:
        """Whether the client takes a task instead of a result."""
        extensions = self.capabilities.get("extensions")
        return isinstance(extensions, dict) and TASKS in extensions

    def require_tasks(self) -> None:
        """Check that a modern client takes tasks; raises RpcError."""
        if self.is_modern and not self.takes_tasks:
            needed: Members = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
            raise RpcError(MISSING_CAPABILITY, "Missing required client capability", needed)


def read_revision(message: Message, headers: Headers) -> Revision:
    """Return the revision of a request, or of a notification, by its body and headers.

    Raises:
        RpcError: it isn't served, or the headers don't say what the body says.
    """
    header, meta = headers.get("mcp-protocol-version"), message.meta
    is_modern = _VERSION in meta or header in MODERN
    if header is None and not is_modern and message.method == "initialize":
        return Revision(LEGACY[-1], {})
    if header is None:
        raise _mismatch("MCP-Protocol-Version", header, None)
    if not is_modern or message.id is None:
        _check_supported(header)
        return Revision(header, {})
    if missing := [name for name, kind in _REQUIRED.items() if not isinstance(meta.get(name), kind)]:
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}")
    version = meta[_VERSION]
    if header != version:
        raise _mismatch("MCP-Protocol-Version", header, version)
    _check_mirrors(message, headers)
    _check_supported(version)
    return Revision(version, meta[_CAPABILITIES])


def negotiated(version: object) -> str:
    """Return the version in which ``initialize`` is answered: the client's, or the newest of its kind."""
    return version if isinstance(version, str) and version in LEGACY else LEGACY[0]


def _check_supported(version: object) -> None:
    if version not in SUPPORTED:
        data = {"supported": SUPPORTED, "requested": version}
        raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def _check_mirrors(message: Message, headers: Headers) -> None:
    """Check the headers by which intermediaries route a request; raises RpcError."""
    if headers.get("mcp-method") != message.method:
        raise _mismatch("Mcp-Method", headers.get("mcp-method"), message.method)
    name = _MIRRORED.get(message.method)
    value = name and message.params.get(name)
    if isinstance(value, str) and _decoded(headers.get("mcp-name")) != value:
        raise _mismatch("Mcp-Name", headers.get("mcp-name"), value)


def _decoded(header: str | None) -> str | None:
    """Return a header's value, which is base64 where it isn't plain ASCII; None for one that is malformed."""
    begin, end = _ENCODED
    if header is None or not _PLAIN.fullmatch(header):
        return None
    if not (header.startswith(begin) and header.endswith(end)):
        return header
    try:
        return b64decode(header[len(begin) : -len(end)], validate=True).decode()
    except ValueError:
        return None


def _mismatch(name: str, header: object, value: object) -> RpcError:
    said = "is missing" if header is None else f"{header!r} does not match the body's {value!r:.128}"
    return RpcError(HEADER_MISMATCH, f"Header mismatch: {name} {said}")
