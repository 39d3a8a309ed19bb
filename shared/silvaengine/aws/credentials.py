"""Whose name a request is signed in: the environment's, the container endpoint's, or botocore's choice.

A Lambda's role stands in the environment, under SnapStart behind the container endpoint
(docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). Profiles, SSO and everything
else that a developer's machine may have are botocore's to find.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from silvaengine.aws.http import HttpConnection, NoAnswerError
from silvaengine.aws.origin import Origin
from silvaengine.errors import ConfigurationError, UnavailableError

TASK_HOST = "http://169.254.170.2"
# Where a token may go without TLS: this machine, and the link-local addresses of ECS and EKS.
PLAIN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
FRESH_SECONDS = 600.0  # before their end new ones are fetched
FETCH_SECONDS = 2.0


class Credentials(NamedTuple):
    """An access key, its secret and, for a role, the session's token."""

    access_key: str
    secret_key: str
    token: str | None = None


class CredentialsSource:
    """Gives the credentials of the moment.

    Args:
        environ: the live environment; what is changed in it holds from the next request on.
        clock: epoch seconds.

    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._environ = environ
        self._clock = clock
        self._last = Credentials("", "")
        self._fetched: tuple[str, float, Credentials] | None = None
        self._found: Any = None

    def current(self) -> Credentials:
        """Return what to sign with.

        Raises:
            ConfigurationError: there are none.
            UnavailableError: the container endpoint gives no answer.

        """
        access_key = self._environ.get("AWS_ACCESS_KEY_ID")
        if access_key:
            last = self._last  # one key's secret and token never change
            if last.access_key != access_key:
                secret_key = self._environ.get("AWS_SECRET_ACCESS_KEY", "")
                self._last = last = Credentials(
                    access_key, secret_key, self._environ.get("AWS_SESSION_TOKEN")
                )
            return last
        url = self._container_url()
        return self._from_container(url) if url else self._from_botocore()

    def _container_url(self) -> str | None:
        relative = self._environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        return TASK_HOST + relative if relative else self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")

    def _from_container(self, url: str) -> Credentials:
        """Fetch, unless what was fetched from there is fresh; what still holds serves while a fetch fails."""
        known = self._fetched if self._fetched and self._fetched[0] == url else None
        left = known[1] - self._clock() if known else 0.0
        if known and left > FRESH_SECONDS:
            return known[2]
        try:
            answer = self._fetch(url)
        except NoAnswerError as error:
            if known and left > 0:
                return known[2]
            raise UnavailableError(
                "A backend can't be reached at the moment", detail=f"credentials: {error}"
            ) from error
        credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("Token"))
        self._fetched = (url, _epoch_seconds(answer["Expiration"]), credentials)
        return credentials

    def _fetch(self, url: str) -> Any:  # noqa: ANN401 - the endpoint's JSON
        address, _, query = url.partition("?")
        origin = Origin.of(address)
        if not origin.tls and origin.host not in PLAIN_HOSTS:
            raise ConfigurationError(
                "The service is misconfigured", detail=f"no credentials from {url} without TLS"
            )
        fields = [
            f"GET {origin.path or '/'}{'?' if query else ''}{query} HTTP/1.1",
            f"host: {origin.netloc}",
        ]
        fields += ["accept: application/json", "connection: close"]
        if token := self._token():
            fields.append(f"authorization: {token}")
        connection = HttpConnection(origin)
        try:
            response = connection.exchange(("\r\n".join(fields) + "\r\n\r\n").encode(), FETCH_SECONDS)
        finally:
            connection.close()
        if response.status != 200:
            raise NoAnswerError(f"{url} answered {response.status}")
        return json.loads(response.body)

    def _token(self) -> str | None:
        file = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if not file:
            return self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        with open(file, encoding="ascii") as stream:  # noqa: PTH123 - pathlib's import would be the only one
            return stream.read().strip()

    def _from_botocore(self) -> Credentials:
        if self._found is None:
            from botocore.session import Session  # a Lambda never comes here

            self._found = Session().get_credentials()
        if self._found is None:
            raise ConfigurationError("The service is misconfigured", detail="no AWS credentials were found")
        frozen = self._found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def _epoch_seconds(text: str) -> float:
    from datetime import datetime  # only the container endpoint's answers have a date

    return datetime.fromisoformat(text).timestamp()
