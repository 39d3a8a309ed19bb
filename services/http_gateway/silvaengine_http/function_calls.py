"""Calling functions for requests: what a worker gets of one, and what its client gets of the answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import ContextNeededError
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import (
    Invocation,
    WorkerCall,
    WorkerResponse,
    encode_call,
    invocation_members,
)
from silvaengine.registry.model import Function
from silvaengine.settings import Settings
from silvaengine_http.request import HttpCall, Request
from silvaengine_http.response import Response, function_response, read_json_response

if TYPE_CHECKING:
    from silvaengine.ledger.dispatch import TokenIssuer

MAX_WITHOUT_CONTEXT = 4096  # functions of which the gateway remembers that
# Lambda's context as full-event functions get it: docs.aws.amazon.com/lambda/latest/dg/python-context.html
CONTEXT_MEMBERS = (
    "function_name",
    "function_version",
    "invoked_function_arn",
    "memory_limit_in_mb",
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "client_context",
    "identity",
)


class FunctionCalls:
    """Calls functions through ``invoker``, with the request's context only where they take it.

    ``issue_token`` returns what lets a function broadcast.
    """

    def __init__(self, settings: Settings, invoker: Invoker, issue_token: "TokenIssuer") -> None:
        self._settings = settings
        self._invoker = invoker
        self._issue_token = issue_token
        self._without_context: set[tuple[str, str]] = set()  # functions that said they don't take it

    def serve(self, call: HttpCall, request: Request, function: Function) -> Response:
        """Call a function and return the response to its client; raises SilvaEngineError."""
        key = function.aws_lambda_arn, function.name
        is_brief = key in self._without_context
        result = self.ask(call, request, function, is_brief=is_brief)
        if (found := read_json_response(result)) is not None:
            response, takes_context = found
        else:
            answer = WorkerResponse.read(result)
            if is_brief and answer.error_type == ContextNeededError.__name__:  # its code has changed
                self._without_context.discard(key)
                answer = WorkerResponse.read(self.ask(call, request, function, is_brief=False))
            response, takes_context = function_response(answer), answer.takes_context
        if not (takes_context or is_brief):
            if len(self._without_context) == MAX_WITHOUT_CONTEXT:
                self._without_context.clear()
            self._without_context.add(key)
        return response

    def ask(self, call: HttpCall, request: Request, function: Function, *, is_brief: bool = False) -> bytes:
        """Return what a worker answers, as JSON text; raises SilvaEngineError."""
        payload = self._payload(call, request, function, is_brief=is_brief)
        return self._invoker.invoke(
            function.aws_lambda_arn, payload, deadline=call.deadline, is_isolated=function.is_isolated
        )

    def content(self, call: HttpCall, request: Request, function: Function) -> str:
        """Return what the ledger keeps of a call, to make it later."""
        return self._worker_call(call, request, function, None).content()

    def _payload(self, call: HttpCall, request: Request, function: Function, *, is_brief: bool) -> str:
        if request.route.area in self._settings.full_event_areas:
            return self._worker_call(call, request, function, call.deadline).encode()
        context = _brief(request, function) if is_brief else encode(request.function_context())
        invocation = self._invocation(call, request, function, call.deadline)
        return encode_call(
            function.callee, request.params, request.body, context, invocation, is_brief=is_brief
        )

    def _invocation(
        self, call: HttpCall, request: Request, function: Function, deadline: float | None
    ) -> dict[str, Any]:
        route, traceparent = request.route, call.log.traceparent
        grant = self._issue_token(route.endpoint_id) if function.broadcasts else None
        return invocation_members(
            call.request_id, route.endpoint_id, route.area, function.name, deadline, 1, 0, traceparent, grant
        )

    def _worker_call(
        self, call: HttpCall, request: Request, function: Function, deadline: float | None
    ) -> WorkerCall:
        invocation = Invocation(**self._invocation(call, request, function, deadline))
        context = request.function_context()
        if request.route.area not in self._settings.full_event_areas:
            return WorkerCall(function.callee, request.params, request.body, context, invocation=invocation)
        configuration = dict(function.configuration)
        return WorkerCall(
            function.callee,
            request.params,
            aws_event={**call.event, "requestContext": context, "fnConfigurations": configuration},
            aws_context={name: _plain(getattr(call.context, name, None)) for name in CONTEXT_MEMBERS},
            invocation=invocation,
        )


def _brief(request: Request, function: Function) -> str:
    """Return what a worker itself reads of a context, as JSON text; it is more for a typed function."""
    if request.path_parameters is None and not function.callee.typed:
        return "{}"
    context: dict[str, object] = {}
    if request.path_parameters is not None:
        context["path_parameters"] = request.path_parameters
    if function.callee.typed:
        context["query"] = request.query
        if request.body and (content_type := request.headers.get("content-type")) is not None:
            context["headers"] = {"content-type": content_type}
    return encode(context)


def _plain(value: object) -> object:
    """Return a JSON value; the runtime's own classes, which have slots, become objects."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    names = getattr(value, "__slots__", None) or vars(value)
    return {name: _plain(getattr(value, name, None)) for name in names}
