"""Messages as MCP clients send them, and functions as the registry describes them."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = "io.modelcontextprotocol/"

type Members = dict[str, Any]

# What each request of a modern client says of itself.
SAID: Members = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}}
TASKS: Members = {"extensions": {f"{META}tasks": {}}}

TICKET = {
    "title": "Ticket",
    "type": "object",
    "properties": {"title": {"type": "string"}, "parent": {"$ref": "#/$defs/Ticket"}},
    "required": ["title"],
}
DESCRIBED: Members = {
    "summary": "Comment on a ticket.",
    "description": "As long as it is open.",
    "parameters": {
        "type": "object",
        "properties": {"ticket_id": {"type": "integer"}, "text": {"type": "string"}},
        "required": ["ticket_id", "text"],
        "additionalProperties": False,
    },
    "headers": {"type": "object", "properties": {}, "required": []},
    "result": {"$ref": "#/$defs/Ticket", "$defs": {"Ticket": TICKET}},
    "errors": {"410": "It is closed."},
}


class Answer(NamedTuple):
    """What came back; ``body`` is decoded, None for none."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def result(self) -> Any:
        """The result of a request that got one."""
        assert self.status == 200, self
        return self.body["result"]

    @property
    def error(self) -> tuple[int, int]:
        """The HTTP status, and JSON-RPC's code."""
        return self.status, self.body["error"]["code"]


class McpClient:
    """Sends messages in a revision; ``capabilities`` are a modern client's."""

    def __init__(self, world: Any, event_of: Any) -> None:
        self._world = world
        self._event_of = event_of
        self.revision = MODERN
        self.capabilities: Members = {}
        self.api_key: str | None = "acme-key"
        self.endpoint = "acme"
        self.query: Mapping[str, str] | None = None
        self.is_base64 = False

    def request(self, method: str, params: Members | None = None, **headers: str | None) -> Answer:
        """Send a request; headers that are None are left out."""
        params = dict(params or {})
        sent: Members = {"mcp-protocol-version": self.revision}
        if self.revision == MODERN:
            params.setdefault("_meta", SAID | {f"{META}clientCapabilities": self.capabilities})
            name = params.get("name") or params.get("taskId")
            sent |= {"mcp-method": method, "mcp-name": name}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}, **sent)

    def call(self, name: str, arguments: Members | None = None, **more: Any) -> Answer:
        """Call a tool."""
        return self.request("tools/call", {"name": name, "arguments": arguments or {}}, **more)

    def send(
        self, body: Any, *, method: str = "POST", path: str = "", area: str = "core", **headers: str | None
    ) -> Answer:
        """Send a body as it is."""
        event = self._event_of()
        proxy = f"mcp{path}"
        event |= {
            "httpMethod": method,
            "path": f"/{area}/{self.endpoint}/{proxy}",
            "pathParameters": {"area": area, "endpoint_id": self.endpoint, "proxy": proxy},
            "headers": {
                name: value
                for name, value in {
                    "content-type": "application/json",
                    "host": "api.example.com",
                    **headers,
                }.items()
                if value is not None
            },
            "multiValueHeaders": None,
            "queryStringParameters": self.query,
            "multiValueQueryStringParameters": None,
            "body": body if isinstance(body, str) or body is None else json.dumps(body),
            "isBase64Encoded": self.is_base64,
        }
        event["requestContext"]["identity"]["apiKey"] = self.api_key
        event["requestContext"]["path"] = f"/beta/{area}/{self.endpoint}/{proxy}"
        response = self._world.handler(event, None)
        text = response["body"]
        return Answer(response["statusCode"], json.loads(text) if text else None, response["headers"])


def add_tool(world: Any, name: str, description: Members | None = None, **config: Any) -> None:
    """Add a function that is a tool, typed if it is described."""
    function = {key: config.pop(key) for key in ("auth_required", "funct_type") if key in config}
    methods = tuple(config.get("methods", ("POST",)))
    world.add(name, methods=methods, **function)
    said: Members = {"mcp": True, "methods": [*methods], "typed": description is not None}
    said |= function | config
    world.registry.described[name] = {"config": said, "description": description or {}}
