"""An Invoke by each client that was weighed: docs/decisions/2026-11-24-signed-client.md."""

import json
import os
from functools import cache

WORKER = "arn:aws:lambda:us-east-1:000000000000:function:silvaengine-Worker"
PAYLOAD = b'{"MODULENAME": "silvaengine_demo.greetings", "funct": "hello"}'
ANSWER = {"message": "Hello, Ada!"}


def ours():
    """By this project's own."""
    response = _invoker().invoke(WORKER, PAYLOAD.decode())
    assert json.loads(response)["value"] == ANSWER


@cache
def _invoker():
    from silvaengine.aws.lambda_invoker import open_invoker
    from silvaengine.settings import Settings

    return open_invoker(Settings())


def botocore():
    """By botocore, tuned: one session, one kept connection, no repetition, no validation of what we send."""
    response = _botocore_client().invoke(FunctionName=WORKER, Payload=PAYLOAD)
    assert json.loads(response["Payload"].read())["value"] == ANSWER


@cache
def _botocore_client():
    from botocore.config import Config
    from botocore.session import Session

    config = Config(
        tcp_keepalive=True, parameter_validation=False, retries={"mode": "standard", "total_max_attempts": 1}
    )
    return Session().create_client("lambda", "us-east-1", config=config)


def awscrt():
    """By AWS's common runtime: its signer, its connection, its threads."""
    from io import BytesIO

    from awscrt import auth, http

    connection, host, credentials = _crt()
    headers = http.HttpHeaders([("host", host), ("content-length", str(len(PAYLOAD)))])
    path = "/2015-03-31/functions/" + WORKER.replace(":", "%3A") + "/invocations"
    request = http.HttpRequest("POST", path, headers, BytesIO(PAYLOAD))
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        credentials_provider=credentials,
        region="us-east-1",
        service="lambda",
    )
    body = bytearray()
    stream = connection.request(
        auth.aws_sign_request(request, config).result(5),
        lambda **_: None,
        lambda http_stream, chunk, **_: body.extend(chunk),
    )
    stream.activate()
    stream.completion_future.result(5)
    assert json.loads(body)["value"] == ANSWER


@cache
def _crt():
    """Return a connection, its host, and the credentials that are signed with."""
    from urllib.parse import urlsplit

    from awscrt import auth, http, io

    address = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    options = io.TlsContextOptions()
    options.override_default_trust_store_from_path(None, os.environ["AWS_CA_BUNDLE"])
    tls = io.ClientTlsContext(options).new_connection_options()
    tls.set_server_name(address.hostname)
    threads = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(threads, io.DefaultHostResolver(threads))
    connection = http.HttpClientConnection.new(address.hostname, address.port, bootstrap, None, tls)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = auth.AwsCredentialsProvider.new_static(*(os.environ[name] for name in names))
    return connection.result(5), address.netloc, credentials
