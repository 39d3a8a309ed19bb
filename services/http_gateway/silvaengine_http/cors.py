"""Who may read an answer in a browser, whatever the answer is."""

from typing import Any

from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.registry.registry import Registry
from silvaengine_http.call import UNKNOWN, HttpCall
from silvaengine_http.headers import CORS_SETTING, Headers, cors_headers
from silvaengine_http.path import read_path
from silvaengine_http.request import read_header, read_stage


def cors_of(call: HttpCall, registry: Registry) -> Headers | None:
    """Return the headers of the tenant's wish; None where the contract's count.

    A refused request has no connection and a preflight no key, so that they are asked for by the path.
    """
    if call.cors is None:
        return None
    origin = read_header(call.event, "origin")
    if call.cors is not UNKNOWN:
        return cors_headers(call.cors, origin)
    return None if origin is None else cors_headers(_setting_of_path(call, registry), origin)


def _setting_of_path(call: HttpCall, registry: Registry) -> Any:  # noqa: ANN401 - a setting
    try:
        target, stage = call.target or read_path(call.event), read_stage(call.event)
    except RequestError:
        return None
    try:
        registry.refresh()
        return registry.gateway_settings(target.endpoint_id, target.area, stage).get(CORS_SETTING)
    except SilvaEngineError:  # the answer tells of it, or did before
        return {}
