"""Signed requests as they go out, where they go, and what is said again after a failure."""

import base64
import json
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from silvaengine.aws.apigateway import ConnectionsApi, open_connections_api
from silvaengine.aws.botocore import BotocoreClient
from silvaengine.aws.client import SignedClient, open_client
from silvaengine.aws.endpoints import endpoint_url
from silvaengine.aws.errors import BusyError
from silvaengine.aws.http import NoResponseError, NotSentError, ResponseTimeoutError
from silvaengine.aws.json_api import JsonApi
from silvaengine.aws.signing import _sign_head
from silvaengine.aws.table_client import API_TARGET
from silvaengine.errors import (
    ConditionFailedError,
    ConfigurationError,
    NotFoundError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)

from .conftest import AnyClient
from .peer import Step, peer, response

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "t0ken"}
KEY = {"k": {"S": "v"}}
BROKEN = b""


def head(request: bytes) -> dict[str, str]:
    """Return a request's headers."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def dynamodb(kind: type[AnyClient], url: str) -> tuple[JsonApi, list[float]]:
    """Return DynamoDB's API at an address, and the list of its pauses."""
    pauses: list[float] = []
    service = kind("dynamodb", "us-east-1", url, ENVIRONMENT)
    return JsonApi(service, API_TARGET, "1.0", pauses.append), pauses


def refused(code: str, status: int = 400) -> bytes:
    """Return DynamoDB's refusal."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}
    return response(json.dumps(body).encode(), status)


def test_a_request_carries_signature_token_and_trace(aws_client: type[AnyClient]) -> None:
    """Without the trace's id Lambda's loop detection is blind."""
    trace = "Root=1-67000000-000000000000000000000000;Parent=53995c3f42cd8ad8;Sampled=1"
    with peer([response()]) as server:
        service = aws_client("lambda", "eu-central-1", server.url, {**ENVIRONMENT, "_X_AMZN_TRACE_ID": trace})
        service.post("/x", {"x-amz-invocation-type": "Event"}, b"{}", 5)
    sent = head(server.requests[0])
    assert sent["x-amzn-trace-id"] == trace
    assert sent["x-amz-security-token"] == "t0ken"
    assert sent["x-amz-invocation-type"] == "Event"
    signed = "host;x-amz-date;x-amz-invocation-type;x-amz-security-token"
    assert f"/eu-central-1/lambda/aws4_request, SignedHeaders={signed}, Signature=" in sent["authorization"]


def test_a_trace_id_can_not_bring_headers_of_its_own(aws_client: type[AnyClient]) -> None:
    """What isn't printable stays out."""
    with peer([response()]) as server:
        service = aws_client("lambda", "x", server.url, {**ENVIRONMENT, "_X_AMZN_TRACE_ID": "a\r\nx-evil: 1"})
        service.post("/x", {}, b"", 5)
    assert b"evil" not in server.requests[0]


def test_new_credentials_hold_half_a_minute_later(aws_client: type[AnyClient]) -> None:
    """The runtime may change them at any time; until then a request may have the last one's head."""
    environ = dict(ENVIRONMENT)
    with peer([response()] * 2) as server:
        service = aws_client("lambda", "us-east-1", server.url, environ)
        service.post("/", {}, b"", 5)
        environ |= {"AWS_ACCESS_KEY_ID": "OTHER", "AWS_SESSION_TOKEN": "new"}
        _sign_head.cache_clear()  # what a later date does
        service.post("/", {}, b"", 5)
    assert "Credential=OTHER/" in head(server.requests[1])["authorization"]
    assert head(server.requests[1])["x-amz-security-token"] == "new"


@pytest.mark.parametrize(
    "script",
    [
        [[refused("InternalServerError", 500), response()]],
        [[response(b"<html>", 503), response()]],
        [[response(b"<html>"), response()]],
        [[BROKEN], [response()]],
        [[refused("ProvisionedThroughputExceededException")] * 2 + [response()]],
    ],
)
def test_a_read_is_repeated_after_what_may_pass(
    aws_client: type[AnyClient], script: list[list[Step]]
) -> None:
    """A read is repeated with pauses that grow."""
    with peer(*script) as server:
        subject, pauses = dynamodb(aws_client, server.url)
        assert subject.call("GetItem", {"TableName": "t", "Key": KEY}, "t", repeatable=True) == {}
    assert pauses == sorted(pauses)
    assert len(server.requests) == len(pauses) + 1 >= 2


def test_a_write_is_repeated_only_if_it_was_not_made(aws_client: type[AnyClient]) -> None:
    """After a broken connection or a failure inside of DynamoDB nobody knows; throttled it wasn't."""
    with peer([refused("ThrottlingException"), response()]) as server:
        assert dynamodb(aws_client, server.url)[0].call("PutItem", {"TableName": "t", "Item": KEY}, "t") == {}
        assert len(server.requests) == 2
    for failure in (BROKEN, refused("InternalServerError", 500), response(b"<html>")):
        with peer([failure], [response()]) as server:
            with pytest.raises(UnavailableError):
                dynamodb(aws_client, server.url)[0].call("UpdateItem", {"TableName": "t", "Key": KEY}, "t")
            assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (refused("ConditionalCheckFailedException"), ConditionFailedError),
        (refused("ResourceNotFoundException"), ConfigurationError),
        (refused("ThrottlingException"), UnavailableError),
        (response(b"[]", 400), ConfigurationError),
    ],
)
def test_refusals_are_told_apart(
    aws_client: type[AnyClient], sent: bytes, error: type[SilvaEngineError]
) -> None:
    """The detail names call and table for the log, the public message neither."""
    with peer([sent] * 3) as server, pytest.raises(error) as caught:
        dynamodb(aws_client, server.url)[0].call("PutItem", {"TableName": "se-t", "Item": KEY}, "se-t")
    assert "PutItem se-t" in caught.value.detail
    assert "se-t" not in caught.value.message


def test_bytes_go_as_base64(aws_client: type[AnyClient]) -> None:
    """Bytes are sent as base64, since JSON has none."""
    with peer([response()]) as server:
        dynamodb(aws_client, server.url)[0].call("PutItem", {"Item": {"b": {"B": b"\x00\xff"}}}, "t")
    assert base64.b64encode(b"\x00\xff") in server.requests[0]


@pytest.mark.parametrize("service", ["dynamodb", "lambda", "ssm", "secretsmanager", "sns"])
def test_endpoints_are_botocores(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every region of every partition that botocore knows."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    session = Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions(service, partition):
            client: Any = session.create_client(
                service, region, aws_access_key_id="x", aws_secret_access_key="x"
            )
            assert endpoint_url(service, region, {}) == client.meta.endpoint_url


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (response(b"{}", 410, "x-amzn-ErrorType: GoneException"), NotFoundError),
        (response(b"{}", 413, "x-amzn-ErrorType: PayloadTooLargeException"), RequestError),
        (response(b"{}", 429, "x-amzn-ErrorType: LimitExceededException"), BusyError),
        (response(b"{}", 403, "x-amzn-ErrorType: ForbiddenException"), ConfigurationError),
        (BROKEN, UnavailableError),
    ],
)
def test_what_became_of_a_message(
    aws_client: type[AnyClient], sent: bytes, error: type[SilvaEngineError]
) -> None:
    """A client that is gone is told apart from one that can't take more now; nothing is sent twice."""
    with peer([response(b""), sent]) as server:
        subject = ConnectionsApi(aws_client("execute-api", "us-east-1", f"{server.url}/beta", ENVIRONMENT))
        subject.post("L0SM9cOFvHcCIhw=", b"hello")
        with pytest.raises(error):
            subject.post("L0SM9cOFvHcCIhw=", b"hello")
    assert len(server.requests) == 2
    assert server.requests[0].startswith(b"POST /beta/%40connections/L0SM9cOFvHcCIhw%3D HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\nhello")


def test_a_message_that_nobody_took_may_be_sent_again(aws_client: type[AnyClient]) -> None:
    """Where nobody listens, nothing was sent."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/beta"
        subject = ConnectionsApi(aws_client("execute-api", "us-east-1", url, ENVIRONMENT))
        with pytest.raises(BusyError):
            subject.post("L0SM9cOFvHcCIhw=", b"hello")


def test_a_client_that_the_engine_does_not_know_is_gone(engine: Any) -> None:
    """The local engine checks path and signature as AWS does."""
    open_client.cache_clear()
    management = open_connections_api("us-east-1", f"{engine.url}/_aws/execute-api/none/beta")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with pytest.raises(NotFoundError) as caught:
            management.post("L0SM9cOFvHcCIhw=", b"hello")
    assert caught.value.status == 410


def test_botocores_client_knows_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signed client doesn't: for it the host would have to be in reach."""
    with peer([response(b"by proxy")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        subject = BotocoreClient("lambda", "us-east-1", "http://lambda.invalid", ENVIRONMENT)
        assert subject.post("/x", {}, b"{}", 5).body == b"by proxy"
    assert proxy.requests[0].startswith(b"POST http://lambda.invalid/x HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "variables", [("AWS_CA_BUNDLE",), ("REQUESTS_CA_BUNDLE",), ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")]
)
def test_authorities_of_ones_own_are_trusted(
    aws_client: type[AnyClient],
    certificate: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
    variables: tuple[str, ...],
) -> None:
    """Those of ``AWS_CA_BUNDLE``, else of ``REQUESTS_CA_BUNDLE``; without them nothing is sent."""
    context, trusted = certificate
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    refused = pytest.raises(NoResponseError, match="certificate verify failed")
    with peer([response(b"1")], context=context) as server, refused:
        aws_client("lambda", "us-east-1", server.url, ENVIRONMENT).post("/", {}, b"", 5)
    with peer([response(b"1")], context=context) as server:
        for name, value in zip(variables, (str(trusted), "/nowhere"), strict=False):
            monkeypatch.setenv(name, value)
        subject = aws_client("lambda", "us-east-1", server.url, ENVIRONMENT)
        assert subject.post("/", {}, b"", 5).body == b"1"


def test_failures_are_told_apart(aws_client: type[AnyClient]) -> None:
    """A response that is late, cut off or missing: each has one error, whichever client met it."""

    def late(_: bytes) -> bytes:
        time.sleep(2)
        return response()

    scripts: list[tuple[Step, type[NoResponseError]]] = [
        (late, ResponseTimeoutError),
        (BROKEN, NoResponseError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", NoResponseError),
    ]
    for step, error in scripts:
        with peer([step]) as server, pytest.raises(NoResponseError) as caught:
            aws_client("lambda", "us-east-1", server.url, ENVIRONMENT).post("/", {}, b"", 1)
        assert type(caught.value) is error
    with pytest.raises(NotSentError):
        aws_client("lambda", "us-east-1", "http://127.0.0.1:1", ENVIRONMENT).post("/", {}, b"", 1)


def test_the_environment_names_the_client(
    aws_client: type[AnyClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SILVAENGINE_AWS_CLIENT``; what is neither of the two is the operator's mistake."""
    assert type(open_client("lambda", "us-east-1", "http://127.0.0.1")) is aws_client
    monkeypatch.setenv("SILVAENGINE_AWS_CLIENT", "boto3")
    with pytest.raises(ConfigurationError, match="misconfigured") as caught:
        open_client("lambda", "us-east-1", "http://127.0.0.2")
    assert "'boto3'" in caught.value.detail


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(
    aws_client: type[AnyClient], certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parent and child each read their own responses, and the parent's connection goes on."""
    context, trusted = certificate
    monkeypatch.setenv("AWS_CA_BUNDLE", str(trusted))
    with peer([response(b"1"), response(b"3")], [response(b"2")], context=context) as server:
        subject = aws_client("lambda", "us-east-1", server.url, ENVIRONMENT)
        assert subject.post("/", {}, b"", 5).body == b"1"
        if (child := os.fork()) == 0:
            is_own = False
            try:
                is_own = subject.post("/", {}, b"", 5).body == b"2"
            finally:
                os._exit(not is_own)
        assert os.waitpid(child, 0)[1] == 0
        assert subject.post("/", {}, b"", 5).body == b"3"


def test_no_address_of_a_service_is_a_misconfiguration(tmp_path: Path) -> None:
    """The operator reads which one it is."""
    with pytest.raises(ConfigurationError) as caught:
        SignedClient("lambda", "us-east-1", "127.0.0.1:4566", ENVIRONMENT)
    assert "127.0.0.1:4566" in caught.value.detail
