"""One invocation of the gateway."""

from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import UNLIMITED
from silvaengine.observability.logging import InvocationLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.registry.model import Function
    from silvaengine_http.path import Route

HTTP_SECONDS = 27.0  # API Gateway answers 504 after 29
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it
UNKNOWN = object()


class HttpCall:
    """One invocation of the gateway, and what becomes known of it for answer, log and notices.

    ``deadline`` is in epoch seconds. ``target`` is None until the path was read, ``function`` until the
    registry has named one; ``cors`` is the tenant's, ``UNKNOWN`` until the connection was found.
    ``name`` is what is asked for and ``key_id`` names the key, empty until then. ``principal`` is whom an
    authorizer has named, empty without one; ``rate`` is what headers say of limits.
    """

    __slots__ = (
        "context",
        "cors",
        "deadline",
        "event",
        "function",
        "key_id",
        "log",
        "name",
        "principal",
        "rate",
        "request_id",
        "target",
    )

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
        self.target: Route | None = None
        self.function: Function | None = None
        self.cors: Any = UNKNOWN
        self.name = self.key_id = self.principal = ""
        self.rate = UNLIMITED

    def ids(self) -> dict[str, str]:
        """Name what is known of the call, for whoever operates the deployment."""
        ids = {"request_id": self.request_id}
        if self.target:
            ids["area"], ids["endpoint_id"], ids["function"], _ = self.target
            ids["function"] = self.name or ids["function"]
        if self.key_id:
            ids["key_id"] = self.key_id
        if self.principal:
            ids["principal"] = self.principal
        return ids


def deadline(context: object, now: float) -> float:
    """Return the end of a request's time, in epoch seconds: 27 s from now, less where Lambda ends earlier."""
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    seconds = HTTP_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
    return now + min(HTTP_SECONDS, seconds)
