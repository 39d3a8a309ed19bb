"""An Invoke's parts, with a server on loopback."""

import time

from silvaengine.aws.client import open_client
from silvaengine.aws.lambda_invoker import _path, open_invoker
from silvaengine.aws.signing import sign_headers


def invoke_parts(settings, arn, payload, *, event=False):
    """Return the parts of an Invoke of this payload."""
    invoker, service = open_invoker(settings), open_client("lambda", settings.region)
    body, path = payload.encode(), _path(arn)
    headers = {"x-amz-invocation-type": "Event" if event else "RequestResponse", "host": service._host}
    credentials = service._credentials.current

    def sign():
        return sign_headers(credentials, settings.region, "lambda", path, headers, body, time.time())

    head = f"{sign()}\r\nuser-agent:silvaengine\r\ncontent-length:{len(body)}"
    request = f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n".encode() + body
    return {
        "the Invoke": lambda: invoker.invoke(arn, payload, event=event, deadline=time.time() + 20),
        "of it signing": sign,
        "of it sending, receiving, TLS": lambda: service._pool.exchange(request, 20.0),
    }
