"""Whose name requests are signed in, wherever that stands."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from silvaengine.aws.credentials import FRESH_SECONDS, Credentials, CredentialsSource
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


@pytest.mark.parametrize("failure", [response(b"no", 500), b""])
def test_what_still_holds_serves_while_the_endpoint_fails(failure: Step) -> None:
    """When it has ended too, the client may come again."""
    with peer([issued("A", 3600)], [failure]) as server:
        subject, clock = source(server.url)
        subject.current()
        clock.now += 3599
        assert subject.current().access_key == "A"
        clock.now += 1
        with pytest.raises(UnavailableError):
            subject.current()


def test_an_endpoint_that_a_function_sets_serves_its_call_alone() -> None:
    """What was fetched there is gone when the environment is restored."""
    with peer([issued("A", 3600)]) as server, peer([issued("evil", 3600)]) as other:
        environ = {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "t", "AWS_CONTAINER_CREDENTIALS_FULL_URI": other.url}
        subject = CredentialsSource(environ, Clock())
        assert subject.current().access_key == "evil"
        environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url
        assert subject.current().access_key == "A"


def test_a_token_goes_nowhere_in_plain_text(elsewhere: pytest.MonkeyPatch) -> None:
    """Only this machine and the addresses of ECS and EKS are asked without TLS."""
    elsewhere.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/credentials")
    elsewhere.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token")
    with pytest.raises(ConfigurationError) as caught:
        CredentialsSource(ENVIRONMENT).current()
    assert "example.com" in caught.value.detail


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
