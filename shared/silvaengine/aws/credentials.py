"""The credentials that sign requests: from the environment, the container endpoint, or botocore's chain.

A Lambda's role stands in the environment, under SnapStart behind the container endpoint
(docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). Profiles, SSO and everything
else on a developer's machine are left to botocore.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from silvaengine.aws.http import HttpConnection, NoResponseError
from silvaengine.aws.origin import Origin
from silvaengine.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from botocore.credentials import Credentials as BotocoreCredentials

TASK_HOST = "http://169.254.170.2"
# Hosts that may be reached without TLS: this machine, and the link-local addresses of ECS and EKS.
PLAIN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
FRESH_SECONDS = 600.0  # before their end new ones are fetched
FETCH_SECONDS = 2.0


class Credentials(NamedTuple):
    """An access key, its secret and, for a role, the session's token."""

    access_key: str
    secret_key: str
    token: str | None = None


class CredentialsSource:
    """Finds the credentials that hold at the moment.

    Args:
        environ: the live environment; changes in it hold from the next request on.
        clock: epoch seconds.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._environ = environ
        self._clock = clock
        self._last = Credentials("", "")
        self._fetched: tuple[str, float, Credentials] | None = None
        self._botocore: BotocoreCredentials | None = None

    def current(self) -> Credentials:
        """Return the credentials to sign with.

        Raises:
            ConfigurationError: there are none.
            UnavailableError: the container endpoint gives no response.
        """
        access_key = self._environ.get("AWS_ACCESS_KEY_ID")
        if access_key:
            last = self._last  # one key's secret and token never change
            if last.access_key != access_key:
                secret_key = self._environ.get("AWS_SECRET_ACCESS_KEY", "")
                token = self._environ.get("AWS_SESSION_TOKEN")
                self._last = last = Credentials(access_key, secret_key, token)
            return last
        url = self._container_url()
        return self._from_container(url) if url else self._from_botocore()

    def _container_url(self) -> str | None:
        relative = self._environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        return TASK_HOST + relative if relative else self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")

    def _from_container(self, url: str) -> Credentials:
        """Fetch credentials unless the last ones are fresh; they serve to their end while a fetch fails."""
        last = self._fetched if self._fetched and self._fetched[0] == url else None
        seconds_left = last[1] - self._clock() if last else 0.0
        if last and seconds_left > FRESH_SECONDS:
            return last[2]
        try:
            answer = self._fetch(url)
        except NoResponseError as error:
            if last and seconds_left > 0:
                return last[2]
            raise UnavailableError(
                "A backend service can't be reached; try again", detail=f"credentials: {error}"
            ) from error
        credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("Token"))
        self._fetched = (url, _epoch_seconds(answer["Expiration"]), credentials)
        return credentials

    def _fetch(self, url: str) -> dict[str, str]:
        address, _, query = url.partition("?")
        origin = Origin.of(address)
        if not origin.tls and origin.host not in PLAIN_HOSTS:
            raise ConfigurationError(
                "The service is misconfigured", detail=f"no credentials from {url} without TLS"
            )
        fields = [
            f"GET {origin.path or '/'}{'?' if query else ''}{query} HTTP/1.1",
            f"host: {origin.netloc}",
            "accept: application/json",
            "connection: close",
        ]
        if token := self._token():
            fields.append(f"authorization: {token}")
        connection = HttpConnection(origin)
        try:
            response = connection.exchange(("\r\n".join(fields) + "\r\n\r\n").encode(), FETCH_SECONDS)
        finally:
            connection.close()
        if response.status != 200:
            raise NoResponseError(f"{url} responded with status {response.status}")
        answer: dict[str, str] = json.loads(response.body)
        return answer

    def _token(self) -> str | None:
        file = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if not file:
            return self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        with open(file, encoding="ascii") as stream:  # noqa: PTH123 - nothing else here needs pathlib's import
            return stream.read().strip()

    def _from_botocore(self) -> Credentials:
        if self._botocore is None:
            from botocore.session import Session  # lazy: only a process outside Lambda needs it

            self._botocore = Session().get_credentials()
        if self._botocore is None:
            raise ConfigurationError("The service is misconfigured", detail="no AWS credentials were found")
        frozen = self._botocore.get_frozen_credentials()
        return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)


def _epoch_seconds(text: str) -> float:
    from datetime import datetime  # lazy: only a container's expiry date needs it

    return datetime.fromisoformat(text).timestamp()
