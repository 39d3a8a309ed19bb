"""The credentials that sign requests: from the environment, the container endpoint, or botocore's chain.

A Lambda's role stands in the environment, under SnapStart behind a container endpoint
(docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). The endpoints of ECS and EKS,
profiles, SSO and everything else outside of Lambda are left to botocore.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from silvaengine.aws.errors import no_response
from silvaengine.aws.http import HttpConnection, NoResponseError
from silvaengine.aws.origin import Origin
from silvaengine.errors import ConfigurationError

if TYPE_CHECKING:
    from botocore.credentials import Credentials as BotocoreCredentials

LAMBDAS = "http://127.0.0.1:"  # where Lambda has its container endpoint, within the environment
FRESH_SECONDS = 600.0  # before their end new ones are fetched
FETCH_SECONDS = 2.0


class Credentials(NamedTuple):
    """An access key, its secret and, for a role, the session's token."""

    access_key: str
    secret_key: str
    token: str | None = None


class CredentialsSource:
    """Finds the credentials that hold at the moment; ``clock`` is in epoch seconds.

    Changes in ``environ``, the live environment, hold from the next request on.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._environ = environ
        self._clock = clock
        self._container = ("", "")  # the URL and the token with which credentials were fetched
        self._last = self._fetched = Credentials("", "")
        self._end = float("-inf")  # of the fetched ones
        self._botocore: BotocoreCredentials | None = None

    def current(self) -> Credentials:
        """Return the credentials to sign with.

        Raises:
            ConfigurationError: there are none.
            UnavailableError: the container endpoint gives no response.
        """
        variable = self._environ.get
        if access_key := variable("AWS_ACCESS_KEY_ID"):
            # One key's secret and token never change; to read them anew is 3 % of a warm request.
            if access_key != self._last.access_key:
                secret_key = variable("AWS_SECRET_ACCESS_KEY", "")
                self._last = Credentials(access_key, secret_key, variable("AWS_SESSION_TOKEN"))
            return self._last
        url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if token and url.startswith(LAMBDAS):
            return self._from_container(url, token)
        return self._from_botocore()

    def _from_container(self, url: str, token: str) -> Credentials:
        """Fetch credentials unless the last ones are fresh; they serve to their end while a fetch fails."""
        seconds_left = self._end - self._clock() if self._container == (url, token) else 0.0
        if seconds_left <= FRESH_SECONDS:
            try:
                fetched = _fetch(url, token)
            except NoResponseError as error:
                if seconds_left <= 0:
                    raise no_response("credentials", error) from error
            else:
                self._container = url, token
                keys = fetched["AccessKeyId"], fetched["SecretAccessKey"]
                self._fetched = Credentials(*keys, fetched.get("Token"))
                self._end = _epoch_seconds(fetched["Expiration"])
        return self._fetched

    def _from_botocore(self) -> Credentials:
        from botocore.exceptions import BotoCoreError  # lazy: only a process outside Lambda needs it
        from botocore.session import Session

        try:
            self._botocore = self._botocore or Session().get_credentials()
            frozen = self._botocore and self._botocore.get_frozen_credentials()
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError("The service is misconfigured", detail=str(error)) from error
        if frozen is None:
            raise ConfigurationError("The service is misconfigured", detail="no AWS credentials were found")
        return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)


def _fetch(url: str, token: str) -> dict[str, str]:
    origin = Origin.of(url)
    request = (
        f"GET {origin.path} HTTP/1.1\r\nhost: {origin.netloc}\r\nauthorization: {token}\r\n"
        "connection: close\r\n\r\n"
    )
    connection = HttpConnection(origin)
    try:
        response = connection.exchange(request.encode(), FETCH_SECONDS)
    finally:
        connection.close()
    if response.status != 200:
        raise NoResponseError(f"{url} responded with status {response.status}")
    members: dict[str, str] = json.loads(response.body)
    return members


def _epoch_seconds(text: str) -> float:
    from datetime import datetime  # lazy: only a container's expiry date needs it

    return datetime.fromisoformat(text).timestamp()
