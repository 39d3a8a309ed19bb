"""A program of the official Python SDK: what it sees of the tools of a desk."""

SOURCE = '''\
"""Its arguments are the URL and the key; it prints JSON."""

import asyncio
import json
import sys
from typing import Any, Literal

import httpx2
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Request, RequestParams, Result

URL, KEY = sys.argv[1:]


class Created(Result):
    """A task instead of a result."""

    result_type: Literal["task"] = "task"
    taskId: str


class Named(RequestParams):
    """The parameters of a request about a task."""

    taskId: str


class Task(Result):
    """How a task stands."""

    status: str
    pollIntervalMs: int
    result: dict[str, Any] | None = None


class GetTask(Request[Named, Literal["tasks/get"]]):
    """A request for it."""

    name_param = "taskId"
    method: Literal["tasks/get"] = "tasks/get"
    params: Named


async def resolve(created: Created, context: ClaimContext) -> CallToolResult:
    """Ask until the task has ended."""
    while True:
        request = GetTask(params=Named(taskId=created.taskId))
        task = await context.session.send_request(request, Task)
        if task.status != "working":
            assert task.result is not None, task
            return CallToolResult.model_validate(task.result, by_name=False)
        await asyncio.sleep(task.pollIntervalMs / 10_000)


class Tasks(ClientExtension):
    """The extension, of which the SDK has none of its own."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> list[ResultClaim[Created]]:
        """Say which results are tasks."""
        return [ResultClaim(result_type="task", model=Created, resolve=resolve)]


async def seen(mode: str) -> dict[str, Any]:
    """List, call, be refused, and wait for a job, by a way of connecting."""
    async with (
        httpx2.AsyncClient(headers={"x-api-key": KEY}, timeout=30) as http,
        Client(
            streamable_http_client(URL, http_client=http),
            mode=mode,
            extensions=None if mode == "legacy" else [Tasks()],
        ) as client,
    ):
        tools = (await client.list_tools()).tools
        found = await client.call_tool("ticket", {"number": 3})
        refused = await client.call_tool("open_ticket", {"title": ""})
        missing = await client.call_tool("ticket", {"number": 12})
        replaced = await client.call_tool(
            "change_ticket", {"number": 5, "body": {"number": 5, "title": "New"}}
        )
        counted = await client.call_tool("count_tickets", {"states": ["open"]})
        return {
            "version": client.protocol_version,
            "tools": [tool.name for tool in tools],
            "found": found.structured_content,
            "refused": [refused.is_error, refused.content[0].text],
            "missing": [missing.is_error, missing.content[0].text],
            "replaced": replaced.structured_content,
            "counted": json.loads(counted.content[0].text),
        }


async def main() -> None:
    """Print what is seen by each."""
    print(json.dumps([await seen(mode) for mode in ("auto", "legacy")]))


asyncio.run(main())
'''
