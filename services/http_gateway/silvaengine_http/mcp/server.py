"""An endpoint as an MCP server, by streamable HTTP without sessions or streams: one POST, one JSON answer.

modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from silvaengine.authorization.admission import Admission
from silvaengine.authorization.events import CORS_SETTING, lists_origin
from silvaengine.authorization.key_sets import LOOPBACK
from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError, method_not_allowed
from silvaengine.lru import LruCache
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.trace_context import read_traceparent
from silvaengine.registry.model import KeyAccess
from silvaengine.settings import Settings
from silvaengine_http.mcp.calls import Result, ToolCall, ToolCaller
from silvaengine_http.mcp.messages import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    MessageId,
    RpcError,
    failure_response,
    read_envelope,
    read_id,
    read_message,
    result_response,
)
from silvaengine_http.mcp.resources import METADATA, challenged, metadata_response, token_source
from silvaengine_http.mcp.revisions import (
    LEGACY,
    SERVER,
    SUPPORTED,
    TASKS,
    Revision,
    negotiated,
    read_revision,
)
from silvaengine_http.mcp.tools import SETTING, Tool, page_of, read_tools
from silvaengine_http.request import HttpCall, Request
from silvaengine_http.response import Response, with_headers

if TYPE_CHECKING:
    from silvaengine_http.executions import Executions
    from silvaengine_http.gateway import Gateway

KEPT_SECONDS = 600.0

type Members = dict[str, Any]
type Method = Callable[[ToolCall], Result]


class McpServer:
    """Serves a key's functions as tools.

    Args:
        gateway: calls functions.
        settings: the deployment's.
        admission: has the registry.
        open_executions: returns the ledger's; called only for tasks and for calls that the ledger holds.
    """

    def __init__(
        self,
        gateway: "Gateway",
        settings: Settings,
        admission: Admission,
        open_executions: "Callable[[], Executions]",
    ) -> None:
        self._gateway = gateway
        self._registry = admission.registry
        self._caller = ToolCaller(gateway, admission, open_executions)
        self._full_event_areas = settings.full_event_areas
        self._tools = LruCache(KEPT_SECONDS, admission.registry.budget)
        # As long as an instance may not know of a change itself; and lists depend on the key.
        refresh = int(settings.registry_refresh_seconds * 1000)
        self._freshness: Members = {"ttlMs": refresh, "cacheScope": "private"}

    def serve(self, call: HttpCall, request: Request, key_access: KeyAccess) -> Response:
        """Answer a message, or say where tokens come from.

        Raises:
            SilvaEngineError: the request is refused before its message is read.
        """
        route = request.route
        if route.area in self._full_event_areas:
            raise NotFoundError(f"Area {route.area!r} has no MCP server: its functions take whole events")
        if route.path == METADATA:
            metadata = metadata_response(call.event, request, lambda *_: key_access.settings)
            if metadata is not None:
                return metadata
        if route.path:
            raise NotFoundError(f"There is nothing at {route.path!r}")
        _check_origin(request, key_access)
        if request.method != "POST":
            raise method_not_allowed("mcp", request.method, ["POST"])
        message_id: MessageId = None
        try:
            envelope = read_envelope(request.body)
            message_id = read_id(envelope)
            return self._answer(call, request, key_access, read_message(envelope))
        except RpcError as error:
            return failure_response(message_id, error)
        except Exception as error:  # noqa: BLE001 - a Lambda's door: what the client waits for has its own form
            return _refused(call, request, message_id, error)

    def refuse(self, call: HttpCall, request: Request, error: SilvaEngineError) -> Response:
        """Return the response to a message whose key is refused, or is over a limit; raises other errors.

        A client shows its user the error of JSON-RPC, and of any other body nothing.
        """
        try:
            message_id = read_message(read_envelope(request.body)).id
        except RpcError:
            raise error from None
        return _refused(call, request, message_id, error)

    def _answer(self, call: HttpCall, request: Request, key_access: KeyAccess, message: Message) -> Response:
        revision = read_revision(message, request.headers)
        if message.id is None:
            if revision.is_modern and not message.method:
                raise RpcError(INVALID_REQUEST, "The body must be a request or a notification")
            return Response(202)
        if "traceparent" not in request.headers:
            call.log.follow(read_traceparent(message.meta.get("traceparent")))
        method = self._methods(revision).get(message.method)
        if method is None:
            status = 404 if revision.is_modern else 200
            raise RpcError(METHOD_NOT_FOUND, f"Method not found: {message.method[:128]}", status=status)
        tools = self._tools_of(key_access, request)
        if token_source(key_access.settings) and any(tool.needs_authorizer for tool in tools.values()):
            self._gateway.identify(call, request, key_access)  # clients ask for a token at first
        try:
            result = method(ToolCall(call, request, key_access, message, revision, tools))
        except RpcError as error:
            if not revision.is_modern:  # whose clients take any other status for a failure of the transport
                error.status = 200
            raise
        if not revision.is_modern:
            return result_response(message.id, result.text)
        about = {"resultType": result.kind, "_meta": {SERVER: self._about(request)}}
        rest = result.text[1:] if result.text == "{}" else f",{result.text[1:]}"
        return result_response(message.id, encode(about)[:-1] + rest)

    def _methods(self, revision: Revision) -> Mapping[str, Method]:
        caller = self._caller
        tasks: dict[str, Method] = {"tasks/get": caller.task, "tasks/cancel": caller.cancel}
        tools: dict[str, Method] = {"tools/list": self._list, "tools/call": caller.call}
        if revision.is_modern:
            return {"server/discover": self._discover, "tasks/update": caller.update, **tools, **tasks}
        if revision.version == LEGACY[0]:
            tools |= tasks | {"tasks/result": caller.task_result}
        return {"initialize": self._initialize, "ping": _ping, **tools}

    def _tools_of(self, key_access: KeyAccess, request: Request) -> Mapping[str, Tool]:
        area = request.route.area
        key = (self._registry.generation, key_access.endpoint_id, key_access.api_key, area, request.stage)
        tools: Mapping[str, Tool] = self._tools.get_or_load(
            key,
            lambda: read_tools(
                self._registry.function_rows(key_access),
                area,
                are_all=key_access.settings.get(SETTING) is True,
            ),
        )
        return tools

    def _list(self, asked: ToolCall) -> Result:
        is_modern = asked.revision.is_modern
        page = page_of(asked.tools, asked.message.params.get("cursor"), is_modern=is_modern)
        return Result(f"{{{page},{encode(self._freshness)[1:]}" if is_modern else f"{{{page}}}")

    def _discover(self, asked: ToolCall) -> Result:
        extensions: Members = {"extensions": {TASKS: {}}} if asked.key_access.may("jobs") else {}
        capabilities = {"tools": {}, **extensions}
        return Result(
            encode({"supportedVersions": SUPPORTED, "capabilities": capabilities, **self._freshness})
        )

    def _initialize(self, asked: ToolCall) -> Result:
        version = negotiated(asked.message.params.get("protocolVersion"))
        has_tasks = version == LEGACY[0] and asked.key_access.may("jobs")
        tasks: Members = {"tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}} if has_tasks else {}
        capabilities, about = {"tools": {}, **tasks}, self._about(asked.request)
        return Result(encode({"protocolVersion": version, "capabilities": capabilities, "serverInfo": about}))

    def _about(self, request: Request) -> Members:
        area, endpoint_id, *_ = request.route
        title = f"{area} of {endpoint_id}"
        return {"name": endpoint_id, "title": title, "version": str(self._registry.generation or 0)}


def _ping(_: ToolCall) -> Result:
    return Result("{}")


def _check_origin(request: Request, key_access: KeyAccess) -> None:
    """Refuse a page, unless the endpoint's setting ``cors`` lists it, or it is of the client's own machine.

    A page that the client's user only visits could reach a server on that machine by a name of its own.
    """
    origin = request.headers.get("origin")
    if origin is None or lists_origin(key_access.settings.get(CORS_SETTING), origin):
        return
    try:
        is_local = urlsplit(origin).hostname in LOOPBACK
    except ValueError:
        is_local = False
    if not is_local:
        message = "Pages of this origin may not use this server: the endpoint's setting cors doesn't list it"
        raise RequestError(message, status=403)


def _refused(call: HttpCall, request: Request, message_id: MessageId, error: Exception) -> Response:
    """Return the response to a request that the platform refuses or fails to serve."""
    public = call.fail(error)
    source = token_source(call.key_access.settings) if call.key_access else None
    if source and "WWW-Authenticate" in public.headers:
        public = challenged(public, call.event, request, source)
    code = INTERNAL_ERROR if public.status >= 500 else public.status
    data = {"request_id": call.request_id}
    response = failure_response(message_id, RpcError(code, public.message, data, status=public.status))
    return with_headers(response, public.headers)
