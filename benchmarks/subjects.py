"""The subjects that several benchmarks share: this project's gateway, and the peers."""

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import BUILT, PEERS, PROJECT, PYTHON, RUNTIME
from benchmarks.harness.loopback import Loopback, Rows
from benchmarks.harness.subject import Subject
from silvaengine.protocol.messages import Callee
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS

WORKER_ARN = "arn:aws:lambda:us-east-1:000000000000:function:silvaengine-Worker"
ANSWER = {"message": "Hello, Ada!"}
RESULT = {"silvaengine": 1, "kind": "json", "value": ANSWER, "status": 200, "error_type": ""}
HELLO = Callee(
    "silvaengine_demo.greetings", "Greetings", "hello", '{"greeting": "Hello", "punctuation": "!"}'
)
HTTP_PEERS = ("bare handler", "Powertools", "Mangum + FastAPI")
"""Their names in ``benchmarks.peers.http``; README.md says why these."""

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
