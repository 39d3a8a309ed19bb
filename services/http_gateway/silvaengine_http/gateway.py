"""The story of a request: read it, find its function, see whether it may be called, call it, answer."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from posixpath import dirname
from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.authorization.admission import admit, check_access
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.errors import RequestError
from silvaengine.protocol.messages import Invocation, WorkerAnswer, WorkerCall
from silvaengine.registry.model import Function, KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine_http import job_status
from silvaengine_http.call import HttpCall
from silvaengine_http.executions import Executions, LedgerCall, prefers_async, read_key
from silvaengine_http.full_event import whole_context, whole_event
from silvaengine_http.headers import CORS_SETTING
from silvaengine_http.path import checked_name, read_path
from silvaengine_http.request import Request, event_body, read_method, read_request
from silvaengine_http.response import Answer, function_answer, json_answer

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.access import Permission
    from silvaengine.authorization.authorize import Authorization
    from silvaengine.ledger.dispatch import TokenIssuer

CACHE_OPERATIONS = frozenset({"cache_clear", "cache_stats"})  # no functions, whatever the registry says
GRANTS = {**dict.fromkeys(CACHE_OPERATIONS, ""), job_status.OPERATION: "jobs"}  # a cache's is its own affair
OPERATIONS = GRANTS.keys()
CACHE_METHODS = ("GET", "POST", "HEAD", "OPTIONS")


class Gateway(NamedTuple):
    """Brings HTTP requests to functions.

    Args:
        settings: the deployment's.
        registry: knows which function a request means.
        invoker: reaches the workers.
        executions: holds asynchronous calls, and those with an idempotency key.
        open_authorization: returns what functions with ``auth_required`` need.
        open_limiter: returns what counts the calls of tenants and keys that have a limit.
        grant: returns what lets a function broadcast.

    """

    settings: Settings
    registry: Registry
    invoker: LambdaInvoker
    executions: Executions
    open_authorization: "Callable[[], Authorization]"
    open_limiter: "Callable[[], RateLimiter]"
    grant: "TokenIssuer | None" = None

    def serve(self, call: HttpCall) -> Answer:
        """Answer one HTTP event.

        Raises:
            SilvaEngineError: the request is refused or failed; the error's status and message are the answer.

        """
        if read_method(call.event) == "OPTIONS":
            return Answer(204)
        request = self._read(call)
        call.log.begin_step("resolve")
        key_access, name = self._resolve_key(call, request, self.open_limiter)
        if name in CACHE_OPERATIONS:
            return _manage(name, call.event, request, key_access)
        if name == job_status.OPERATION:
            return self._job_status(request)
        call.function = function = self.registry.function(key_access, name)
        call.log.begin_step("authorize")
        _check(request, function)
        if function.auth_required:
            permission = self._permit(call, request, key_access, function)
            request = request._replace(context=permission.context)
        call.log.begin_step("invoke")
        order = self._order(call, request, key_access, function)
        if order is None:
            return self._invoke(call, request, function)
        return _applied(self.executions.serve(order), order, request, key_access)

    def permission(self, call: HttpCall) -> "Permission":
        """Return what an authorizer call of API Gateway asks for; raises what ``serve`` raises."""
        from silvaengine.authorization.access import Permission  # few APIs ask

        request = self._read(call)
        key_access, name = self._resolve_key(call, request, None)  # the request itself counts
        if name not in OPERATIONS:
            call.function = function = self.registry.function(key_access, name)
            _check(request, function)
            if function.auth_required:
                return self._permit(call, request, key_access, function)
        return Permission(key_access.key_id, request.context)

    def _read(self, call: HttpCall) -> Request:
        settings = self.settings
        try:
            return read_request(call.event, settings.full_event_areas, takes_gzip=settings.takes_gzip)
        except RequestError:
            # Whose it was stands in the log, as far as it is an event and its path says so.
            with suppress(RequestError, AttributeError):
                call.target = read_path(call.event)
            raise

    def _resolve_key(
        self, call: HttpCall, request: Request, open_limiter: "Callable[[], RateLimiter] | None"
    ) -> tuple[KeyAccess, str]:
        """Return what the request's key opens, and the name of what is asked for."""
        call.target = target = request.target
        key_access, call.rate = admit(
            self.registry, open_limiter, target.endpoint_id, request.api_key, target.area, request.stage
        )
        call.cors = key_access.settings.get(CORS_SETTING)
        call.key_id = key_access.key_id
        call.name = name = _function_name(request, key_access)
        check_access(key_access, GRANTS.get(name, "invoke"), repr(name), request.context)
        return key_access, name

    def _permit(
        self, call: HttpCall, request: Request, key_access: KeyAccess, function: Function
    ) -> "Permission":
        from silvaengine.authorization.access import AccessRequest  # not every function asks

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

    def _job_status(self, request: Request) -> Answer:
        executions = self.executions
        return job_status.job_status(executions.ledger, executions.payloads, request.target, request.params)

    def _order(
        self, call: HttpCall, request: Request, key_access: KeyAccess, function: Function
    ) -> LedgerCall | None:
        """Return what the ledger shall hold; None for a plain synchronous call, which adds nothing."""
        key = read_key(request.method, request.headers, function)
        is_async = function.funct_type == "Event" or prefers_async(request.headers)
        if key is None and not is_async:
            return None
        content = self._worker_call(call, request, function, None).content()
        return LedgerCall(
            function=function,
            endpoint_id=request.target.endpoint_id,
            area=request.target.area,
            principal=f"{key_access.owner} {key_access.api_key}{call.principal and f' {call.principal}'}",
            request_id=call.request_id,
            content=content,
            body=_fingerprint(call.event, request),
            key=key,
            is_async=is_async,
            deadline=call.deadline,
            status_url="../" * _depth(call.event, request) + job_status.OPERATION,
        )

    def _invoke(self, call: HttpCall, request: Request, function: Function) -> Answer:
        payload = self._worker_call(call, request, function, call.deadline).encode()
        result = self.invoker.invoke(function.aws_lambda_arn, payload, deadline=call.deadline)
        return function_answer(WorkerAnswer.decode(result))

    def _worker_call(
        self, call: HttpCall, request: Request, function: Function, deadline: float | None
    ) -> WorkerCall:
        area, endpoint_id, _, _ = request.target
        grant = self.grant(function, endpoint_id) if self.grant else None
        invocation = Invocation(call.request_id, endpoint_id, area, function.name, deadline, grant=grant)
        if area not in self.settings.full_event_areas:
            return WorkerCall(
                function.callee, request.params, request.body, request.context, invocation=invocation
            )
        return WorkerCall(
            function.callee,
            request.params,
            aws_event=whole_event(call.event, request, function.configuration),
            aws_context=whole_context(call.context),
            invocation=invocation,
        )


def deployed_authorization() -> "Authorization":
    """Return the authorization of this artefact and its operator's authorizers."""
    from silvaengine.authorization.authorize import open_authorization  # not every function asks

    return open_authorization(dirname(dirname(__file__)))


def _fingerprint(event: Mapping[str, Any], request: Request) -> str:
    """Return what makes two requests the same: method, path, query and body, but no header."""
    body = request.body if request.body is not None else event.get("body")
    return json.dumps([request.method, request.target.path, dict(request.query), body], sort_keys=True)


def _depth(event: Mapping[str, Any], request: Request) -> int:
    """Count how many steps up the URL leads from the request's path to beside the function's name."""
    path = event.get("rawPath") or event.get("path") or ""
    return len(request.target.path.split("/")) * bool(request.target.path) + str(path).endswith("/")


def _applied(answer: Answer, order: LedgerCall, request: Request, key_access: KeyAccess) -> Answer:
    """Say that a wish was granted; or answer as the predecessor did, where the endpoint's settings say so."""
    if answer.status != 202 or not order.is_async:
        return answer
    if prefers_async(request.headers):
        return answer._replace(headers={**answer.headers, "Preference-Applied": ("respond-async",)})
    return Answer(200) if key_access.settings.get("event_answer") == "empty" else answer


def _function_name(request: Request, key_access: KeyAccess) -> str:
    """Return the name from the header that the endpoint's settings name for it, else the path's."""
    header = key_access.settings.get("api_unified_call_index")
    named = request.headers.get(header.lower()) if isinstance(header, str) else None
    return checked_name(f"Header {header!r}", named) if named else request.target.function


def _manage(operation: str, event: Mapping[str, Any], request: Request, key_access: KeyAccess) -> Answer:
    from silvaengine_http import management  # few requests manage caches

    if request.method not in CACHE_METHODS:
        message = f"{operation} does not take {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(CACHE_METHODS)})
    tenant = management.managed_tenant(key_access)
    body = request.body or event_body(event, request.headers)  # an area with full events has read none
    params = management.management_params(request.params, body)
    return json_answer(management.manage_cache(operation, params, tenant))


def _check(request: Request, function: Function) -> None:
    if function.area != request.target.area:
        message = f"Function {function.name!r} is not in area {request.target.area!r}"
        raise RequestError(message, status=403)
    if request.method not in function.methods and request.method not in (
        allowed := _allowed_methods(function)
    ):
        message = f"Function {function.name!r} does not take {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(allowed)})


def _allowed_methods(function: Function) -> tuple[str, ...]:
    methods = function.methods
    return (*methods, *(["HEAD"] if "GET" in methods and "HEAD" not in methods else []), "OPTIONS")
