"""The subjects that several benchmarks share: this project's gateway, and the peers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import BUILT, PEERS, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.loopback import Loopback, Rows
from benchmarks.harness.subject import Subject
from silvaengine.protocol.messages import Callee
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS

WORKER_ARN = "arn:aws:lambda:us-east-1:000000000000:function:silvaengine-Worker"
ANSWER = {"message": "Hello, Ada!"}
RESULT = {
    "silvaengine": 1, "kind": "json", "value": ANSWER, "status": 200, "error_type": "",
    "takes_context": False,
}  # fmt: skip
HELLO = Callee(
    "silvaengine_demo.greetings", "Greetings", "hello", '{"greeting": "Hello", "punctuation": "!"}'
)
HTTP_PEERS = ("bare handler", "Powertools", "Mangum + FastAPI")
"""Their names in ``benchmarks.peers.http``; README.md says why these."""

LOGGING_PEERS = ("Powertools with Logger", "Powertools with Logger and Metrics")
"""Those that write a line for each request, as ours does and the others don't."""

# What each trusts on AWS: botocore its own list, we Amazon's authorities.
BOTOCORE_AUTHORITIES = PEERS / "botocore/cacert.pem"
OUR_AUTHORITIES = BUILT / "SharedLayer/python/silvaengine/aws/amazon_roots.pem"


def event() -> dict[str, Any]:
    """Return a GET without a key, as a REST API hands it over."""
    recorded: dict[str, Any] = json.loads((PROJECT / "tests/events/http_rest_v1.json").read_text())
    recorded["requestContext"]["identity"]["apiKey"] = None
    recorded["requestContext"] |= {"httpMethod": "GET", "path": "/beta/core/demo/hello"}
    return recorded | {
        "path": "/core/demo/hello",
        "httpMethod": "GET",
        "queryStringParameters": {"name": "Ada"},
        "multiValueQueryStringParameters": {"name": ["Ada"]},
        "pathParameters": {"area": "core", "endpoint_id": "demo", "proxy": "hello"},
        "body": None,
        "isBase64Encoded": False,
    }


def browser() -> dict[str, Any]:
    """Return the same request as a page in a browser sends it, of somebody who has signed in."""
    headers = {
        **event()["headers"],
        "accept": "application/json, text/plain, */*",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "en-GB,en;q=0.9,de;q=0.8",
        "Authorization": f"Bearer {'eyJhbGciOiJSUzI1NiIsImtpZCI6' * 32}",  # some 900 characters
        "cache-control": "no-cache",
        "CloudFront-Forwarded-Proto": "https",
        "CloudFront-Is-Desktop-Viewer": "true",
        "CloudFront-Is-Mobile-Viewer": "false",
        "CloudFront-Viewer-Country": "GB",
        "origin": "https://app.example.com",
        "pragma": "no-cache",
        "priority": "u=1, i",
        "referer": "https://app.example.com/orders/2026/11?view=open",
        "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
        "sec-ch-ua-mobile": "?0",
        "sec-ch-ua-platform": '"Windows"',
        "sec-fetch-dest": "empty",
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "cross-site",
        "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/142.0.0.0 Safari/537.36",
        "Via": "2.0 2afae0d44e2540f472c0635ab62c232b.cloudfront.net (CloudFront)",
        "X-Amz-Cf-Id": "8FMC4HJ3yeWyQBeDTB7LXbYjbM9u2PE5XQvBMfVKbJw4d7RRE0oZVw==",
    }
    del headers["Accept"], headers["Content-Type"]  # a GET has no content
    return event() | {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
    }


def from_browser(subject: Subject) -> Subject:
    """Return the subject with that request, and with a session's token as long as Lambda's are."""
    request = {"BENCHMARK_EVENT": json.dumps(browser()), "AWS_SESSION_TOKEN": "token" * 240}
    return replace(subject, environment={**subject.environment, **request})


def registry(functions: int = 9) -> Rows:
    """Return the rows of a registry with so many functions in the common connection, ``hello`` among them."""
    names = ["hello", *(f"function-{number:05}" for number in range(1, functions))]
    entries = [{"aws_lambda_arn": WORKER_ARN, "function": name, "setting": ""} for name in names]
    config = {"module_name": "silvaengine_demo.greetings", "class_name": "Greetings", "setting": "demo"}
    return {
        ENDPOINTS: [{"endpoint_id": "demo", "special_connection": False}],
        CONNECTIONS: [{"endpoint_id": "1", "api_key": DEFAULT_API_KEY, "functions": entries}],
        FUNCTIONS: [{"aws_lambda_arn": WORKER_ARN, "function": "hello", "area": "core", "config": config}],
        CONFIG_DATA: [
            {"setting_id": "demo", "variable": "greeting", "value": "Hello"},
            {"setting_id": "demo", "variable": "punctuation", "value": "!"},
        ],
    }


def gateway(server: Loopback, handler: str = "silvaengine_http.app:handler") -> Subject:
    """Return our gateway from its artefacts, as Lambda would load it."""
    folders = (BUILT / "HttpGateway", BUILT / "SharedLayer/python", PROJECT, RUNTIME)
    return _subject("SilvaEngine gateway", folders, handler, server.environment(OUR_AUTHORITIES))


def peer(server: Loopback, name: str, *, work: str) -> Subject:
    """Return a peer; ``work`` is ``none``, or ``boto3`` for a GetItem at first and an Invoke always."""
    choice = {"BENCHMARK_PEER": name, "BENCHMARK_WORK": work}
    title = name if work == "none" else f"{name} + {work}"
    environment = server.environment(BOTOCORE_AUTHORITIES) | choice
    return _subject(title, (PROJECT, PEERS), "benchmarks.peers.http:handler", environment)


def _subject(name: str, folders: tuple[Path, ...], handler: str, environment: dict[str, str]) -> Subject:
    serving = {"BENCHMARK_HANDLER": handler, "BENCHMARK_EVENT": json.dumps(event())}
    return Subject(name, PYTHON, folders, "benchmarks.peers.request:serve", environment | serving)
