"""The story of a request: read it, find its function, see whether it may be called, call it, answer."""

from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.invocation import LambdaInvoker
from silvaengine.messages import Invocation, WorkerAnswer, WorkerCall
from silvaengine.registry import Connection, Function, Registry
from silvaengine.settings import Settings
from silvaengine.telemetry import InvocationLog
from silvaengine.workers import worker_for
from silvaengine_http.full_event import whole_context, whole_event
from silvaengine_http.path import Target, checked_name
from silvaengine_http.request import Request, read_method, read_request
from silvaengine_http.response import Answer, function_answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP_SECONDS = 27.0  # API Gateway answers 504 after 29
CACHE_OPERATIONS = frozenset({"cache_clear", "cache_stats"})  # no functions, whatever the registry says
CACHE_METHODS = ("GET", "POST", "HEAD", "OPTIONS")
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it


class Call:
    """One invocation of the gateway, and what becomes known of it for the log and for notices.

    ``deadline`` is in epoch seconds. ``target`` is None until the path was read, ``function`` until the
    registry has named one.
    """

    __slots__ = ("context", "deadline", "event", "function", "log", "request_id", "target")

    def __init__(
        self,
        request_id: str,
        event: Any,  # noqa: ANN401 - Lambda hands over anything
        context: object,
        deadline: float,
        log: InvocationLog,
    ) -> None:
        self.request_id = request_id
        self.event = event
        self.context = context
        self.deadline = deadline
        self.log = log
        self.target: Target | None = None
        self.function: Function | None = None


class Gateway(NamedTuple):
    """Brings HTTP requests to functions.

    Args:
        settings: the deployment's.
        registry: knows which function a request means.
        invoker: reaches the workers.

    """

    settings: Settings
    registry: Registry
    invoker: LambdaInvoker

    def serve(self, call: Call) -> Answer:
        """Answer one HTTP event.

        Raises:
            SilvaEngineError: the request is refused or failed; the error's status and message are the answer.

        """
        if read_method(call.event) == "OPTIONS":
            return Answer(204)
        request = read_request(call.event, self.settings.full_event_areas)
        call.target = target = request.target
        call.log.fields(endpoint_id=target.endpoint_id, area=target.area, function=target.function)
        with call.log.timed("resolve"):
            self.registry.refresh()
            connection = self.registry.connection(
                target.endpoint_id, request.api_key, target.area, request.stage
            )
            name = _function_name(request, connection)
            call.log.fields(function=name)
            if name in CACHE_OPERATIONS:
                return _manage(name, request, connection)
            call.function = function = self.registry.function(connection, name)
        with call.log.timed("authorize"):
            _authorize(request, function)
        with call.log.timed("invoke"):
            return self._invoke(call, request, function)

    def _invoke(self, call: Call, request: Request, function: Function) -> Answer:
        is_event = function.funct_type == "Event"
        deadline = None if is_event else call.deadline
        payload = self._worker_call(call, request, function, deadline).encode()
        arn = worker_for(function.aws_lambda_arn, self.settings)
        result = self.invoker.invoke(arn, payload, event=is_event, deadline=call.deadline)
        if is_event:
            return json_answer({"status": "accepted", "request_id": call.request_id}, 202)
        return function_answer(WorkerAnswer.decode(result))

    def _worker_call(
        self, call: Call, request: Request, function: Function, deadline: float | None
    ) -> WorkerCall:
        full = request.target.area in self.settings.full_event_areas
        return WorkerCall(
            module_name=function.module_name,
            class_name=function.class_name,
            function=function.name,
            setting=function.setting_text,
            params=request.params,
            body=request.body,
            context=None if full else request.context,
            aws_event=whole_event(call.event, request, function.configuration) if full else None,
            aws_context=whole_context(call.context) if full else None,
            invocation=Invocation(
                request_id=call.request_id,
                endpoint_id=request.target.endpoint_id,
                area=request.target.area,
                function=function.name,
                deadline=deadline,
            ),
        )


def deadline(context: object, now: float) -> float:
    """Give the end of a request's time, in epoch seconds: 27 s from now, less where Lambda ends earlier."""
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    seconds = HTTP_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
    return now + min(HTTP_SECONDS, seconds)


def _function_name(request: Request, connection: Connection) -> str:
    """Give the name from the header that the endpoint's settings name for it, else the path's."""
    header = connection.settings.get("api_unified_call_index")
    named = request.headers.get(header.lower()) if isinstance(header, str) else None
    return checked_name(f"Header {header!r}", named) if named else request.target.function


def _manage(operation: str, request: Request, connection: Connection) -> Answer:
    from silvaengine_http import management  # noqa: PLC0415 - few requests manage caches

    if request.method not in CACHE_METHODS:
        message = f"{operation} does not take {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(CACHE_METHODS)})
    tenant = management.managed_tenant(connection)
    params = management.management_params(request.params, request.body)
    return json_answer(management.manage_cache(operation, params, tenant))


def _authorize(request: Request, function: Function) -> None:
    if function.area != request.target.area:
        message = f"Function {function.name!r} is not in area {request.target.area!r}"
        raise RequestError(message, status=403)
    allowed = _allowed_methods(function)
    if request.method not in allowed:
        message = f"Function {function.name!r} does not take {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(allowed)})
    if function.auth_required:
        message = f"Function {function.name!r} requires an authorizer and none is configured"
        raise RequestError(message, status=403)


def _allowed_methods(function: Function) -> tuple[str, ...]:
    methods = function.methods
    return (*methods, *(["HEAD"] if "GET" in methods and "HEAD" not in methods else []), "OPTIONS")
