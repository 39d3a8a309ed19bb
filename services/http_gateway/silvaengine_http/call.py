"""One HTTP event that the gateway serves."""

from typing import TYPE_CHECKING

from silvaengine.authorization.admission import NO_RATE_HEADERS
from silvaengine_http.request import CorsRequest, read_cors_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.observability.logging import InvocationLog
    from silvaengine.registry.model import Function, KeyAccess
    from silvaengine_http.path import Route
    from silvaengine_http.request import Members, Request

HTTP_SECONDS = 27.0  # API Gateway responds with 504 after 29
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it


class HttpCall:
    """One HTTP event, and what becomes known of it for response, log line and alert.

    ``event`` is Lambda's, as authorizers and full-event functions are shown it, empty where it is no object;
    ``context`` is Lambda's, too. ``deadline`` is in epoch seconds. ``request`` is None until the event was
    read, ``route`` until its path was, ``key_access`` and ``function`` until the registry has named them.
    ``name`` is the function's or operation's, ``principal`` whom an authorizer has named; both are empty
    until then. ``rate_headers`` are the headers about limits.
    """

    __slots__ = (
        "context",
        "deadline",
        "event",
        "function",
        "key_access",
        "log",
        "name",
        "principal",
        "rate_headers",
        "request",
        "request_id",
        "route",
    )

    def __init__(
        self, request_id: str, event: "Members", context: object, deadline: float, log: "InvocationLog"
    ) -> None:
        self.request_id = request_id
        self.event = event
        self.context = context
        self.deadline = deadline
        self.log = log
        self.request: Request | None = None
        self.route: Route | None = None
        self.key_access: KeyAccess | None = None
        self.function: Function | None = None
        self.name = self.principal = ""
        self.rate_headers = NO_RATE_HEADERS

    def ids(self) -> dict[str, str]:
        """Return what is known of the call, for whoever operates the deployment."""
        ids = {"request_id": self.request_id}
        if self.route:
            ids["area"], ids["endpoint_id"], ids["function"], _ = self.route
            ids["function"] = self.name or ids["function"]
        if self.key_access and self.key_access.key_id:
            ids["key_id"] = self.key_access.key_id
        if self.principal:
            ids["principal"] = self.principal
        return ids

    def cors_request(self) -> CorsRequest:
        """Return what decides who may read the response; of a refused event as far as it says so."""
        request = self.request
        if request is None:
            return read_cors_request(self.event)
        return CorsRequest(request.headers.get("origin"), request.route, request.stage)


def deadline(context: object, now: float) -> float:
    """Return the end of a request's time, in epoch seconds: 27 s from now, less where Lambda ends earlier."""
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    seconds = HTTP_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
    return now + min(HTTP_SECONDS, seconds)
