"""What our client takes from the environment is what botocore takes from it."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from silvaengine.aws.client import SignedClient, open_client
from silvaengine.aws.credentials import CredentialsSource
from silvaengine.aws.endpoints import endpoint_url
from silvaengine.errors import ConfigurationError
from silvaengine.settings import ENVIRONMENT

from .peer import peer, response

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"k": {"S": "v"}}}),
    "lambda": ("invoke", {"FunctionName": "f"}),
    "ssm": ("get_parameter", {"Name": "n"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "s"}),
    "sns": ("publish", {"TopicArn": "arn:aws:sns:r:1:t", "Message": "m"}),
}
REGIONS = [
    "us-east-1",
    "eu-central-1",
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eusc-de-east-1",
]
VARIABLES: list[dict[str, str]] = [
    {},
    *({"AWS_USE_FIPS_ENDPOINT": text} for text in ("true", "True", "TRUE", "false", "1", "yes", " true", "")),
    *({"AWS_USE_DUALSTACK_ENDPOINT": text} for text in ("true", "True", "TRUE", "0")),
    {"AWS_USE_FIPS_ENDPOINT": "True", "AWS_USE_DUALSTACK_ENDPOINT": "tRUE"},
    {"AWS_ENDPOINT_URL": "http://all"},
    {"AWS_ENDPOINT_URL": "http://all", "AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_DYNAMODB": "http://own:8000"},
    {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://own", "AWS_ENDPOINT_URL_SECRETSMANAGER": "http://none"},
    {"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SSM": ""},
    *(
        {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SNS": "http://own", **ignored}
        for text in ("true", "True", "TRUE", "false", "")
        for ignored in [{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": text}]
    ),
    {
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_ENDPOINT_URL": "http://all",
        "AWS_USE_FIPS_ENDPOINT": "true",
    },
    {"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"},
    {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "preferred"},
    {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"},
    {"AWS_DEFAULT_REGION": "us-west-2"},
    {"AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "1"},
]


@pytest.fixture(scope="module")
def loader() -> Loader:
    """Botocore's data, read once."""
    return create_loader()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that has keys and nothing else of AWS's."""
    for name in [name for name in ENVIRONMENT if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def botocores_endpoint(service: str, region: str, loader: Loader) -> str:
    """Return scheme, host and port that botocore sends a request to, ``refused`` for none."""
    sent: list[str] = []

    def stop(request: Any, **_: object) -> None:
        sent.append(request.url)
        raise KeyboardInterrupt  # nothing that botocore would repeat

    session = Session()
    session.register_component("data_loader", loader)
    operation, parameters = OPERATIONS[service]
    try:
        client: Any = session.create_client(service, region)
        client.meta.events.register("before-send", stop)
        getattr(client, operation)(**parameters)
    except KeyboardInterrupt:
        return "://".join(urlsplit(sent[0])[:2])
    except (BotoCoreError, ValueError):
        return "refused"
    raise AssertionError("nothing was sent")


def own_endpoint(service: str, region: str) -> str:
    """Return the same of ours."""
    try:
        return endpoint_url(service, region, ENVIRONMENT)
    except ConfigurationError:
        return "refused"


@pytest.mark.parametrize("variables", VARIABLES, ids=str)
def test_endpoints_are_botocores(
    variables: dict[str, str], environment: pytest.MonkeyPatch, loader: Loader
) -> None:
    """For each variable that decides about them, in every partition."""
    for name, value in variables.items():
        environment.setenv(name, value)
    differs_by_partition = not variables or "True" in variables.values()
    for region in REGIONS if differs_by_partition else REGIONS[:1]:
        found = {service: own_endpoint(service, region) for service in OPERATIONS}
        assert found == {service: botocores_endpoint(service, region, loader) for service in OPERATIONS}


@pytest.mark.parametrize("region", ["", "x y", "a/b", "a\r\nx-evil: 1", "a.example.com", "ä"])
def test_no_region_is_a_misconfiguration(region: str) -> None:
    """It would lead to another host, or into another header."""
    for url in ("", "http://127.0.0.1:1"):
        with pytest.raises(ConfigurationError, match="misconfigured") as caught:
            open_client("lambda", region, url)
        assert "AWS_REGION" in caught.value.detail


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_SESSION_TOKEN": "t"},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_PROFILE": "work"},
        {"AWS_DEFAULT_PROFILE": "work"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "work"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "nobody"},
    ],
    ids=str,
)
def test_credentials_are_botocores(
    variables: dict[str, str], environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keys come before a profile."""
    (tmp_path / "file").write_text("[work]\naws_access_key_id = P\naws_secret_access_key = s\n")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "file"))
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in variables.items():
        environment.setenv(name, value)
    try:
        found = CredentialsSource(ENVIRONMENT).current()
    except ConfigurationError:
        with pytest.raises(BotoCoreError):
            Session().get_credentials()
        return
    expected: Any = Session().get_credentials()
    assert found == (expected.access_key, expected.secret_key, expected.token)


def test_a_proxy_is_not_used(environment: pytest.MonkeyPatch) -> None:
    """docs/deploy.md says so: for the signed client AWS has to be in reach."""
    with peer([response(b"direct")]) as server, peer([response(b"by proxy")]) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            environment.setenv(name, proxy.url)
        client = SignedClient("lambda", "us-east-1", server.url, ENVIRONMENT)
        assert client.post("/", {}, b"", 5).body == b"direct"
