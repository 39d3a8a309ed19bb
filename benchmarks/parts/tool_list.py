"""An MCP client's question for the tools of the demo's key, to this project's HTTP gateway."""

import json
import os

from benchmarks.peers.request import CONTEXT
from silvaengine_http.app import handler

EVENT = json.loads(os.environ["BENCHMARK_EVENT"])
TOOLS = int(os.environ["BENCHMARK_TOOLS"])


def serve():
    """Ask for a page, and check that it is one."""
    response = handler(EVENT, CONTEXT)
    if response["statusCode"] != 200 or response["body"].count('"inputSchema":') != TOOLS:
        raise AssertionError(response)
