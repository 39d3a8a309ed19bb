"""One HTTP request, as a client of the deployment would send it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import click

from silvaengine.protocol.json_codec import Json

TIMEOUT_SECONDS = 35  # API Gateway answers within 29
_WITHOUT_BODY = ("GET", "HEAD", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def function_url(base: str, area: str, endpoint_id: str, function: str) -> str:
    """Return the URL of a function of a deployment."""
    return "/".join([base.rstrip("/"), *(quote(part, safe="") for part in (area, endpoint_id, function))])


def send(url: str, method: str, params: Mapping[str, Json], headers: Mapping[str, str]) -> HttpResponse:
    """Send parameters, in the query where the method has no body, else as a JSON object.

    Raises:
        ClickException: the URL is not an HTTP one, or nothing answers there.
    """
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise click.ClickException(f"{url!r} is not an http:// or https:// URL")
        request = _request(url, method, params, {"Accept": "*/*", **headers})
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the scheme was checked
            return _answer(response)
    except HTTPError as error:
        return _answer(error)
    except (OSError, HTTPException, ValueError) as error:  # a ValueError is about the URL
        raise click.ClickException(f"{url}: {getattr(error, 'reason', error)}") from error


def _request(url: str, method: str, params: Mapping[str, Json], headers: Mapping[str, str]) -> Request:
    if method in _WITHOUT_BODY:
        texts = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()
        }
        return Request(f"{url}?{urlencode(texts)}" if texts else url, headers=dict(headers), method=method)  # noqa: S310
    body = json.dumps(params).encode()
    return Request(url, body, {**headers, "Content-Type": "application/json"}, method=method)  # noqa: S310


def _answer(response: HTTPResponse | HTTPError) -> HttpResponse:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpResponse(response.status or 0, headers, response.read())
