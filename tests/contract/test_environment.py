"""What a function sets in the environment serves its own call, and no other tenant's."""

import json
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from silvaengine.aws import botocore
from silvaengine.aws.client import open_client
from silvaengine.aws.http import NoResponseError
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.protocol.messages import Callee, Invocation, WorkerCall
from silvaengine.settings import Settings, fix_environment
from silvaengine_utility.calls import call_function
from silvaengine_worker import app

from .conftest import AnyClient
from .peer import peer, response

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
ANSWER = response(b'{"silvaengine":1,"kind":"json","value":"from AWS","status":200,"error_type":""}')


def set_and_call(variables: dict[str, str]) -> object:
    """Set variables, as for a store of its own, then call another function."""
    os.environ.update(variables)  # noqa: TID251 - what functions do
    return call_function("acme", "stock", {"mine": 1})


def pay() -> object:
    """Call another function."""
    return call_function("globex", "pay", {"card": "4111 1111 1111 1111"})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., object]]:
    """Return what runs a function by the worker's handler, which is opened by the first call."""
    package: Any = ModuleType("shop")
    for function in (set_and_call, pay):
        monkeypatch.setattr(function, "__module__", "shop")
        setattr(package, function.__name__, function)
    monkeypatch.setitem(sys.modules, "shop", package)
    handlers: list[Any] = []

    def call(tenant: str, function: str, **params: object) -> object:
        handlers.extend([] if handlers else [app._open_handler(Settings.from_environment())])
        invocation = Invocation("r", tenant, "core", function, None)
        event = WorkerCall(Callee("shop", "", function, "{}"), params, None, {}, invocation=invocation)
        return handlers[0](json.loads(event.encode()), None)["value"]

    caches = open_client, botocore._session, botocore._client, botocore._http_session
    for kept in caches:
        kept.cache_clear()
    yield call
    for kept in caches:
        kept.cache_clear()


def test_authorities_that_a_function_sets_are_not_trusted(
    aws_client: type[AnyClient], certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is made during the call knows those of the Lambda's environment alone."""
    context, trusted = certificate
    fix_environment()
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(trusted))
    with peer([ANSWER], context=context) as server:
        client = aws_client("lambda", "us-east-1", server.url, CREDENTIALS)
        with pytest.raises(NoResponseError, match="certificate verify failed"):
            client.post("/", {}, b"", 5)
    assert server.requests == []


@pytest.mark.parametrize("kind", ["signed", "botocore"])
def test_an_endpoint_that_a_function_sets_gets_nobodys_calls(
    run: Callable[..., object], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do its region, its proxy and its tasks function: clients are made from the Lambda's environment."""
    with peer([ANSWER] * 2) as aws, peer([ANSWER] * 2) as other:
        environ = {
            "ALLOWED_PACKAGES": "shop",
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_REGION": "eu-central-1",
            **CREDENTIALS,
            "SILVAENGINE_AWS_CLIENT": kind,
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        own = {
            "AWS_ENDPOINT_URL": other.url,
            "AWS_ENDPOINT_URL_LAMBDA": other.url,
            "AWS_REGION": "us-west-2",
            "HTTP_PROXY": other.url,
            "AWS_CA_BUNDLE": "/nowhere",
            "AWS_PROFILE": "nobody",
            "TASKS_FUNCTION": "others",
        }
        assert run("acme", "set_and_call", variables=own) == "from AWS"
        assert run("globex", "pay") == "from AWS"
    assert other.requests == []
    assert all(b"/eu-central-1/lambda/" in request for request in aws.requests)
    assert len(aws.requests) == 2


def test_what_a_function_sets_makes_nobodys_store(
    run: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket's client has the Lambda's endpoint, credentials and region, and no file of a function's."""
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:1\n[profile mine]\n")
    with peer([response(b"")]) as aws, peer([response(b"")]) as other:
        for name, value in {"ALLOWED_PACKAGES": "shop", "AWS_ENDPOINT_URL": aws.url, **CREDENTIALS}.items():
            monkeypatch.setenv(name, value)
        fix_environment()
        own = {
            "AWS_ENDPOINT_URL_S3": other.url,
            "AWS_ACCESS_KEY_ID": "own",
            "AWS_PROFILE": "mine",
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "HTTP_PROXY": other.url,
        }
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        store = PayloadStore(lambda: botocore.client("s3", "us-east-1", attempts=1), "bucket")
        store.store("result", "results/1", "x" * 200_000)
        assert {name: os.environ[name] for name in own} == own  # noqa: TID251 - what the function goes on with
    assert other.requests == []
    assert b"Credential=x/" in aws.requests[0]
