"""The credentials that sign requests: from the environment, the container endpoint, or botocore's chain.

A Lambda's role stands in the environment, under SnapStart behind a container endpoint
(docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). The endpoints of ECS and EKS,
profiles, SSO and everything else outside of Lambda are left to botocore.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from silvaengine.aws.backoff import ATTEMPTS, Backoff
from silvaengine.aws.errors import misconfigured, no_response
from silvaengine.aws.http import HttpConnection, NoResponseError, is_field_value
from silvaengine.aws.origin import Origin
from silvaengine.named_tuple import NamedTuple

if TYPE_CHECKING:
    from botocore.credentials import Credentials as BotocoreCredentials

TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a variable's name
FRESH_SECONDS = 600.0  # before their end new ones are fetched
FETCH_SECONDS = 2.0
PAUSE_SECONDS = 10.0  # between two fetches while the last credentials still hold

# Where Lambda has its container endpoint: on this machine, where a token may go without TLS.
_LOOPBACK = re.compile(r"http://(127(\.[0-9]{1,3}){3}|\[::1\]|localhost)([:/].*)?", re.DOTALL)


class Credentials(NamedTuple):
    """An access key, its secret and, for a role, the session's token."""

    access_key: str
    secret_key: str
    token: str | None = None


class CredentialsSource:
    """Finds the credentials that hold at the moment; ``clock`` is in epoch seconds.

    Changes in ``environ``, the live environment, hold from the next call on.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._environ = environ
        self._clock = clock
        self._last = Credentials("", "")  # of the environment
        self._fetched = Credentials("", "")
        self._container = ("", "")  # the URL and the token with which they were fetched
        self._end = self._pause_end = float("-inf")
        self._botocore: BotocoreCredentials | None = None
        self._frozen = Credentials("", "")

    def current(self) -> Credentials:
        """Return the credentials to sign with.

        Raises:
            ConfigurationError: there are none, or they can't stand in a request's headers.
            UnavailableError: the container endpoint gives no response.
        """
        variable = self._environ.get
        if access_key := variable("AWS_ACCESS_KEY_ID"):
            # One key's secret and token never change; to read them anew is 3 % of a warm request.
            if access_key != self._last.access_key:
                secret_key = variable("AWS_SECRET_ACCESS_KEY")
                if not secret_key:
                    raise misconfigured("AWS_SECRET_ACCESS_KEY: expected beside AWS_ACCESS_KEY_ID")
                self._last = _checked(Credentials(access_key, secret_key, variable("AWS_SESSION_TOKEN")))
            return self._last
        url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        if _LOOPBACK.fullmatch(url) and f"{TOKEN}_FILE" not in self._environ:
            return self._from_container(url, variable(TOKEN, ""))
        return self._from_botocore()

    def _from_container(self, url: str, token: str) -> Credentials:
        """Fetch credentials unless the last ones are fresh; they serve to their end while a fetch fails."""
        now = self._clock()
        seconds_left = self._end - now if self._container == (url, token) else 0.0
        if seconds_left <= 0:
            attempts = ATTEMPTS
        elif seconds_left <= FRESH_SECONDS and now >= self._pause_end:
            attempts = 1
        else:
            return self._fetched
        try:
            fetched, end = Backoff(0.1, attempts).run(lambda: _fetch(url, token, now), NoResponseError)
        except NoResponseError as error:
            if seconds_left <= 0:
                raise no_response("credentials", error) from error
            self._pause_end = now + PAUSE_SECONDS
        else:
            self._container, self._fetched, self._end = (url, token), fetched, end
        return self._fetched

    def _from_botocore(self) -> Credentials:
        """Return what botocore finds; it gives up ten minutes before their end, where these still serve."""
        from botocore.credentials import RefreshableCredentials  # lazy: only outside of Lambda
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        found = self._botocore
        holds = isinstance(found, RefreshableCredentials) and not found.refresh_needed(0) and self._frozen[0]
        if holds and self._clock() < self._pause_end:
            return self._frozen
        try:
            self._botocore = self._botocore or Session().get_credentials()
            frozen = self._botocore and self._botocore.get_frozen_credentials()
        except (BotoCoreError, ValueError, LookupError, TypeError, OSError, RuntimeError) as error:
            if holds:
                self._pause_end = self._clock() + PAUSE_SECONDS
                return self._frozen
            raise misconfigured(str(error)) from error
        if frozen is None:
            raise misconfigured("no AWS credentials were found")
        self._frozen = _checked(Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token))
        return self._frozen


def _checked(credentials: Credentials) -> Credentials:
    variables = "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"
    for name, text in zip(variables, (credentials.access_key, credentials.token), strict=True):
        if text and not is_field_value(text):
            raise misconfigured(f"{name}: expected printable ASCII characters")
    return credentials


def _fetch(url: str, token: str, now: float) -> tuple[Credentials, float]:
    """Return an endpoint's credentials and their end in epoch seconds.

    Raises:
        NoResponseError: there is no response, or none that can be used.
        ConfigurationError: URL or token aren't valid.
    """
    from datetime import datetime  # lazy: only a container's expiry date needs it

    try:
        origin = Origin.of(url)
    except ValueError as error:
        raise misconfigured(f"AWS_CONTAINER_CREDENTIALS_FULL_URI: {error}") from error
    if not is_field_value(token):
        raise misconfigured(f"{TOKEN}: expected printable ASCII characters")
    lines = [f"GET {origin.path or '/'} HTTP/1.1", f"host: {origin.netloc}", "connection: close"]
    if token:
        lines.append(f"authorization: {token}")
    connection = HttpConnection(origin)
    try:
        response = connection.exchange("\r\n".join([*lines, "", ""]).encode(), FETCH_SECONDS)
    finally:
        connection.close()
    if response.status != 200:
        raise NoResponseError(f"{url} responded with status {response.status}")
    try:
        members = json.loads(response.body)
        keys = members["AccessKeyId"], members["SecretAccessKey"], members.get("Token") or ""
        end = datetime.fromisoformat(members["Expiration"]).timestamp()
        are_valid = all(map(is_field_value, keys)) and keys[0] and end > now
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise NoResponseError(f"{url} responded without credentials: {type(error).__name__}") from error
    if not are_valid:
        raise NoResponseError(f"{url} responded with credentials that can't be used")
    return Credentials(*keys), end
