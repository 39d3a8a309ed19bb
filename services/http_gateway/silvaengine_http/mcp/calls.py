"""Calls of tools, and the tasks that become of them.

A call takes the same way as a request for its function by name: authorizer, ledger, worker.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import Admission, check_access
from silvaengine.errors import ConditionFailedError, NotFoundError, RequestError, SilvaEngineError
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import decode, encode
from silvaengine.protocol.messages import RESERVED_PARAMETERS, WorkerResponse
from silvaengine.registry.model import Function, KeyAccess
from silvaengine_http.mcp.messages import INTERNAL_ERROR, INVALID_PARAMS, Members, Message, RpcError
from silvaengine_http.mcp.results import refusal, tool_response
from silvaengine_http.mcp.revisions import LEGACY, Revision
from silvaengine_http.mcp.tools import Tool
from silvaengine_http.request import HttpCall, Request
from silvaengine_http.response import Response

if TYPE_CHECKING:
    from silvaengine_http.executions import Executions
    from silvaengine_http.gateway import Gateway, Terms

_JOBS = "jobs"  # the scope that jobs need
_POLL_SECONDS = 0.5
_RELATED = "io.modelcontextprotocol/related-task"


class ToolCall(NamedTuple):
    """A request of a client, and what is known of it; ``tools`` are those of its key."""

    call: HttpCall
    request: Request
    key_access: KeyAccess
    message: Message
    revision: Revision
    tools: Mapping[str, Tool]

    @property
    def is_legacy_task(self) -> bool:
        """Whether a client of the one legacy revision that has tasks asks for one."""
        return self.revision.version == LEGACY[0] and isinstance(self.message.params.get("task"), dict)


class Result(NamedTuple):
    """A result as the JSON text of an object, and what it is: ``complete``, or a ``task``."""

    text: str
    kind: str = "complete"


class ToolCaller:
    """Calls tools.

    Args:
        gateway: calls functions.
        admission: has the functions.
        open_executions: returns the ledger's; called only for tasks and for calls that the ledger holds.
    """

    def __init__(
        self, gateway: "Gateway", admission: Admission, open_executions: "Callable[[], Executions]"
    ) -> None:
        self._gateway = gateway
        self._admission = admission
        self._open_executions = open_executions

    def call(self, asked: ToolCall) -> Result:
        """Call a tool: its result, its refusal, or a task.

        Raises:
            RpcError: there is no such tool.
            SilvaEngineError: the caller may not call it, or the platform failed.
        """
        call, key_access, params = asked.call, asked.key_access, asked.message.params
        name, arguments = asked.message.text("name"), params.get("arguments")
        tool = asked.tools.get(name)
        if tool is None:
            raise RpcError(INVALID_PARAMS, f"Unknown tool: {name[:128]}")
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "params.arguments must be an object")
        call.log.add(function=name)
        function = self._admission.function(key_access, name, asked.request.route.area)
        call.note_function(function)
        request = _request_of(asked.request, name, tool, arguments)
        call.log.begin_step("authorize")
        if function.auth_required:
            context = self._gateway.permit(call, request, key_access, function).context
            # The token is for this server alone, which must not pass it on; the context has its claims.
            request = request._replace(context=context, headers=request.headers.without("authorization"))
        call.log.begin_step("invoke")
        try:
            terms = self._terms(asked, request, function)
            response = self._respond(asked, request, function, terms)
        except RequestError as error:  # such as an idempotency key of another request
            if asked.is_legacy_task:  # whose client takes nothing but a task for a result
                raise RpcError(INVALID_PARAMS, error.message) from None
            return Result(encode(refusal(error)))
        if terms is not None and terms.is_async:
            return self._begun(asked, response)
        if response.status >= 500:
            _check_replayed(response)
        return Result(response.body)

    def task(self, asked: ToolCall) -> Result:
        """Return how a task stands, to modern clients with its outcome; raises RpcError for none."""
        task, outcome = self._task(asked, self._find(asked))
        return Result(encode(task | outcome if asked.revision.is_modern else task))

    def task_result(self, asked: ToolCall) -> Result:
        """Wait for the result of a task, as long as a response may take; raises RpcError for its error."""
        execution = self._find(asked)
        while execution.state in LIVE:
            if time.time() + 2 * _POLL_SECONDS > asked.call.deadline:
                raise RpcError(INTERNAL_ERROR, "The task has not ended yet; ask again")
            time.sleep(_POLL_SECONDS)
            execution = self._open_executions().ledger.get(execution.job_id) or execution
        task, outcome = self._task(asked, execution)
        if "result" not in outcome:
            raise RpcError(INTERNAL_ERROR, task.get("statusMessage") or "The task was cancelled")
        return Result(encode({**outcome["result"], "_meta": {_RELATED: {"taskId": execution.job_id}}}))

    def cancel(self, asked: ToolCall) -> Result:
        """Cancel a task: it won't begin or, once it runs, what comes of it is discarded.

        Raises:
            RpcError: there is no such task or, for legacy clients, it has ended.
        """
        is_modern = asked.revision.is_modern
        while (execution := self._find(asked)).state in LIVE:
            with suppress(ConditionFailedError):  # it has just begun, or ended
                self._open_executions().ledger.withdraw(execution)
                return Result("{}") if is_modern else self.task(asked)
        if not is_modern:
            raise RpcError(INVALID_PARAMS, "The task has ended")
        return Result("{}")

    def update(self, asked: ToolCall) -> Result:
        """Acknowledge what no task has asked for; raises RpcError for an unknown one."""
        self._find(asked)
        return Result("{}")

    def _terms(self, asked: ToolCall, request: Request, function: Function) -> "Terms | None":
        from silvaengine_http.gateway import Terms, read_terms  # lazy: it imports this package itself

        terms = read_terms(request.method, request.headers, function)
        if asked.is_legacy_task and asked.key_access.may(_JOBS):
            return Terms(terms.key if terms else None, is_async=True, is_preferred=True)
        return terms

    def _respond(
        self, asked: ToolCall, request: Request, function: Function, terms: "Terms | None"
    ) -> Response:
        respond = partial(tool_response, is_modern=asked.revision.is_modern)
        call = asked.call
        if terms is not None:
            held = self._gateway.ledger_call(call, request, asked.key_access, function, terms)
            arguments = encode(asked.message.params.get("arguments"))  # of which a body may be but one
            return self._open_executions().serve(held._replace(respond=respond, body=arguments))

        def ask() -> Response:
            return respond(WorkerResponse.read(self._gateway.functions.ask(call, request, function)))

        return ask() if function.outcome is None else function.outcome.of(ask)

    def _begun(self, asked: ToolCall, response: Response) -> Result:
        """Return the task of a job, or what became of it for a client that takes none."""
        is_modern = asked.revision.is_modern
        takes_task = asked.revision.takes_tasks if is_modern else asked.is_legacy_task
        accepted = decode(response.body)
        job = self._open_executions().ledger.get(accepted["job_id"]) if isinstance(accepted, dict) else None
        if not (takes_task and job and asked.key_access.may(_JOBS)):
            return Result(encode({"content": [{"type": "text", "text": response.body}]}))
        task, _ = self._task(asked, job)
        return Result(encode(task), "task") if is_modern else Result(encode({"task": task}))

    def _find(self, asked: ToolCall) -> Execution:
        from silvaengine_http.job_status import find_job  # lazy: only a task needs it

        asked.revision.require_tasks()
        call, request, key_access = asked.call, asked.request, asked.key_access
        check_access(key_access, _JOBS, repr(asked.message.method), request.context)
        task_id = asked.message.text("taskId")
        try:
            return find_job(
                self._open_executions(),
                request.route,
                task_id,
                lambda execution: self._gateway.caller_of(call, request, key_access, execution),
            )
        except NotFoundError:
            raise RpcError(INVALID_PARAMS, "Task not found") from None

    def _task(self, asked: ToolCall, execution: Execution) -> tuple[dict[str, Any], dict[str, Any]]:
        from silvaengine_http.mcp.tasks import task_of  # lazy: only a task needs it

        return task_of(execution, self._open_executions().payloads, is_modern=asked.revision.is_modern)


def _request_of(request: Request, name: str, tool: Tool, arguments: Members) -> Request:
    """Return the request for a function by its name that a call of a tool means."""
    route = request.route._replace(function=name, path="", depth=0)
    params: dict[str, object] = {}
    body: object = arguments
    if tool.takes_body:
        params = {
            each: value for each, value in arguments.items() if each not in (*RESERVED_PARAMETERS, "body")
        }
        body = arguments.get("body")
    return request._replace(
        method=tool.method,
        route=route,
        query={},
        params={**params, "endpoint_id": route.endpoint_id, "area": route.area},  # type: ignore[dict-item]
        body=None if tool.takes_body and body is None else encode(body),
    )


def _check_replayed(response: Response) -> None:
    """Raise SilvaEngineError for a response that is a failure again, and no tool's result."""
    members = decode(response.body)
    if isinstance(members, dict) and "error" in members:
        raise SilvaEngineError(str(members["error"]), status=response.status)
