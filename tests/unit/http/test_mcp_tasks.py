"""Jobs as tasks of MCP: begun, asked for, cancelled, and nobody else's."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import ConditionFailedError
from silvaengine.protocol.messages import ExecutionRef, WorkerResponse

from .conftest import NOW
from .mcp_client import DESCRIBED, LEGACY, META, TASKS, McpClient, add_tool

type EventOf = Callable[..., dict[str, Any]]

WORKING = {
    "status": "working",
    "createdAt": "1970-01-12T13:46:40+00:00",
    "lastUpdatedAt": "1970-01-12T13:46:40+00:00",
}


@pytest.fixture
def client(world: Any, event_of: EventOf) -> McpClient:
    """Return a client that takes tasks, of an endpoint with a job and a function that is none."""
    add_tool(world, "comment", DESCRIBED)
    add_tool(world, "report", DESCRIBED, funct_type="Event")
    client = McpClient(world, event_of)
    client.capabilities = TASKS
    return client


def settle(world: Any, response: WorkerResponse, state: str = "succeeded") -> None:
    """Do what the worker does from beginning to end."""
    job = ExecutionRef(**world.payload["job"])
    owner = world.ledger.begin(job, 10)
    world.ledger.settle(job, owner, state, {"result": json.dumps(response.encode())})


def begin(client: McpClient) -> str:
    """Begin a job; return its id."""
    return str(client.call("report").result["taskId"])


def test_a_job_is_a_task(world: Any, client: McpClient) -> None:
    """From its acceptance to its result, which has the form of a call's."""
    created = client.call("report", {"ticket_id": 1, "text": ""}).result
    task_id = created["taskId"]
    expected = {**WORKING, "taskId": task_id, "ttlMs": None, "pollIntervalMs": 2000}
    assert created == {"resultType": "task", "_meta": created["_meta"], **expected}
    asked = client.request("tasks/get", {"taskId": task_id}).result
    assert asked == {"resultType": "complete", "_meta": created["_meta"], **expected}
    settle(world, WorkerResponse("json", {"title": "Hot"}))
    ended = client.request("tasks/get", {"taskId": task_id}).result
    assert (ended["status"], ended["ttlMs"]) == ("completed", 86_400_000)
    assert ended["result"]["structuredContent"] == {"title": "Hot"}


def test_an_ended_task_has_its_refusal_or_failure(world: Any, client: McpClient) -> None:
    """A function's refusal is a result; a failure is JSON-RPC's, without internals."""
    task_id = begin(client)
    settle(world, WorkerResponse("error", "No more", 404, "FunctionError"), "failed")
    task = client.request("tasks/get", {"taskId": task_id}).result
    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    task_id = begin(client)
    settle(world, WorkerResponse("error", "Internal server error", 500, "KeyError"), "failed")
    task = client.request("tasks/get", {"taskId": task_id}).result
    assert (task["status"], task["error"]["code"]) == ("failed", -32603)
    assert "KeyError" not in json.dumps(task)


def test_a_job_that_died_has_failed(world: Any, client: McpClient) -> None:
    """Also where nothing is known of its end."""
    task_id = begin(client)
    world.ledger.mark_dead(task_id, world.payload["job"]["owner"], "LeaseExpired")
    assert client.request("tasks/get", {"taskId": task_id}).result["status"] == "failed"


def test_a_task_is_cancelled_before_it_begins(world: Any, client: McpClient) -> None:
    """Then no worker runs it."""
    task_id = begin(client)
    assert client.request("tasks/cancel", {"taskId": task_id}).result["resultType"] == "complete"
    task = client.request("tasks/get", {"taskId": task_id}).result
    assert task["status"] == "cancelled"
    assert "error" not in task
    with pytest.raises(ConditionFailedError):
        settle(world, WorkerResponse("json", {}))
    assert list(world.ledger.due(task_id[0], 10).executions) == []
    assert client.request("tasks/cancel", {"taskId": task_id}).status == 200


def test_a_running_task_is_cancelled(world: Any, client: McpClient) -> None:
    """What comes of it is discarded, and its worker can know."""
    task_id = begin(client)
    job = ExecutionRef(**world.payload["job"])
    owner = world.ledger.begin(job, 10)
    assert world.ledger.holds(task_id, owner)
    assert client.request("tasks/cancel", {"taskId": task_id}).status == 200
    assert not world.ledger.holds(task_id, owner)
    with pytest.raises(ConditionFailedError):
        world.ledger.settle(job, owner, "succeeded", {"result": "{}"})
    assert client.request("tasks/get", {"taskId": task_id}).result["status"] == "cancelled"


def test_tasks_are_nobody_elses(world: Any, client: McpClient) -> None:
    """Not another key's; nor are there unknown ones."""
    task_id = begin(client)
    for key, asked in ((None, task_id), ("acme-key", "0" * 32), ("acme-key", 1)):
        client.api_key = key
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            assert client.request(method, {"taskId": asked}, mcp_name=str(asked)).error == (400, -32602)
    assert client.request("tasks/update", {"taskId": task_id, "inputResponses": {}}).status == 200


def test_clients_without_tasks(client: McpClient) -> None:
    """They get the job's id as text, and must not ask for tasks."""
    client.capabilities = {}
    (content,) = client.call("report").result["content"]
    job = json.loads(content["text"])
    assert job["status"] == "accepted"
    for method in ("tasks/get", "tasks/cancel", "tasks/update"):
        answer = client.request(method, {"taskId": job["job_id"]})
        assert answer.error == (400, -32021)
        required = answer.body["error"]["data"]["requiredCapabilities"]
        assert required == {"extensions": {f"{META}tasks": {}}}


def test_keys_without_jobs_have_no_tasks(world: Any, client: McpClient) -> None:
    """Their scope says so, and so does discovery."""
    world.registry.key_hashes, world.registry.scopes = (), frozenset({"invoke"})
    assert client.request("server/discover").result["capabilities"] == {"tools": {}}
    assert "taskId" not in client.call("report").result
    assert client.request("tasks/get", {"taskId": "0" * 32}).status == 403


def test_a_call_that_asks_for_a_task(world: Any, client: McpClient) -> None:
    """By HTTP's own header; the function itself is none."""
    task = client.call("comment", prefer="respond-async").result
    assert (task["resultType"], task["status"]) == ("task", "working")
    assert world.invoker.sent[-1].event


def test_a_task_of_the_earlier_revision(world: Any, client: McpClient) -> None:
    """Its client asks for each, and for the result apart."""
    client.revision = LEGACY
    params = {"name": "comment", "arguments": {}, "task": {"ttl": 60_000}}
    task = client.request("tools/call", params).result["task"]
    expected = {**WORKING, "taskId": task["taskId"], "ttl": None, "pollInterval": 2000}
    assert task == expected
    named = {"taskId": task["taskId"]}
    assert client.request("tasks/get", named).result == expected
    settle(world, WorkerResponse("json", {"title": "Hot"}))
    assert "result" not in client.request("tasks/get", named).result
    result = client.request("tasks/result", named).result
    assert result["structuredContent"] == {"title": "Hot"}
    assert result["_meta"] == {f"{META}related-task": named}
    assert client.request("tasks/cancel", named).error == (200, -32602)


def test_an_earlier_client_cancels(client: McpClient) -> None:
    """It is told how the task stands; there is no result to wait for."""
    client.revision = LEGACY
    params = {"name": "report", "arguments": {}, "task": {}}
    named = {"taskId": client.request("tools/call", params).result["task"]["taskId"]}
    assert client.request("tasks/cancel", named).result["status"] == "cancelled"
    assert client.request("tasks/result", named).error == (200, -32603)


def test_a_large_result_is_linked(world: Any, client: McpClient) -> None:
    """One that no response can have is behind a URL."""
    task_id = begin(client)
    job = ExecutionRef(**world.payload["job"])
    owner = world.ledger.begin(job, 10)
    world.s3.payloads["large"] = json.dumps(WorkerResponse("text", "x" * 6_291_456).encode()).encode()
    world.ledger.settle(job, owner, "succeeded", {"result_at": "large"})
    task = client.request("tasks/get", {"taskId": task_id}).result
    (content,) = task["result"]["content"]
    assert (task["status"], content["type"]) == ("completed", "resource_link")
    assert content["uri"].startswith("https://")
    assert world.now == NOW
