"""Serving a request: find its function, check that it may be called, call it, respond."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from silvaengine.authorization.admission import Admission, check_access
from silvaengine.authorization.events import Members
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import (
    ConfigurationError,
    NotFoundError,
    RequestError,
    SilvaEngineError,
    method_not_allowed,
)
from silvaengine.named_tuple import NamedTuple
from silvaengine.registry.model import Function, KeyAccess
from silvaengine.settings import Settings
from silvaengine_http.body import read_body
from silvaengine_http.function_calls import FunctionCalls
from silvaengine_http.path import check_name
from silvaengine_http.request import KEYED_METHODS, HttpCall, Request, with_arguments
from silvaengine_http.response import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.authorization.model import Permission
    from silvaengine.ledger.dispatch import TokenIssuer
    from silvaengine.ledger.execution import Execution
    from silvaengine.registry.outcomes import Outcome
    from silvaengine_http.executions import Executions, LedgerCall
    from silvaengine_http.mcp.server import McpServer
    from silvaengine_http.openapi import OpenApi

# Operations, even if the registry has functions of these names.
CACHE_OPERATIONS = frozenset({"cache_clear", "cache_stats"})
JOB_STATUS = "job_status"
OPENAPI = "openapi.json"
WELL_KNOWN = ".well-known"  # RFC 8615
MCP = "mcp"  # but for this one, which a function of the name replaces
# The scope that an operation requires; cache management checks its own.
REQUIRED_SCOPE = {**dict.fromkeys(CACHE_OPERATIONS, ""), JOB_STATUS: "jobs", OPENAPI: "invoke", MCP: "invoke"}
CACHE_METHODS = ("GET", "POST", "HEAD", "OPTIONS")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Terms(NamedTuple):
    """How the ledger is to hold a call.

    ``key`` is the client's idempotency key, None without one. ``is_async`` says that the client doesn't wait,
    ``is_preferred`` that it asked not to.
    """

    key: str | None
    is_async: bool
    is_preferred: bool


class Gateway:
    """Serves HTTP requests by calling functions.

    The executions are opened for asynchronous calls, for those with an idempotency key, and for questions
    about jobs. ``functions`` calls the others.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        invoker: Invoker,
        open_executions: "Callable[[], Executions]",
        issue_token: "TokenIssuer",
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._open_executions = open_executions
        self.functions = FunctionCalls(settings, invoker, issue_token)

    def serve(self, call: HttpCall, request: Request) -> Response:
        """Serve a request and return the response.

        Raises:
            SilvaEngineError: it is refused or failed; the error's status and message are the response.

        """
        call.log.begin_step("resolve")
        try:
            key_access, name = self._resolve_key(call, request)
        except SilvaEngineError as error:
            if (metadata := self._resource_metadata(call, request)) is not None:
                return metadata
            if request.route.function == MCP and request.method == "POST":
                return self._mcp.refuse(call, request, error)
            raise
        if name in REQUIRED_SCOPE and self._is_operation(call, request, key_access, name):
            return self._operate(call, request, key_access, name)
        request, function = self._find(call, request, key_access, name)
        call.log.begin_step("authorize")
        if function.auth_required:
            request = request._replace(context=self.permit(call, request, key_access, function).context)
        call.log.begin_step("invoke")
        terms = read_terms(request.method, request.headers, function)
        if terms is None:
            if function.outcome is None:
                return self.functions.serve(call, request, function)
            return self._counted(call, request, function, function.outcome)
        response = self._open_executions().serve(self.ledger_call(call, request, key_access, function, terms))
        if response.status != 202 or not terms.is_async:
            return response
        if terms.is_preferred:
            return response._replace(headers={**response.headers, "Preference-Applied": ("respond-async",)})
        # The endpoint's settings may keep the predecessor's response.
        return Response(200) if key_access.settings.get("event_answer") == "empty" else response

    def _operate(self, call: HttpCall, request: Request, key_access: KeyAccess, name: str) -> Response:
        if name in CACHE_OPERATIONS:
            return _manage_cache(name, call.event, request, key_access)
        if name == OPENAPI:
            return self._open_api.serve(request, key_access)
        if name == MCP:
            return self._mcp.serve(call, request, key_access)
        from silvaengine_http.job_status import job_status  # lazy: no other call needs it

        return job_status(
            self._open_executions(),
            request.route,
            request.params,
            lambda execution: self.caller_of(call, request, key_access, execution),
        )

    @cached_property
    def _open_api(self) -> "OpenApi":
        from silvaengine_http.openapi import OpenApi  # lazy: no other call needs it

        return OpenApi(self._admission.registry, self._settings.full_event_areas)

    @cached_property
    def _mcp(self) -> "McpServer":
        from silvaengine_http.mcp.server import McpServer  # lazy: no other call needs it

        return McpServer(self, self._settings, self._admission, self._open_executions)

    def _is_operation(self, call: HttpCall, request: Request, key_access: KeyAccess, name: str) -> bool:
        if name != MCP:
            return True
        try:
            self._find(call, request, key_access, name)
        except NotFoundError:
            return True
        except RequestError:  # there is one, which refuses the request
            pass
        return False

    def _resource_metadata(self, call: HttpCall, request: Request) -> Response | None:
        """Return what tells clients without credentials where they get some, None for any other request."""
        if WELL_KNOWN not in (request.route.area, request.route.path.partition("/")[0]):
            return None
        from silvaengine_http.mcp.resources import metadata_response  # lazy: no other call needs it

        return metadata_response(call.event, request, self._admission.registry.gateway_settings)

    def permission(self, call: HttpCall, request: Request) -> "Permission":
        """Return the permission that an authorizer call asks for; raises what ``serve`` raises."""
        from silvaengine.authorization.model import Permission  # lazy: only an authorizer call needs it

        # not counted here: the request that follows is
        key_access, name = self._resolve_key(call, request, is_counted=False)
        if name not in REQUIRED_SCOPE or not self._is_operation(call, request, key_access, name):
            request, function = self._find(call, request, key_access, name)
            if function.auth_required:
                return self.permit(call, request, key_access, function)
        return Permission(key_access.key_id, request.function_context())

    def _resolve_key(
        self, call: HttpCall, request: Request, *, is_counted: bool = True
    ) -> tuple[KeyAccess, str]:
        """Return what the request's key opens, and the name of the function or operation.

        The path names it, or the header that the endpoint's settings appoint.
        """
        area, endpoint_id, name, _, _ = request.route
        key_access, call.rate_headers = self._admission.admit(
            endpoint_id, request.api_key, area, request.stage, is_counted=is_counted
        )
        call.key_access = key_access
        header = key_access.settings.get("api_unified_call_index")
        if isinstance(header, str) and (appointed := request.headers.get(header.lower())):
            check_name(f"Header {header!r}", appointed)
            name = appointed
            call.log.add(function=name)
        call.log.fields["key_id"] = key_access.key_id
        check_access(key_access, REQUIRED_SCOPE.get(name, "invoke"), repr(name), request.context)
        return key_access, name

    def _find(
        self, call: HttpCall, request: Request, key_access: KeyAccess, name: str
    ) -> tuple[Request, Function]:
        """Return the function of a name, else of a route, and the request with the route's arguments."""
        try:
            function = self._admission.function(key_access, name, request.route.area)
        except (NotFoundError, ConfigurationError):  # the latter may be of another package
            if name in key_access.functions or name != request.route.function:  # not the path's: a header's
                raise
            path = "/".join(filter(None, (name, request.route.path)))
            routes = self._admission.registry.routes(key_access)
            match = routes and routes.find(request.method, path)
            if not match:
                raise
            function = self._admission.function(key_access, match.function, request.route.area)
            call.log.add(function=function.name)
            request = with_arguments(request, path, match.arguments)
        call.note_function(function)
        _check_method(request.method, function)
        return request, function

    def permit(
        self, call: HttpCall, request: Request, key_access: KeyAccess, function: Function
    ) -> "Permission":
        """Return who may call a function with ``auth_required``; raises like ``Authorization.permit``."""
        permission = self.identify(call, request, key_access, function)
        if permission.principal:
            call.principal = permission.principal
            call.log.add(principal=call.principal)
        return permission

    def identify(
        self, call: HttpCall, request: Request, key_access: KeyAccess, function: Function | None = None
    ) -> "Permission":
        """Return what the authorizer says of a request, of no function in particular without one."""
        # lazy: only what has to do with ``auth_required`` needs it
        from silvaengine.authorization.model import AccessRequest

        return self._admission.open_authorization().permit(
            AccessRequest(
                call.event,
                request.function_context(),
                key_access,
                function,
                headers=request.headers,
                method=request.method,
                body=request.body,
                lambda_context=call.context,
            )
        )

    def caller_of(
        self, call: HttpCall, request: Request, key_access: KeyAccess, execution: "Execution"
    ) -> str:
        """Return whose job this may be; raises what a call of its function raises, in its own release."""
        name, arn = execution.function, execution.aws_lambda_arn
        if execution.package:
            function = self._admission.registry.accepted_function(key_access, arn, name)
        else:
            function = self._admission.function(key_access, name, request.route.area)
        call.note_function(function)
        if function.auth_required:
            self.permit(call, request, key_access, function)
        return _caller(call, key_access)

    def ledger_call(
        self, call: HttpCall, request: Request, key_access: KeyAccess, function: Function, terms: Terms
    ) -> "LedgerCall":
        """Return a function's call for the ledger."""
        # lazy: only a call that the ledger holds needs it
        from silvaengine_http.executions import LedgerCall

        return LedgerCall(
            function=function,
            endpoint_id=request.route.endpoint_id,
            area=request.route.area,
            caller=_caller(call, key_access),
            request_id=call.request_id,
            traceparent=call.log.traceparent,
            content=self.functions.content(call, request, function),
            body=_fingerprint(call.event, request),
            key=terms.key,
            is_async=terms.is_async,
            deadline=call.deadline,
            status_url="../" * request.route.depth + JOB_STATUS,
        )

    def _counted(self, call: HttpCall, request: Request, function: Function, outcome: "Outcome") -> Response:
        # What ``Outcome.of`` does, without its two calls more.
        try:
            response = self.functions.serve(call, request, function)
        except SilvaEngineError as error:
            outcome.count(error.status)
            raise
        outcome.count(response.status)
        return response


def read_terms(method: str, headers: Mapping[str, str], function: Function) -> Terms | None:
    """Return how the ledger is to hold a call; None for a call that it needn't know of.

    Raises:
        RequestError: 400, a required idempotency key is missing, or it isn't 1 to 255 visible ASCII
            characters.

    """
    key = headers.get("idempotency-key") if method in KEYED_METHODS else None
    if key is None and method in KEYED_METHODS and function.policy.idempotency == "required":
        raise RequestError("This function requires the header Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise RequestError("Idempotency-Key must be 1 to 255 visible ASCII characters")
    preferences = headers.get("prefer")
    is_preferred = preferences is not None and _prefers_async(preferences)
    is_async = is_preferred or function.funct_type == "Event"
    return Terms(key, is_async, is_preferred) if is_async or key is not None else None


def _prefers_async(preferences: str) -> bool:
    """Return whether the client asks for a job: RFC 7240, section 4.1."""
    return any(
        preference.partition(";")[0].strip().lower() == "respond-async"
        for preference in preferences.split(",")
    )


def _caller(call: HttpCall, key_access: KeyAccess) -> str:
    """Return who calls, to the ledger: the key and, once an authorizer has named it, the principal."""
    principal = call.principal and f" {call.principal}"
    return f"{key_access.key_row_endpoint} {key_access.api_key}{principal}"


def _fingerprint(event: Members, request: Request) -> str:
    """Return what makes two requests the same: method, path, query and body, but no header."""
    body = request.body if request.body is not None else event.get("body")
    return json.dumps([request.method, request.route.path, dict(request.query), body], sort_keys=True)


def _manage_cache(operation: str, event: Members, request: Request, key_access: KeyAccess) -> Response:
    from silvaengine_http import management  # lazy: only cache management needs it

    if request.method not in CACHE_METHODS:
        message = f"{operation} does not allow the method {request.method}"
        raise RequestError(message, status=405, headers={"Allow": ", ".join(CACHE_METHODS)})
    tenant = management.managed_tenant(key_access)
    body = request.body
    if not body:  # in a full-event area it wasn't read yet
        is_base64 = event.get("isBase64Encoded") is True
        body = read_body(event.get("body"), request.headers, is_base64=is_base64)
    params = management.management_params(request.params, body)
    return json_response(management.manage_cache(operation, params, tenant))


def _check_method(method: str, function: Function) -> None:
    methods = function.methods
    if method in methods or method == "OPTIONS" or (method == "HEAD" and "GET" in methods):
        return
    raise method_not_allowed(f"Function {function.name!r}", method, methods)
