"""Serving a request: find its function, check that it may be called, call it, respond."""

import json
from typing import TYPE_CHECKING, NamedTuple

from silvaengine.authorization.admission import admit, check_access
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import RequestError
from silvaengine.ledger.dispatch import issue_no_token
from silvaengine.protocol.messages import Invocation, WorkerCall, WorkerResponse
from silvaengine.registry.model import Function, KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine_http import job_status
from silvaengine_http.body import read_body
from silvaengine_http.call import HttpCall
from silvaengine_http.executions import Executions, LedgerCall, prefers_async, read_key
from silvaengine_http.full_event import full_context, full_event
from silvaengine_http.path import check_name
from silvaengine_http.request import Request
from silvaengine_http.response import Response, function_response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.authorization import Authorization
    from silvaengine.authorization.model import Permission
    from silvaengine.ledger.dispatch import TokenIssuer

CACHE_OPERATIONS = frozenset(
    {"cache_clear", "cache_stats"}
)  # operations, even if the registry has functions of these names
# The scope that an operation requires; cache management checks its own.
REQUIRED_SCOPE = {**dict.fromkeys(CACHE_OPERATIONS, ""), job_status.OPERATION: "jobs"}
CACHE_METHODS = ("GET", "POST", "HEAD", "OPTIONS")


class Gateway(NamedTuple):
    """Serves HTTP requests by calling functions.

    Args:
        settings: the deployment's.
        registry: finds the function of a request.
        invoker: invokes workers.
        executions: accepts asynchronous calls and those with an idempotency key.
        open_authorization: returns the authorizers, for functions with ``auth_required``.
        open_limiter: returns the rate limiter, for tenants and keys that have a limit.
        issue_token: returns a function's broadcast token, None for one that may not broadcast.

    """

    settings: Settings
    registry: Registry
    invoker: Invoker
    executions: Executions
    open_authorization: "Callable[[], Authorization]"
    open_limiter: "Callable[[], RateLimiter]"
    issue_token: "TokenIssuer" = issue_no_token

    def serve(self, call: HttpCall, request: Request) -> Response:
        """Serve a request and return the response.

        Raises:
            SilvaEngineError: it is refused or failed; the error's status and message are the response.

        """
        call.log.begin_step("resolve")
        key_access, name = self._resolve_key(call, request, self.open_limiter)
        if name in CACHE_OPERATIONS:
            return _manage_cache(name, request, key_access)
        if name == job_status.OPERATION:
            return self._job_status(request)
        call.function = function = self.registry.client_function(key_access, name)
        call.log.begin_step("authorize")
        _check_function(request, function)
        if function.auth_required:
            permission = self._permit(call, request, key_access, function)
            request = request._replace(context=permission.context)
        call.log.begin_step("invoke")
        key = read_key(request.method, request.headers, function)
        prefers_job = prefers_async(request.headers)
        if key is None and not prefers_job and function.funct_type != "Event":
            return self._invoke(call, request, function)
        ledger_call = self._ledger_call(call, request, key_access, function, key, prefers_job=prefers_job)
        response = self.executions.serve(ledger_call)
        if response.status != 202 or not ledger_call.is_async:
            return response
        if prefers_job:
            return response._replace(headers={**response.headers, "Preference-Applied": ("respond-async",)})
        # The endpoint's settings may keep the predecessor's response.
        return Response(200) if key_access.settings.get("event_answer") == "empty" else response

    def permission(self, call: HttpCall, request: Request) -> "Permission":
        """Return the permission that an authorizer call asks for; raises what ``serve`` raises."""
        from silvaengine.authorization.model import Permission  # lazy: only an authorizer call needs it

        key_access, name = self._resolve_key(
            call, request, None
        )  # not counted here: the request that follows is
        if name not in REQUIRED_SCOPE:
            call.function = function = self.registry.client_function(key_access, name)
            _check_function(request, function)
            if function.auth_required:
                return self._permit(call, request, key_access, function)
        return Permission(key_access.key_id, request.context)

    def _resolve_key(
        self, call: HttpCall, request: Request, open_limiter: "Callable[[], RateLimiter] | None"
    ) -> tuple[KeyAccess, str]:
        """Return what the request's key opens, and the name of the function or operation."""
        route = request.route
        key_access, call.rate_headers = admit(
            self.registry, open_limiter, route.endpoint_id, request.api_key, route.area, request.stage
        )
        call.key_access = key_access
        call.name = name = _function_name(request, key_access)
        check_access(key_access, REQUIRED_SCOPE.get(name, "invoke"), repr(name), request.context)
        return key_access, name

    def _permit(
        self, call: HttpCall, request: Request, key_access: KeyAccess, function: Function
    ) -> "Permission":
        # lazy: only a function with ``auth_required`` needs it
        from silvaengine.authorization.model import AccessRequest

        permission = self.open_authorization().permit(
            AccessRequest(
                event=call.event,
                context=request.context,
                headers=request.headers,
                method=request.method,
                key_access=key_access,
                function=function,
                body=request.body,
                lambda_context=call.context,
            )
        )
        call.principal = permission.principal
        return permission

    def _job_status(self, request: Request) -> Response:
        executions = self.executions
        return job_status.job_status(executions.ledger, executions.payloads, request.route, request.params)

    def _ledger_call(
        self,
        call: HttpCall,
        request: Request,
        key_access: KeyAccess,
        function: Function,
        key: str | None,
        *,
        prefers_job: bool,
    ) -> LedgerCall:
        principal = call.principal and f" {call.principal}"
        return LedgerCall(
            function=function,
            endpoint_id=request.route.endpoint_id,
            area=request.route.area,
            caller=f"{key_access.key_row_endpoint} {key_access.api_key}{principal}",
            request_id=call.request_id,
            content=self._worker_call(call, request, function, None).content(),
            body=_fingerprint(request),
            key=key,
            is_async=function.funct_type == "Event" or prefers_job,
            deadline=call.deadline,
            status_url="../" * request.depth + job_status.OPERATION,
        )

    def _invoke(self, call: HttpCall, request: Request, function: Function) -> Response:
        payload = self._worker_call(call, request, function, call.deadline).encode()
        result = self.invoker.invoke(function.aws_lambda_arn, payload, deadline=call.deadline)
        return function_response(WorkerResponse.decode(result))

    def _worker_call(
        self, call: HttpCall, request: Request, function: Function, deadline: float | None
    ) -> WorkerCall:
        area, endpoint_id, _, _ = request.route
        grant = self.issue_token(function, endpoint_id)
        invocation = Invocation(call.request_id, endpoint_id, area, function.name, deadline, grant=grant)
        if area not in self.settings.full_event_areas:
            return WorkerCall(
                function.callee, request.params, request.body, request.context, invocation=invocation
            )
        return WorkerCall(
            function.callee,
            request.params,
            aws_event=full_event(call.event, request, function.configuration),
            aws_context=full_context(call.context),
            invocation=invocation,
        )


def _fingerprint(request: Request) -> str:
    """Return what makes two requests the same: method, path, query and body, but no header."""
    body = request.body if request.body is not None else request.raw_body
    return json.dumps([request.method, request.route.path, dict(request.query), body], sort_keys=True)


def _function_name(request: Request, key_access: KeyAccess) -> str:
    """Return the name from the header that the endpoint's settings appoint, else the path's."""
    header = key_access.settings.get("api_unified_call_index")
    name = request.headers.get(header.lower()) if isinstance(header, str) else None
    if not name:
        return request.route.function
    check_name(f"Header {header!r}", name)
    return name


def _manage_cache(operation: str, request: Request, key_access: KeyAccess) -> Response:
    from silvaengine_http import management  # lazy: only cache management needs it

    if request.method not in CACHE_METHODS:
        message = f"{operation} does not allow the method {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(CACHE_METHODS)})
    tenant = management.managed_tenant(key_access)
    body = request.body
    if not body:  # in a full-event area it wasn't read yet
        body = read_body(request.raw_body, request.headers, is_base64=request.is_base64)
    params = management.management_params(request.params, body)
    return json_response(management.manage_cache(operation, params, tenant))


def _check_function(request: Request, function: Function) -> None:
    if function.area != request.route.area:
        message = f"Function {function.name!r} is not in area {request.route.area!r}"
        raise RequestError(message, status=403)
    if request.method not in function.methods and request.method not in (
        allowed := _allowed_methods(function)
    ):
        message = f"Function {function.name!r} does not allow the method {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(allowed)})


def _allowed_methods(function: Function) -> tuple[str, ...]:
    methods = function.methods
    return (*methods, *(["HEAD"] if "GET" in methods and "HEAD" not in methods else []), "OPTIONS")
