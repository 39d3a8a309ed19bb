"""Jobs as tasks of MCP: what the specification demands of a server, a rule a test, and what this one adds.

For clients of 2025-11-25: modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks. For modern
ones the extension: github.com/modelcontextprotocol/ext-tasks, specification/draft/tasks.md, and what
modelcontextprotocol.io/seps/2663-tasks-extension says of clients of both.

What binds no server like this one: rules about ``input_required``, ``inputRequests`` and requests of a
receiver, since no function asks its caller; about ``tasks/list`` and its cursors, which isn't declared; about
notifications and ``subscriptions/listen``, since there are no streams; about ``taskSupport: required``, which
no tool says; and error -32021 for a call that can't be served but as a task: others get a job's id.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from silvaengine.access.rate_limits import RateLimit
from silvaengine.errors import ConditionFailedError
from silvaengine.protocol.messages import ExecutionRef, WorkerResponse
from silvaengine_http.mcp import calls

from .conftest import NOW
from .mcp_client import DESCRIBED, LEGACY, META, MODERN, TASKS, Answer, McpClient, Members, add_tool

type EventOf = Callable[..., dict[str, Any]]

WORKING = {
    "status": "working",
    "createdAt": "1970-01-12T13:46:40+00:00",
    "lastUpdatedAt": "1970-01-12T13:46:40+00:00",
}
RESULT = WorkerResponse("json", {"title": "Hot"})
REFUSAL = WorkerResponse("error", "No more", 404, "FunctionError")
FAILURE = WorkerResponse("error", "Internal server error", 500, "KeyError")
NO_TASKS = ("0" * 32, "", "x" * 3000, "../" * 9, 1, None)  # ids that a stranger tries
METHODS = ("tasks/get", "tasks/cancel", "tasks/update", "tasks/result", "tasks/list")


class TaskClient(McpClient):
    """A client that takes tasks, of an endpoint with a job, ``report``, and a function that is none."""

    def begin(self, name: str = "report", **headers: str) -> str:
        """Begin a task; return its id."""
        params: Members = {"name": name, "arguments": {}}
        if self.revision == MODERN:
            task = self.request("tools/call", params, **headers).result
        else:
            task = self.request("tools/call", {**params, "task": {"ttl": 60_000}}, **headers).result["task"]
        return str(task["taskId"])

    def ask(self, method: str, task_id: object) -> Answer:
        """Ask about a task."""
        name = task_id if isinstance(task_id, str) and task_id.isascii() else None
        return self.request(f"tasks/{method}", {"taskId": task_id}, mcp_name=name)


@pytest.fixture
def client(world: Any, event_of: EventOf) -> TaskClient:
    """Return a modern client."""
    add_tool(world, "comment", DESCRIBED)
    add_tool(world, "report", DESCRIBED, funct_type="Event")
    client = TaskClient(world, event_of)
    client.capabilities = TASKS
    return client


@pytest.fixture
def legacy(client: TaskClient) -> TaskClient:
    """Return a client of 2025-11-25."""
    client.revision = LEGACY
    return client


@pytest.fixture(params=[MODERN, LEGACY])
def either(client: TaskClient, request: pytest.FixtureRequest) -> TaskClient:
    """Return a client of each."""
    client.revision = request.param
    return client


def start(world: Any) -> tuple[ExecutionRef, str]:
    """Do what the worker does at the beginning; return the job and the holder's token."""
    job = ExecutionRef(**world.payload["job"])
    return job, world.ledger.begin(job, 10)


def settle(world: Any, response: WorkerResponse) -> None:
    """Do what the worker does from beginning to end."""
    job, owner = start(world)
    state = "failed" if response.kind == "error" else "succeeded"
    world.ledger.settle(job, owner, state, {"result": json.dumps(response.encode())})


def end(world: Any, client: TaskClient, how: str, **headers: str) -> str:
    """Begin a task, and let it become so; return its id."""
    task_id = client.begin(**headers)
    world.now += 60
    match how:
        case "cancelled":
            client.ask("cancel", task_id)
        case "completed":
            settle(world, RESULT)
        case "failed":
            settle(world, FAILURE)
    return task_id


# 2025-11-25: capabilities


def test_a_server_declares_tasks_while_initializing(legacy: TaskClient) -> None:
    """'MUST declare a tasks capability during initialization'; there is no list, so that none is declared."""
    result = legacy.request("initialize", {"protocolVersion": LEGACY}).result
    assert result["capabilities"]["tasks"] == {"cancel": {}, "requests": {"tools": {"call": {}}}}
    assert legacy.request("tasks/list").error == (200, -32601)


def test_what_is_not_declared_is_served_without_a_task(legacy: TaskClient) -> None:
    """'MUST process requests of that type normally, ignoring any task-augmentation metadata if present'."""
    params = {"name": "comment", "arguments": {}, "task": {}}
    result = legacy.request("tools/call", params, mcp_protocol_version="2025-06-18").result
    assert result["structuredContent"] == {"ok": True}
    asked = legacy.request("tasks/get", {"taskId": "0" * 32}, mcp_protocol_version="2025-06-18")
    assert asked.error == (200, -32601)


def test_a_key_without_jobs_is_served_without_a_task(world: Any, legacy: TaskClient) -> None:
    """Likewise: what isn't declared to it."""
    world.registry.key_hashes, world.registry.scopes = (), frozenset({"invoke"})
    assert "tasks" not in legacy.request("initialize", {"protocolVersion": LEGACY}).result["capabilities"]
    params = {"name": "comment", "arguments": {}, "task": {}}
    assert legacy.request("tools/call", params).result["structuredContent"] == {"ok": True}


# 2025-11-25: ids, states, times


def test_an_id_is_a_string_of_the_receivers_and_unique(either: TaskClient) -> None:
    """'MUST be a string value', 'generated by the receiver', 'unique', here 128 random bits."""
    ids = {either.begin() for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch("[0-9a-f]{32}", task_id) for task_id in ids)


def test_a_task_begins_as_working_with_its_times(legacy: TaskClient) -> None:
    """'MUST begin in the working status', 'MUST include a createdAt', 'lastUpdatedAt', 'the actual ttl'."""
    task = legacy.request("tools/call", {"name": "comment", "arguments": {}, "task": {}}).result["task"]
    expected = {**WORKING, "taskId": task["taskId"], "ttl": None, "pollInterval": 2000}
    assert task == expected
    assert legacy.ask("get", task["taskId"]).result == expected


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
def test_every_answer_about_a_task_has_its_times(how: str, world: Any, legacy: TaskClient) -> None:
    """In ISO 8601; the ttl is the time from creation to its end."""
    task = legacy.ask("get", end(world, legacy, how)).result
    created, updated = (datetime.fromisoformat(task[name]) for name in ("createdAt", "lastUpdatedAt"))
    assert (task["status"], created.timestamp(), updated.timestamp()) == (how, NOW, NOW + 60)
    assert task["ttl"] == (86_400 + 60) * 1000
    assert "result" not in task
    assert "error" not in task


def test_an_attempt_that_failed_leaves_the_task_working(world: Any, either: TaskClient) -> None:
    """'MUST only transition tasks through the following valid paths', and a retry is no change."""
    task_id = either.begin()
    job, owner = start(world)
    world.ledger.retry_later(job, owner, "KeyError", 3)
    task = either.ask("get", task_id).result
    assert (task["status"], task["statusMessage"]) == (
        "working",
        "Attempt 1 failed; there will be another one",
    )


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
def test_an_ended_task_never_changes(how: str, world: Any, either: TaskClient) -> None:
    """'MUST NOT transition to any other status', whatever its worker or its caller still does."""
    task_id = end(world, either, how)
    with pytest.raises(ConditionFailedError):
        settle(world, RESULT if how == "failed" else FAILURE)
    either.ask("cancel", task_id)
    assert either.ask("get", task_id).result["status"] == how


# 2025-11-25: results


def test_an_accepted_call_gets_a_task_and_no_result(legacy: TaskClient) -> None:
    """'MUST return a CreateTaskResult as the response'."""
    params = {"name": "comment", "arguments": {}, "task": {}}
    assert legacy.request("tools/call", params).result.keys() == {"task"}


def test_a_call_that_is_not_accepted_gets_an_error(world: Any, legacy: TaskClient) -> None:
    """Its client waits for a task, and would take a refusal as a result for nothing that it knows."""
    legacy.begin(idempotency_key="k")
    params = {"name": "report", "arguments": {"ticket_id": 1}, "task": {}}
    assert legacy.request("tools/call", params, idempotency_key="k").error == (200, -32602)


@pytest.mark.parametrize("response", [RESULT, REFUSAL, WorkerResponse("text", "plain")])
def test_a_result_is_exactly_what_the_call_would_have_returned(
    response: WorkerResponse, world: Any, legacy: TaskClient
) -> None:
    """'MUST return from tasks/result exactly what the underlying request would have returned'."""
    world.invoker.result = response.encode()
    expected = legacy.call("comment").result
    task_id = legacy.begin("comment")
    settle(world, response)
    assert legacy.ask("result", task_id).result == expected | {
        "_meta": {f"{META}related-task": {"taskId": task_id}}
    }


def test_an_error_is_the_one_that_the_call_would_have_got(world: Any, legacy: TaskClient) -> None:
    """'MUST return that same JSON-RPC error'; the id of the request is another one."""
    world.invoker.result = FAILURE.encode()
    expected = legacy.call("comment").body["error"]
    task_id = end(world, legacy, "failed")
    error = legacy.ask("result", task_id).body["error"]
    assert error == {"code": expected["code"], "message": expected["message"]}


def test_a_cancelled_task_has_an_error_for_its_result(world: Any, legacy: TaskClient) -> None:
    """'for a task in a terminal status … it MUST return the final result'."""
    error = legacy.ask("result", end(world, legacy, "cancelled")).body["error"]
    assert (error["code"], error["message"]) == (-32603, "The task was cancelled")


class Clock:
    """Stands for the module ``time``; while a call sleeps the worker works."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.now = NOW
        self._work = work

    def time(self) -> float:
        """Return epoch seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds
        self._work()


def test_a_result_is_waited_for(world: Any, legacy: TaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """'MUST block the response until the task reaches a terminal status'."""
    task_id = legacy.begin()
    monkeypatch.setattr(calls, "time", Clock(lambda: settle(world, RESULT)))
    assert legacy.ask("result", task_id).result["structuredContent"] == {"title": "Hot"}


def test_a_result_is_waited_for_as_long_as_a_response_may_take(
    legacy: TaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway waits no longer: then the client is told to ask again, before the connection breaks."""
    task_id = legacy.begin()
    clock = Clock(lambda: None)
    monkeypatch.setattr(calls, "time", clock)
    answer = legacy.ask("result", task_id)
    assert answer.error == (200, -32603)
    assert "ask again" in answer.body["error"]["message"]
    assert 1 < clock.now - NOW < 29


def test_a_refused_call_is_a_failed_task(world: Any, legacy: TaskClient) -> None:
    """'when the tool result has isError set to true, the task should reach failed status', and say why."""
    task_id = legacy.begin()
    settle(world, REFUSAL)
    task = legacy.ask("get", task_id).result
    assert (task["status"], task["statusMessage"]) == ("failed", "No more")


# 2025-11-25: messages about tasks, cancellation, errors


def test_the_parameter_names_the_task(legacy: TaskClient) -> None:
    """'MUST be used as the source of truth'; related-task metadata beside it 'MUST' be ignored."""
    first, second = legacy.begin(), legacy.begin()
    meta = {f"{META}related-task": {"taskId": second}}
    task = legacy.request("tasks/get", {"taskId": first, "_meta": meta}).result
    assert (task["taskId"], "_meta" in task) == (first, False)


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
def test_an_ended_task_cannot_be_cancelled(how: str, world: Any, legacy: TaskClient) -> None:
    """'MUST reject cancellation requests for tasks already in a terminal status … with error code -32602'."""
    assert legacy.ask("cancel", end(world, legacy, how)).error == (200, -32602)


def test_a_cancelled_task_is_cancelled_before_the_response(world: Any, legacy: TaskClient) -> None:
    """'MUST transition the task to cancelled status before sending the response', and no worker begins it."""
    task_id = legacy.begin()
    assert legacy.ask("cancel", task_id).result["status"] == "cancelled"
    with pytest.raises(ConditionFailedError):
        start(world)
    assert list(world.ledger.due(task_id[0], 10).executions) == []


def test_a_task_that_begins_meanwhile_is_cancelled(
    world: Any, either: TaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise, though its row isn't the one that was read any more."""
    task_id, withdraw, begun = either.begin(), world.ledger.withdraw, list[Any]()

    def after_beginning(execution: Any) -> None:
        if not begun:
            begun.append(start(world))
        withdraw(execution)

    monkeypatch.setattr(world.ledger, "withdraw", after_beginning)
    assert either.ask("cancel", task_id).status == 200
    assert either.ask("get", task_id).result["status"] == "cancelled"


def test_a_cancelled_task_stays_cancelled_when_its_work_ends(world: Any, either: TaskClient) -> None:
    """'MUST remain in cancelled status even if execution continues to completion or fails'."""
    task_id = either.begin()
    job, owner = start(world)
    assert world.ledger.holds(task_id, owner)
    assert either.ask("cancel", task_id).status == 200
    assert not world.ledger.holds(task_id, owner)  # what the function is told
    with pytest.raises(ConditionFailedError):
        world.ledger.settle(job, owner, "succeeded", {"result": "{}"})
    assert either.ask("get", task_id).result["status"] == "cancelled"


@pytest.mark.parametrize("task_id", NO_TASKS)
def test_an_unknown_task_is_invalid(task_id: object, either: TaskClient) -> None:
    """'Invalid or nonexistent taskId …: -32602', for whatever is guessed."""
    status = 400 if either.revision == MODERN else 200
    for method in ("get", "cancel", "update" if either.revision == MODERN else "result"):
        assert either.ask(method, task_id).error == (status, -32602)


def test_an_expired_task_is_gone(world: Any, either: TaskClient) -> None:
    """'compliant … if it has purged an expired task': once it was kept as long as its job is."""
    task_id = end(world, either, "completed")
    world.now += 86_399
    assert either.ask("get", task_id).status == 200
    world.now += 1
    assert either.ask("get", task_id).body["error"]["code"] == -32602


def test_a_failure_of_the_platform_is_an_internal_error(
    world: Any, either: TaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'Internal errors: -32603', without what is inside."""

    def break_down(_: str) -> None:
        raise RuntimeError("arn:secret")

    task_id = either.begin()
    monkeypatch.setattr(world.ledger, "get", break_down)
    answer = either.ask("get", task_id)
    assert answer.body["error"]["code"] == -32603
    assert "secret" not in json.dumps(answer.body)


def test_a_task_belongs_to_the_key_that_began_it(either: TaskClient) -> None:
    """'MUST bind tasks to said context' and reject others; to them it is as if there were none."""
    task_id = either.begin()
    either.api_key = None  # the common one, which opens the same functions
    for method in ("get", "cancel", "update" if either.revision == MODERN else "result"):
        stranger, nobody = either.ask(method, task_id), either.ask(method, "0" * 32)
        assert (stranger.status, stranger.body) == (nobody.status, nobody.body)
    either.api_key = "acme-key"
    elsewhere = either.request("tasks/get", {"taskId": task_id}, area="other")
    assert (elsewhere.status, elsewhere.body) == (nobody.status, nobody.body)
    assert either.ask("get", task_id).result["status"] == "working"


def test_questions_about_tasks_are_limited_as_calls_are(world: Any, either: TaskClient) -> None:
    """'SHOULD implement rate limiting on task operations'."""
    task_id = either.begin()
    world.registry.limits = (RateLimit("key", "acme-key", 1, 1),)
    assert either.ask("get", task_id).status == 200
    assert either.ask("get", task_id).status == 429


# The extension


def test_a_task_has_its_own_kind_of_result(world: Any, client: TaskClient) -> None:
    """'MUST set resultType to task when returning a CreateTaskResult', and to no other result."""
    created = client.call("report", {"ticket_id": 1, "text": ""}).result
    task_id = created["taskId"]
    expected = {**WORKING, "taskId": task_id, "ttlMs": None, "pollIntervalMs": 2000}
    assert created == {"resultType": "task", "_meta": created["_meta"], **expected}
    asked = client.ask("get", task_id).result
    assert asked == {"resultType": "complete", "_meta": created["_meta"], **expected}
    for other in (client.call("comment"), client.ask("update", task_id), client.ask("cancel", task_id)):
        assert other.result["resultType"] == "complete"


def test_a_client_without_the_capability_gets_no_task(client: TaskClient) -> None:
    """'MUST NOT return CreateTaskResult' to it, 'regardless of prior declarations'; it gets the job's id."""
    client.begin()
    client.capabilities = {}
    result = client.call("report").result
    assert result["resultType"] == "complete"
    assert json.loads(result["content"][0]["text"])["status"] == "accepted"


@pytest.mark.parametrize("capabilities", [{}, {"tasks": {"requests": {}}}, {"extensions": {"other": {}}}])
def test_a_client_without_the_capability_asks_for_no_task(capabilities: Members, client: TaskClient) -> None:
    """'MUST return this error for non-declaring clients'; one of the earlier revision is no declaration."""
    task_id = client.begin()
    client.capabilities = capabilities
    for method in ("get", "update", "cancel"):
        answer = client.ask(method, task_id)
        assert answer.error == (400, -32021)
        required = answer.body["error"]["data"]["requiredCapabilities"]
        assert required == {"extensions": {f"{META}tasks": {}}}


def test_a_task_can_be_asked_for_once_its_client_knows_it(client: TaskClient) -> None:
    """'MUST NOT return CreateTaskResult until … a tasks/get for the returned taskId would resolve'."""
    assert client.ask("get", client.begin()).result["status"] == "working"


def test_a_completed_task_has_its_result(world: Any, client: TaskClient) -> None:
    """'status completed and a result field': 'exactly what the underlying request would have returned'."""
    world.invoker.result = RESULT.encode()
    expected = client.call("comment").result
    task = client.ask("get", end(world, client, "completed")).result
    assert (task["status"], task["ttlMs"], task["resultType"]) == ("completed", 86_460_000, "complete")
    assert task["result"] | {"_meta": expected["_meta"]} == expected


def test_a_refused_call_is_a_completed_task(world: Any, client: TaskClient) -> None:
    """'failed MUST NOT be used to represent non-JSON-RPC errors, such as … isError: true'."""
    task_id = client.begin()
    settle(world, REFUSAL)
    task = client.ask("get", task_id).result
    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert "error" not in task


def test_a_failed_task_has_its_error(world: Any, client: TaskClient) -> None:
    """'status failed and the error that occurred', 'the error field MUST contain that JSON-RPC error'."""
    world.invoker.result = FAILURE.encode()
    expected = client.call("comment").body["error"]
    task = client.ask("get", end(world, client, "failed")).result
    error = {"code": expected["code"], "message": expected["message"]}
    assert (task["status"], task["error"], task["statusMessage"]) == ("failed", error, error["message"])
    assert "result" not in task


def test_a_job_that_died_is_a_failed_task(world: Any, client: TaskClient) -> None:
    """Also where nothing is known of its end."""
    task_id = client.begin()
    world.ledger.mark_dead(task_id, world.payload["job"]["owner"], "LeaseExpired")
    task = client.ask("get", task_id).result
    assert (task["status"], task["error"]["code"]) == ("failed", -32603)


def test_a_cancelled_task_has_neither(world: Any, client: TaskClient) -> None:
    """'MUST return a Task object with status cancelled'."""
    task = client.ask("get", end(world, client, "cancelled")).result
    assert (task["status"], task.keys() & {"result", "error", "inputRequests"}) == ("cancelled", set())


@pytest.mark.parametrize("method", ["update", "cancel"])
@pytest.mark.parametrize("how", ["working", "completed"])
def test_it_is_acknowledged_with_nothing(method: str, how: str, world: Any, client: TaskClient) -> None:
    """'MUST acknowledge the request with an empty result', of a task that has ended, too."""
    task_id = end(world, client, how)
    result = client.ask(method, task_id).result
    assert result == {"resultType": "complete", "_meta": result["_meta"]}


def test_a_modern_client_does_not_ask_for_tasks(client: TaskClient) -> None:
    """'The task parameter … is removed; servers MUST ignore it'."""
    result = client.request("tools/call", {"name": "comment", "arguments": {}, "task": {}}).result
    assert (result["resultType"], result["structuredContent"]) == ("complete", {"ok": True})


def test_what_was_removed_is_unknown(client: TaskClient) -> None:
    """'tasks/result is removed; clients calling it MUST receive -32601'."""
    task_id = client.begin()
    for method in ("result", "list"):
        assert client.ask(method, task_id).error == (404, -32601)


def test_the_earlier_capability_is_not_declared_to_modern_clients(client: TaskClient) -> None:
    """'MUST NOT continue to advertise the legacy capabilities'; nor do tools say ``execution``."""
    capabilities = client.request("server/discover").result["capabilities"]
    assert capabilities == {"tools": {}, "extensions": {f"{META}tasks": {}}}
    assert all("execution" not in tool for tool in client.request("tools/list").result["tools"])


def test_the_extension_is_none_of_the_earlier_revision(legacy: TaskClient) -> None:
    """'Servers MUST NOT treat this capability as enabling tasks under that protocol version'."""
    meta = {f"{META}clientCapabilities": TASKS}
    result = legacy.request("tools/call", {"name": "report", "arguments": {}, "_meta": meta}).result
    assert "taskId" not in result
    assert json.loads(result["content"][0]["text"])["status"] == "accepted"


# What this server adds


def test_keys_without_jobs_have_no_tasks(world: Any, client: TaskClient) -> None:
    """Their scope says so, and so does discovery."""
    world.registry.key_hashes, world.registry.scopes = (), frozenset({"invoke"})
    assert client.request("server/discover").result["capabilities"] == {"tools": {}}
    assert "taskId" not in client.call("report").result
    assert client.ask("get", "0" * 32).status == 403


def test_a_call_that_asks_for_a_task(world: Any, client: TaskClient) -> None:
    """By HTTP's own header; the function itself is none."""
    task = client.call("comment", prefer="respond-async").result
    assert (task["resultType"], task["status"]) == ("task", "working")
    assert world.invoker.sent[-1].event


@pytest.mark.parametrize("how", ["working", "completed", "failed", "cancelled"])
def test_a_job_asked_for_twice_is_one_task(how: str, world: Any, either: TaskClient) -> None:
    """Under one idempotency key: the second client is told how it stands, and asks for the rest as ever."""
    task_id = end(world, either, how, idempotency_key="k")
    params = {"name": "report", "arguments": {}, "task": {"ttl": 60_000}}
    again = either.request("tools/call", params, idempotency_key="k").result
    task = again if either.revision == MODERN else again["task"]
    assert (task["taskId"], task["status"]) == (task_id, how)
    assert task.keys() & {"result", "error"} == set()
    assert len(world.invoker.sent) == 1


def test_a_large_result_is_linked(world: Any, client: TaskClient) -> None:
    """One that no response can have is behind a URL."""
    task_id = client.begin()
    job, owner = start(world)
    world.s3.payloads["large"] = json.dumps(WorkerResponse("text", "x" * 6_291_456).encode()).encode()
    world.ledger.settle(job, owner, "succeeded", {"result_at": "large"})
    task = client.ask("get", task_id).result
    (content,) = task["result"]["content"]
    assert (task["status"], content["type"]) == ("completed", "resource_link")
    assert content["uri"].startswith("https://")
