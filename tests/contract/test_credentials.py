"""Whose name requests are signed in, wherever that stands."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.utils import ContainerMetadataFetcher

from silvaengine.aws.credentials import FRESH_SECONDS, PAUSE_SECONDS, Credentials, CredentialsSource
from silvaengine.errors import ConfigurationError, UnavailableError
from silvaengine.settings import ENVIRONMENT

from .peer import Step, peer, response

NOW = 1_800_000_000.0


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def issued(name: str, seconds: float) -> bytes:
    """Return the endpoint's response: a role's credentials for so long."""
    end = datetime.fromtimestamp(NOW + seconds, UTC).isoformat().replace("+00:00", "Z")
    return response(
        json.dumps({"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": end}).encode()
    )


def source(url: str) -> tuple[CredentialsSource, Clock]:
    """Return what asks an endpoint, as under SnapStart."""
    clock = Clock()
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/2021-04-23/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "from-environment",
    }
    return CredentialsSource(environ, clock), clock


def test_the_environment_comes_first() -> None:
    """Keys of the environment are taken, with a role's token or without one."""
    environ = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    assert CredentialsSource(environ).current() == Credentials("k", "s", None)
    assert CredentialsSource({**environ, "AWS_SESSION_TOKEN": "t"}).current().token == "t"


def test_the_container_endpoint_is_asked_with_its_token() -> None:
    """By one short request."""
    with peer([issued("A", 3600)]) as server:
        subject, _ = source(server.url)
        assert subject.current() == Credentials("A", "s", "t")
    assert server.requests[0].startswith(b"GET /2021-04-23/credentials HTTP/1.1\r\n")
    assert b"authorization: from-environment\r\n" in server.requests[0]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process outside of Lambda, whose credentials are botocore's to find."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    return monkeypatch


def test_other_containers_are_botocores_to_ask(elsewhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of ECS and EKS, which may keep their token in a file."""
    file = tmp_path / "token"
    file.write_text("from-file")
    with peer([issued("A", 360_000_000)]) as server:
        elsewhere.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/credentials")
        elsewhere.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
        assert CredentialsSource(ENVIRONMENT).current() == Credentials("A", "s", "t")
    assert b"authorization: from-file\r\n" in server.requests[0].lower()


def test_they_are_fetched_again_before_their_end() -> None:
    """Credentials are kept until shortly before their end, and then fetched again."""
    with peer([issued("A", 3600)], [issued("B", 7200)]) as server:
        subject, clock = source(server.url)
        assert [subject.current().access_key for _ in range(3)] == ["A", "A", "A"]
        clock.now += 3600 - FRESH_SECONDS
        assert subject.current().access_key == "B"
    assert len(server.requests) == 2


FAILURES = {
    "throttled": response(b"{}", 429),
    "failing": response(b"no", 500),
    "nothing": b"",
    "cut off": issued("A", 3600)[:-20],
    "no JSON": response(b"<html>"),
    "no object": response(b"[]"),
    "an error": response(b'{"code": "AccessDenied", "message": "m"}'),
    "no expiry date": response(
        b'{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": 7}'
    ),
    "ended": issued("A", -1),
    "a header of its own": issued("A\r\nx-evil: 1", 3600),
}
any_failure = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


@any_failure
def test_a_failure_that_passes_costs_no_request(failure: Step) -> None:
    """The endpoint is asked three times, as botocore does."""
    with peer([failure], [failure], [issued("A", 3600)]) as server:
        assert source(server.url)[0].current() == Credentials("A", "s", "t")
    assert len(server.requests) == 3


@any_failure
def test_what_still_holds_serves_while_the_endpoint_fails(failure: Step) -> None:
    """It is asked once in ten seconds then; when the last ones have ended too, the client may come again."""
    with peer([issued("A", 3600)], [failure]) as server:
        subject, clock = source(server.url)
        subject.current()
        clock.now += 3590
        assert [subject.current().access_key for _ in range(3)] == ["A"] * 3
        assert len(server.requests) == 2
        clock.now += 10
        with pytest.raises(UnavailableError):
            subject.current()
        assert len(server.requests) == 5


@pytest.mark.parametrize("failure", list(FAILURES.values())[:8], ids=list(FAILURES)[:8])
def test_what_botocore_found_serves_too(elsewhere: pytest.MonkeyPatch, failure: Step, tmp_path: Path) -> None:
    """By itself it would give up ten minutes before the end."""
    file = tmp_path / "token"
    file.write_text("from-file")
    elsewhere.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    elsewhere.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    left = datetime.now(UTC).timestamp() - NOW + 300  # botocore has a clock of its own
    with peer([issued("A", left)], [issued("A", left)], [failure]) as server:
        elsewhere.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url)
        clock = Clock()
        subject = CredentialsSource(ENVIRONMENT, clock)
        assert [subject.current().access_key for _ in range(3)] == ["A"] * 3
        asked = len(server.requests)
        clock.now += PAUSE_SECONDS
        assert subject.current().access_key == "A"
        assert len(server.requests) > asked


LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1"]


@pytest.mark.allow_hosts(LOOPBACK)
@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("token", ["", "t"])
def test_any_address_of_this_machine_is_asked_without_tls(host: str, token: str) -> None:
    """docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html; the token is optional."""
    variables = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    with peer([issued("A", 3600)], host=host) as server:
        environ = dict(zip(variables, (server.url, token), strict=True))
        assert CredentialsSource(environ, Clock()).current().access_key == "A"
    assert (b"authorization" in server.requests[0]) == bool(token)


HOSTS = [
    "example.com",
    "127.evil.example",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "10.0.0.1",
    "169.254.169.254",
    "[::2]",
    "[::ffff:10.0.0.1]",
    "128.0.0.1",
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_token_goes_nowhere_in_plain_text(elsewhere: pytest.MonkeyPatch, host: str) -> None:
    """Only this machine and the addresses of ECS and EKS are asked without TLS; botocore decides."""
    elsewhere.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{host}/credentials")
    elsewhere.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token")
    with pytest.raises(ConfigurationError, match="misconfigured") as caught:
        CredentialsSource(ENVIRONMENT).current()
    assert host.strip("[]") in caught.value.detail
    fetcher: Any = ContainerMetadataFetcher()
    with pytest.raises(ValueError, match="Unsupported host"):
        fetcher._validate_allowed_url(f"http://{host}/credentials")


@pytest.mark.parametrize("text", ["a\nx-evil: 1", "a\r\n\r\n", "a\n", "\x00", "ä", "\udcff"])
def test_a_token_brings_no_header_of_its_own(text: str) -> None:
    """The error names the variable, and doesn't show the token."""
    with peer([issued("A", 3600)]) as server:
        variables = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
        with pytest.raises(ConfigurationError) as caught:
            CredentialsSource(dict(zip(variables, (server.url, text), strict=True)), Clock()).current()
    assert server.requests == []
    assert text not in caught.value.detail
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN" in caught.value.detail


@pytest.mark.parametrize("text", ["a\nx-evil: 1", "a\r\n\r\n", "a\n"])
def test_a_token_file_brings_no_header_of_its_own(
    elsewhere: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    """Such as the line's end of ``echo``; botocore reads it."""
    (tmp_path / "token").write_text(text)
    with peer([issued("A", 3600)]) as server:
        elsewhere.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url)
        elsewhere.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        with pytest.raises(ConfigurationError, match="misconfigured"):
            CredentialsSource(ENVIRONMENT).current()
    assert server.requests == []


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_keys_bring_no_header_of_their_own(variable: str) -> None:
    """A line's end behind a pasted one is named, and the value isn't shown."""
    environ = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    with pytest.raises(ConfigurationError, match="misconfigured") as caught:
        CredentialsSource({**environ, variable: "secret\nx-evil: 1"}).current()
    assert variable in caught.value.detail
    assert "secret" not in caught.value.detail


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("end", [":port", ":70000", ":-1", "/a b", "/a\r\nx: y"])
def test_no_address_of_an_endpoint_is_a_misconfiguration(end: str) -> None:
    """The operator reads which variable it is."""
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1{end}"}
    with pytest.raises(ConfigurationError) as caught:
        CredentialsSource(environ, Clock()).current()
    assert "127.0.0.1" in caught.value.detail


def test_a_token_file_that_is_not_there_is_a_misconfiguration(elsewhere: pytest.MonkeyPatch) -> None:
    """Its name is in the detail."""
    elsewhere.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    elsewhere.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent/token")
    with pytest.raises(ConfigurationError) as caught:
        CredentialsSource(ENVIRONMENT).current()
    assert "/nonexistent/token" in caught.value.detail


def test_a_developers_profile_is_botocores_to_find(elsewhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Profiles, SSO and the like need nothing of ours."""
    file = tmp_path / "credentials"
    file.write_text("[work]\naws_access_key_id = P\naws_secret_access_key = s\naws_session_token = t\n")
    elsewhere.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    elsewhere.setenv("AWS_PROFILE", "work")
    assert CredentialsSource({}).current() == Credentials("P", "s", "t")


@pytest.mark.usefixtures("elsewhere")
def test_no_credentials_at_all_is_a_misconfiguration() -> None:
    """Not a crash, and not an unsigned request."""
    with pytest.raises(ConfigurationError):
        CredentialsSource({}).current()
