"""The official clients of MCP use a tenant's functions as tools."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from silvaengine_cli.uv import find_uv

from . import mcp_python
from .conftest import Deployment
from .desk import ENDPOINT, KEY, Desk

PYTHON_SDK = "mcp==2.3.0"
TOOLS = ["change_ticket", "count_tickets", "find_tickets", "open_ticket", "ticket"]
TICKET = {"number": 3, "title": "It's broken", "state": "open", "labels": [], "due": None}


def with_python(*arguments: str) -> Any:
    """Return what the SDK for Python sees."""
    uv = (find_uv(Path.cwd()), "run", "--quiet", "--no-project", "--python", sys.executable)
    command = [*uv, "--with", PYTHON_SDK, "python", "-c", mcp_python.SOURCE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_python_sdk(deployment: Deployment, desk: Desk) -> None:
    """It lists, calls and waits, by the newest revision and by the one before; a revoked key ends it."""
    path = f"/core/{ENDPOINT}/mcp"
    modern, legacy = with_python(f"{deployment.outputs.api_url}{path}", KEY)
    assert (modern.pop("version"), legacy.pop("version")) == ("2026-07-28", "2025-11-25")
    assert modern.pop("counted") == {"open": 1}
    assert legacy.pop("counted")["status"] == "accepted"
    assert modern == legacy
    assert modern["tools"] == TOOLS
    assert modern["found"] == TICKET
    assert modern["replaced"] == TICKET | {"number": 5, "title": "New"}
    assert modern["missing"] == [True, "There is no such ticket"]
    is_error, text = modern["refused"]
    assert is_error
    assert "body /title" in text
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert deployment.api.post(path, listing, {"x-api-key": KEY}).status == 200
    assert deployment.api.post(path, listing, {"x-api-key": "another"}).status in {403, 404}
    assert deployment.api.post("/core/demo/mcp", listing).json()["result"] == {"tools": []}
