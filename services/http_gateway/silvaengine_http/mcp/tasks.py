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


def task_of(execution: Execution, payloads: PayloadStore, *, is_modern: bool) -> Members:
    """Return a job as a task, with its ``result`` or ``error`` once it has ended."""
    outcome: Members = {}
    if execution.state in LIVE:
        status = "working"
    elif execution.cause == WITHDRAWN:
        status = "cancelled"
    else:
        outcome = _outcome(execution, payloads, is_modern=is_modern)
        status = "failed" if "error" in outcome else "completed"
    end = execution.expires_at if execution.state not in LIVE else None
    members: Members = {
        "taskId": execution.job_id,
        "status": status,
        "createdAt": _instant(execution.created_at),
        "lastUpdatedAt": _instant(execution.changed_at),
        "ttlMs" if is_modern else "ttl": None if end is None else (end - execution.created_at) * 1000,
        "pollIntervalMs" if is_modern else "pollInterval": RETRY_SECONDS * 1000,
        **outcome,
    }
    if status == "working" and execution.state == "accepted" and execution.attempts:
        members["statusMessage"] = f"Attempt {execution.attempts} failed; there will be another one"
    if "error" in outcome:
        members["statusMessage"] = outcome["error"]["message"]
    return members


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
        return {"result": {"content": [link]}}  # too large for a response
    result: Any = decode(response.body)
    return {"result": result}


def _failed(message: str) -> Members:
    return {"error": {"code": INTERNAL_ERROR, "message": message}}


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
