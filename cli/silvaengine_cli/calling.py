"""A call of a function as a client sends it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from silvaengine.errors import RequestError
from silvaengine.protocol.json_codec import Json
from silvaengine.registry.model import Function
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.http import HttpResponse, function_url, send
from silvaengine_cli.registry.lookup import open_registry, read_key_access


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A call of an endpoint's function; its headers have the key, too."""

    endpoint: str
    function: str
    api_key: str
    headers: Mapping[str, str]
    params: Mapping[str, Json]


def look_up(deployment: Deployment, call: ClientCall, *, secrets: bool = False) -> Function:
    """Return the function that a call means; raises what ``Registry.resolve`` raises."""
    registry = open_registry(deployment, secrets=secrets)
    return registry.function(read_key_access(registry, call.endpoint, call.api_key), call.function)


def send_call(
    deployment: Deployment, call: ClientCall, method: str | None, area: str | None, url: str | None = None
) -> HttpResponse:
    """Send a call to a deployment, or to another URL; return the response, whatever its status.

    Method and area are looked up where they aren't named, unless it goes to another URL.

    Raises:
        ClickException: nothing answers.
    """
    if not url and (area is None or method is None):
        with suppress(RequestError):  # then the gateway refuses the call
            function = look_up(deployment, call)
            area, method = area or function.area, method or function.methods[0]
    address = function_url(url or deployment.output("ApiUrl"), area or "core", call.endpoint, call.function)
    return send(address, method or "POST", call.params, call.headers)
