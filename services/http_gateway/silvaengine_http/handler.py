"""How the HTTP gateway's events are served: requests, authorizer calls and operators' events."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, override

from silvaengine.authorization.events import CORS_SETTING, GatewayHandler, Members
from silvaengine.errors import SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine_http.body import base64_size
from silvaengine_http.gateway import Gateway
from silvaengine_http.headers import SANDBOX_SETTING, Headers, cors_headers, open_headers
from silvaengine_http.path import read_path
from silvaengine_http.request import (
    HttpCall,
    Request,
    is_load_balancer,
    not_a_request,
    read_cors_request,
    read_method,
    read_request,
)
from silvaengine_http.response import Response, error_response, render, response_format, with_headers

if TYPE_CHECKING:
    from silvaengine.authorization.model import Permission


class HttpHandler(GatewayHandler[HttpCall]):
    """Reads requests for the gateway, and turns what becomes of them into responses.

    The registry announces changes of its tables, and knows who may read a refusal in a browser. ``clock``
    returns epoch seconds.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        gateway: Gateway,
        alerts: AlertPublisher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("http", alerts, clock)
        self._settings = settings
        self._registry = registry
        self._gateway = gateway

    @override
    def operate(self, call: HttpCall, operation: str, request: Members) -> dict[str, Any]:
        """Carry out ``registry_changed``, ``tenant_forget`` or one of ``manage_cache``, which raise."""
        if operation == "registry_changed":
            self._registry.announce()
            return {"success": True}
        if operation == "tenant_forget":
            endpoint_id, deletes = str(request.get("endpoint_id", "")), request.get("deletes") is True
            return {"keys": self._forget_tenant(endpoint_id, deletes=deletes)}
        from silvaengine_http.management import manage_cache  # lazy: only an operator's event needs it

        return manage_cache(operation, request, request.get("endpoint_id"))

    def _forget_tenant(self, endpoint_id: str, *, deletes: bool) -> int:
        if self._settings.cache.redis is None:
            return 0
        from silvaengine.redis.client import process_redis  # lazy: only an operator's event needs them
        from silvaengine_http.tenant_keys import forget_tenant

        clients = process_redis(self._settings.cache.redis)
        return forget_tenant(endpoint_id, self._settings.table_prefix, clients, deletes=deletes)

    @override
    def permit(self, call: HttpCall) -> "Permission":
        """Return the permission that an authorizer call asks for; raises what ``Gateway.serve`` raises."""
        return self._gateway.permission(call, self._read(call, read_method(call.event)))

    @override
    def serve(self, call: HttpCall) -> dict[str, Any]:
        """Serve a request, a preflight, or what is refused since it is neither."""
        if not isinstance(call.event, dict):
            call.event = {}
        method = read_method(call.event)
        response = Response(204) if method == "OPTIONS" else self._respond(call, method)
        size = len(response.body)
        if response.is_base64:
            size = base64_size(response.body)
        fields = call.log.fields
        fields["method"], fields["status"], fields["bytes_out"] = method, response.status, size
        body = call.event.get("body")
        if body and isinstance(body, str):
            is_base64 = call.event.get("isBase64Encoded") is True
            fields["bytes_in"] = base64_size(body) if is_base64 else len(body)
        if response.status >= 500:  # a function may have returned it
            self.alert(call)
        takes_lists = not method and is_load_balancer(call.event) and "headers" not in call.event
        form = response_format(call.event.get("version") == "2.0", method == "HEAD", takes_lists)
        settings = call.key_access.settings if call.key_access else {}
        is_sandboxed = settings.get(SANDBOX_SETTING) is not False
        is_open = call.key_access is not None and settings.get(CORS_SETTING) is None
        cors = None if is_open else self._cors(call, method)
        return render(response, form, call.request_id, cors, is_sandboxed=is_sandboxed)

    def _respond(self, call: HttpCall, method: str) -> Response:
        try:
            response = self._gateway.serve(call, self._read(call, method))
        except Exception as error:  # noqa: BLE001 - a Lambda's door
            response = error_response(call.fail(error), call.request_id)
        return with_headers(response, call.rate_headers) if call.rate_headers else response

    def _read(self, call: HttpCall, method: str) -> Request:
        if not method:
            raise not_a_request(call.event)
        route = read_path(call.event)
        fields = call.log.fields
        fields["area"], fields["endpoint_id"], fields["function"] = route[:3]
        return read_request(
            call.event,
            method,
            route,
            reads_body=route.area not in self._settings.full_event_areas,
            takes_gzip=self._settings.takes_gzip,
            follow=call.log.follow,
        )

    def _cors(self, call: HttpCall, method: str) -> Headers | None:
        """Return the headers of the tenant's CORS policy; None where the contract's apply.

        A refused request may have no key and a preflight has none, so that their policy is found by the path.
        """
        origin, requested, route, stage = read_cors_request(call.event, method)
        if call.key_access is not None:
            return cors_headers(call.key_access.settings.get(CORS_SETTING), origin, requested)
        if origin is None:
            return open_headers(requested)
        if route is None:
            return None
        try:
            self._registry.refresh()
            settings = self._registry.gateway_settings(route.endpoint_id, route.area, stage)
        except SilvaEngineError:  # the response is about this or an earlier error
            return cors_headers({}, origin, requested)
        return cors_headers(settings.get(CORS_SETTING), origin, requested)
