"""Jobs of the ledger as tasks.

modelcontextprotocol.io/seps/2663-tasks-extension; for legacy clients
modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks
"""

from datetime import UTC, datetime
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import WITHDRAWN
from silvaengine.protocol.json_codec import decode
from silvaengine_http.executions import RETRY_SECONDS
from silvaengine_http.mcp.messages import INTERNAL_ERROR
from silvaengine_http.mcp.results import tool_response

type Members = dict[str, Any]


def task_of(execution: Execution, payloads: PayloadStore, *, is_modern: bool) -> tuple[Members, Members]:
    """Return a job as a task, and its ``result`` or ``error`` once it has ended.

    A tool's refusal is a result; to legacy clients the task has failed all the same.
    """
    outcome: Members = {}
    failure = None
    if execution.state in LIVE:
        status = "working"
    elif execution.cause == WITHDRAWN:
        status = "cancelled"
    else:
        outcome = _outcome(execution, payloads, is_modern=is_modern)
        failure = _failure(outcome, is_modern=is_modern)
        status = "completed" if failure is None else "failed"
    end = execution.expires_at if execution.state not in LIVE else None
    members: Members = {
        "taskId": execution.job_id,
        "status": status,
        "createdAt": _instant(execution.created_at),
        "lastUpdatedAt": _instant(execution.changed_at),
        "ttlMs" if is_modern else "ttl": None if end is None else (end - execution.created_at) * 1000,
        "pollIntervalMs" if is_modern else "pollInterval": RETRY_SECONDS * 1000,
    }
    if status == "working" and execution.state == "accepted" and execution.attempts:
        members["statusMessage"] = f"Attempt {execution.attempts} failed; there will be another one"
    if failure is not None:
        members["statusMessage"] = failure
    return members, outcome


def _outcome(execution: Execution, payloads: PayloadStore, *, is_modern: bool) -> Members:
    if not (execution.result or execution.result_at):
        return _failed("The job ended without a result")
    stored = payloads.stored_response(execution)
    try:
        response = tool_response(stored, is_modern=is_modern)
    except SilvaEngineError as error:
        if stored.kind == "error" or not execution.result_at:
            return _failed(error.message)
        link = {"type": "resource_link", "uri": payloads.url(execution.result_at), "name": "result"}
        result: Any = {"content": [link]}  # too large for a response
    else:
        result = decode(response.body)
    return {"result": {"resultType": "complete", **result} if is_modern else result}


def _failure(outcome: Members, *, is_modern: bool) -> str | None:
    """Return why a task has failed, None for one that has not."""
    if "error" in outcome:
        return str(outcome["error"]["message"])
    if is_modern or not outcome["result"].get("isError"):
        return None
    return str(outcome["result"]["content"][0].get("text", ""))


def _failed(message: str) -> Members:
    return {"error": {"code": INTERNAL_ERROR, "message": message}}


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
