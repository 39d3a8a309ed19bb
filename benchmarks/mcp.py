"""The list of eighty tools, which every agent asks for before its first token."""

import json
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.harness import PROJECT, PYTHON
from benchmarks.harness.loopback import Loopback, Rows, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, cpu_seconds, running, warm_instructions
from benchmarks.subjects import RESULT, WORKER_ARN, event
from silvaengine.tables import CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS

TOOLS, PAGE = 80, 50
LIBRARIES = Path(msgspec.__file__).parents[1]
FOLDERS = (PROJECT / "services/http_gateway", PROJECT / "shared", PROJECT, LIBRARIES)
REVISION, META = "2026-07-28", "io.modelcontextprotocol/"
METHOD = "tools/list"
NAMES = [f"function_{number:02}" for number in range(TOOLS)]


def run(*, quick: bool) -> str:
    """Return the section."""
    rest = {"cursor": NAMES[PAGE - 1]}
    with loopback(registry(), RESULT) as server:
        rows = [
            _row(server, f"tools 1 to {PAGE}", PAGE, {}, quick=quick),
            _row(server, f"tools {PAGE + 1} to {TOOLS}", TOOLS - PAGE, rest, quick=quick),
        ]
    return "A warm `tools/list`, a page a request.\n\n" + table(
        ("", "instructions", "ms of CPU", "calls of AWS"), rows
    )


def _row(
    server: Loopback, name: str, tools: int, params: dict[str, str], *, quick: bool
) -> tuple[str, int, float, int]:
    subject, calls = _subject(server, tools, params), 5 if quick else 5000
    with running(subject) as child:
        requests, before = server.responses.requests.total(), cpu_seconds(child.folder)
        child.call(calls)
        spent = 1000 * (cpu_seconds(child.folder) - before) / calls
        made = server.responses.requests.total() - requests
    return name, warm_instructions(subject, 2 if quick else 20), spent, made


def _subject(server: Loopback, tools: int, params: dict[str, str]) -> Subject:
    meta = {f"{META}protocolVersion": REVISION, f"{META}clientCapabilities": {}}
    message: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/list",
        "params": {**params, "_meta": meta},
    }
    headers = {
        "Content-Type": "application/json",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": METHOD,
    }
    asked: dict[str, Any] = event() | {
        "path": "/core/demo/mcp",
        "httpMethod": "POST",
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"area": "core", "endpoint_id": "demo", "proxy": "mcp"},
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": json.dumps(message),
    }
    environment = {"BENCHMARK_EVENT": json.dumps(asked), "BENCHMARK_TOOLS": str(tools)}
    return Subject(
        "", PYTHON, FOLDERS, "benchmarks.parts.tool_list:serve", server.environment() | environment
    )


def registry() -> Rows:
    """Return the rows of a registry with eighty described functions, each with ten parameters."""
    properties = {f"parameter_{number}": {"type": "string", "maxLength": 64} for number in range(10)}
    described = {
        "summary": "Return what somebody asks for.",
        "description": "It says in a few sentences when to call it, and what comes of that. " * 4,
        "parameters": {"type": "object", "properties": properties, "additionalProperties": False},
        "headers": {"type": "object", "properties": {}, "required": []},
        "result": {"type": "object", "properties": properties, "required": [*properties]},
        "errors": {"404": "There is none."},
    }
    row = {
        "aws_lambda_arn": WORKER_ARN,
        "area": "core",
        "config": {"module_name": "shop", "typed": True, "mcp": True, "methods": ["POST"]},
        "description": json.dumps(described),
    }
    entries = [{"aws_lambda_arn": WORKER_ARN, "function": name, "setting": ""} for name in NAMES]
    return {
        ENDPOINTS: [{"endpoint_id": "demo", "special_connection": False}],
        CONNECTIONS: [{"endpoint_id": "1", "api_key": DEFAULT_API_KEY, "functions": entries}],
        FUNCTIONS: [{**row, "function": name} for name in NAMES],
    }
