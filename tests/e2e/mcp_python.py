"""Programs of the official Python SDK: what it sees of the tools of a desk, and an agent with long tasks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from silvaengine_cli.uv import find_uv

SDK = "mcp==2.3.0"

_EXTENSION = '''\
import asyncio
import json
import sys
from typing import Any, Literal

import httpx2
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Request, RequestParams, Result

URL, KEY = sys.argv[1:3]


class Created(Result):
    """A task instead of a result."""

    result_type: Literal["task"] = "task"
    taskId: str


class Empty(Result):
    """An acknowledgement."""


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


class CancelTask(Request[Named, Literal["tasks/cancel"]]):
    """A wish that it ends."""

    name_param = "taskId"
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: Named


async def ended(created: Created, context: ClaimContext) -> Task:
    """Ask until the task has ended."""
    while True:
        request = GetTask(params=Named(taskId=created.taskId))
        task = await context.session.send_request(request, Task)
        if task.status != "working":
            return task
        await asyncio.sleep(task.pollIntervalMs / 10_000)


async def resolve(created: Created, context: ClaimContext) -> CallToolResult:
    """Wait for the result."""
    task = await ended(created, context)
    assert task.result is not None, task
    return CallToolResult.model_validate(task.result, by_name=False)


class Tasks(ClientExtension):
    """The extension, of which the SDK has none of its own; ``then`` is what becomes of a task."""

    identifier = "io.modelcontextprotocol/tasks"
    then = staticmethod(resolve)

    def claims(self) -> list[ResultClaim[Created]]:
        """Say which results are tasks."""

        async def go_on(created: Created, context: ClaimContext) -> CallToolResult:
            return await Tasks.then(created, context)

        return [ResultClaim(result_type="task", model=Created, resolve=go_on)]


def connected(http: httpx2.AsyncClient, url: str, mode: str = "auto") -> Client:
    """Return a client of a server, by a way of connecting."""
    extensions = None if mode == "legacy" else [Tasks()]
    return Client(streamable_http_client(url, http_client=http), mode=mode, extensions=extensions)


def http_client(key: str = KEY) -> httpx2.AsyncClient:
    """Return one that sends a key."""
    return httpx2.AsyncClient(headers={"x-api-key": key}, timeout=30)
'''
DESK = (
    _EXTENSION
    + '''

MANY_URL, MANY_KEY = sys.argv[3:]


async def pages(mode: str) -> list[int]:
    """Return how many tools are on each page of a long list."""
    async with http_client(MANY_KEY) as http, connected(http, MANY_URL, mode) as client:
        pages = [await client.list_tools()]
        while cursor := pages[-1].next_cursor:
            pages.append(await client.list_tools(cursor=cursor))
        return [len(page.tools) for page in pages]


async def seen(mode: str) -> dict[str, Any]:
    """List, call, be refused, and wait for a job, by a way of connecting."""
    async with http_client() as http, connected(http, URL, mode) as client:
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
            "pages": await pages(mode),
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
)
AGENT = (
    _EXTENSION
    + '''

from mcp import MCPError

LIMITED_URL, LIMITED_KEY, FOLDER = sys.argv[3:]


def step(name: str, value: object = None) -> None:
    """Tell the test where this is, and wait until it says to go on."""
    print(json.dumps([name, value]), flush=True)
    sys.stdin.readline()


async def cancel(created: Created, context: ClaimContext) -> CallToolResult:
    """Cancel the task, and look how it stands."""
    step("cancel", created.taskId)
    await context.session.send_request(CancelTask(params=Named(taskId=created.taskId)), Empty)
    task = await ended(created, context)
    return CallToolResult(content=[], structured_content={"status": task.status})


async def kill(created: Created, context: ClaimContext) -> CallToolResult:
    """Wait for the result, while the worker is killed."""
    step("kill", created.taskId)
    return await resolve(created, context)


async def refusal(client: Client, tries: int) -> list[Any]:
    """Call until it isn't served any more; return what the client's user reads."""
    for _ in range(tries):
        try:
            await client.call_tool("number", {"name": "agent"})
        except MCPError as error:
            return [error.code, error.message]
        await asyncio.sleep(0.2)
    return ["served"]


async def main() -> None:
    """Go through the steps, and tell what was seen."""
    seen: dict[str, Any] = {}
    async with http_client() as http, connected(http, URL) as client:
        work = {"path": f"{FOLDER}/long", "seconds": 1}
        seen["long"] = (await client.call_tool("work", work)).structured_content
        far = await client.call_tool("count", {"to": 9, "fail_at": 3})
        seen["halfway"] = [far.is_error, far.content[0].text]
        Tasks.then = cancel
        work = {"path": f"{FOLDER}/running", "seconds": 15}
        seen["running"] = (await client.call_tool("work", work)).structured_content
        step("no room")
        work = {"path": f"{FOLDER}/waiting", "seconds": 0}
        seen["waiting"] = (await client.call_tool("work", work)).structured_content
        step("room")
        Tasks.then = kill
        effect = {"path": f"{FOLDER}/killed", "call": "1", "wrong": "crash"}
        seen["killed"] = (await client.call_tool("effect_later", effect)).structured_content
    async with http_client(LIMITED_KEY) as http, connected(http, LIMITED_URL) as client:
        seen["limited"] = await refusal(client, 3)
    async with http_client() as http, connected(http, URL) as client:
        assert (await refusal(client, 1)) == ["served"]
        step("revoke")
        seen["revoked"] = await refusal(client, 50)
    step("seen", seen)


asyncio.run(main())
'''
)


def command_of(source: str, *arguments: str) -> list[str]:
    """Return the command that runs a program that has the SDK."""
    uv = (find_uv(Path.cwd()), "run", "--quiet", "--no-project", "--python", sys.executable)
    return [*uv, "--with", SDK, "python", "-c", source, *arguments]


def run(source: str, *arguments: str) -> Any:
    """Run a program that has the SDK; return the value of the JSON that it prints."""
    done = subprocess.run(command_of(source, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
