"""The operation ``job_status?job_id=``, called like a function: how a job stands, and its result."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from silvaengine.errors import NotFoundError, RequestError
from silvaengine.ledger.digests import plain_digest
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.protocol.json_codec import encode_readable
from silvaengine.protocol.messages import SYNC_LIMIT, WorkerResponse
from silvaengine_http.executions import RETRY_SECONDS, Executions
from silvaengine_http.path import Route
from silvaengine_http.response import RESPONSE_OVERHEAD, Response, json_response

if TYPE_CHECKING:
    from silvaengine.protocol.json_codec import Json


def job_status(
    executions: Executions, route: Route, params: Mapping[str, object], caller_of: Callable[[Execution], str]
) -> Response:
    """Return the state of a job, as ``find_job`` finds it, and its result.

    A result too large for a response is replaced by its ``result_url``, which is valid for five minutes.

    Raises:
        RequestError: there is no ``job_id``.
        NotFoundError: there is no such job.

    """
    job_id = params.get("job_id")
    if not isinstance(job_id, str) or not job_id:
        raise RequestError("The parameter job_id is missing")
    execution = find_job(executions, route, job_id, caller_of)
    headers = {"Retry-After": str(RETRY_SECONDS)} if execution.state in LIVE else {}
    response = json_response(_facts(execution) | _outcome(execution, executions.payloads), 200, headers)
    if len(response.body.encode()) > SYNC_LIMIT - RESPONSE_OVERHEAD and execution.result_at:
        url: dict[str, Json] = {"result_url": executions.payloads.url(execution.result_at)}
        return json_response(_facts(execution) | url, 200, headers)
    return response


def find_job(
    executions: Executions, route: Route, job_id: str, caller_of: Callable[[Execution], str]
) -> Execution:
    """Return a job of this endpoint, area and caller.

    ``caller_of`` returns who asks, to the job's function, or raises as a call of it would.

    Raises:
        NotFoundError: there is no such job, it is another endpoint's, area's or caller's, or it has expired.
    """
    execution = executions.ledger.get(job_id)
    if execution is None or (execution.endpoint_id, execution.area) != (route.endpoint_id, route.area):
        raise NotFoundError("Job not found")
    if execution.principal != plain_digest(route.endpoint_id, caller_of(execution)):
        raise NotFoundError("Job not found")
    return execution


def _facts(execution: Execution) -> "dict[str, Json]":
    return {
        "job_id": execution.job_id,
        "status": execution.state,
        "function": execution.function,
        "attempts": execution.attempts,
        "request_id": execution.request_id,
        "created_at": execution.created_at,
        "changed_at": execution.changed_at,
    }


def _outcome(execution: Execution, payloads: PayloadStore) -> "dict[str, Json]":
    if execution.state in LIVE:
        return {}
    if not (execution.result or execution.result_at):
        return {"error": {"cause": execution.cause}}
    response = payloads.stored_response(execution)
    if response.kind != "error":
        return {"result": _result(response)}
    cause = {"cause": execution.cause} if execution.cause else {}
    code = {"code": response.code} if response.code else {}
    details: dict[str, Json] = {"details": response.details} if response.details else {}
    return {"error": {"status": response.status, "message": response.value, **cause, **code, **details}}


def _result(response: WorkerResponse) -> "Json":
    """Return a result as JSON: text is parsed where it is JSON, and bytes stay base64.

    Python parses numbers and lone surrogates that JSON doesn't have: such a text stays text.
    """
    value: Json = response.value
    if response.kind != "text":
        return value
    try:
        value = json.loads(response.value)
        encode_readable(value).encode()
    except (ValueError, RecursionError):
        return str(response.value)
    return value
