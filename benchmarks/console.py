"""Each page of `silvaengine console` of a deployment with 100,000 functions, tenants and jobs, in moto.

Moto looks at each row for each request, which DynamoDB doesn't: what it takes is told apart.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.server import ThreadedMotoServer
from tests.contract.conftest import definition
from tests.contract.console.visitor import Visitor
from tests.contract.stacks import create_stack

from benchmarks.harness.report import table
from silvaengine.tables import CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, EXECUTIONS, FUNCTIONS, TABLES, Table
from silvaengine_cli.console.serving import running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import NAVIGATION
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.registry.tables import to_item

ACCOUNT, REGION = "123456789012", "us-east-1"
WORKER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:many-Worker"
OUTPUTS = {"TablePrefix": "se-", "WorkerArn": WORKER}
PATHS = (*NAVIGATION, "/functions?after=x", "/tenants?after=x", "/jobs?state=dead", "/tenants/tenant-050000")


def run(*, quick: bool) -> str:
    """Return the section."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    count, rounds = (1_000, 1) if quick else (100_000, 5)
    with _many(count) as url:
        rows = [(f"`{path}`", *_measure(url, path, rounds)) for path in PATHS]
    columns = ("page", "status", "AWS calls", "ms, first", "of it moto", "ms, later", "of it moto")
    return table(columns, rows)


def _measure(url: str, path: str, rounds: int) -> tuple[float, ...]:
    """Return a page's status, calls of AWS, and milliseconds at first and later, each with what moto took."""
    deployment = _Timed(stack="many", region=REGION, endpoint_url=url)
    times = []
    with running_console(Session(deployment)) as address:
        visitor = Visitor(address)
        for _ in range(1 + rounds):
            deployment.waiting.clear()
            start = time.perf_counter()
            status = visitor.get(path).status
            times.append((1000 * (time.perf_counter() - start), 1000 * sum(deployment.waiting)))
    later = (median(each) for each in zip(*times[1:], strict=True))
    return status, len(deployment.waiting), *times[0], *later


@contextmanager
def _many(count: int) -> Iterator[str]:
    """Yield the address of moto with a stack that has so many functions, tenants and jobs."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    deployment = Deployment(stack="many", region=REGION, endpoint_url=f"http://{host}:{port}")
    create_stack(deployment.client("cloudformation"), "many", OUTPUTS)
    for each in TABLES:
        deployment.client("dynamodb").create_table(**definition(each))
    for number in range(count):
        for each, row in _rows(number).items():
            dynamodb_backends[ACCOUNT][REGION].get_table(f"se-{each.name}").put_item(to_item(row))
    yield str(deployment.endpoint_url)
    server.stop()


class _Timed(Deployment):
    """A deployment whose calls of AWS are timed."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as Deployment's
        super().__init__(**options)
        self.waiting: list[float] = []

    def _new_client(self, service: str, url: str | None) -> Any:  # noqa: ANN401 - boto3's
        client = super()._new_client(service, url)
        begun = list[float]()
        client.meta.events.register("before-call", lambda **_: begun.append(time.perf_counter()))
        client.meta.events.register(
            "after-call", lambda **_: self.waiting.append(time.perf_counter() - begun.pop())
        )
        return client


def _rows(number: int) -> Mapping[Table, Mapping[str, Any]]:
    tenant = f"tenant-{number:06}"
    entry = {"aws_lambda_arn": WORKER, "function": f"function-{number:06}", "setting": ""}
    config = {"module_name": "shop.orders", "class_name": "Orders", "setting": "shop"}
    job = {"job_id": f"{number:032x}", "state": "dead" if number % 100 == 0 else "succeeded", "attempt": 1}
    job |= {"endpoint_id": tenant, "area": "core", "function": "hello", "accepted_at": 1_790_000_000}
    return {
        FUNCTIONS: {
            "aws_lambda_arn": WORKER,
            "function": entry["function"],
            "area": "core",
            "config": config,
        },
        ENDPOINTS: {"endpoint_id": tenant, "special_connection": True},
        CONNECTIONS: {"endpoint_id": tenant, "api_key": DEFAULT_API_KEY, "functions": [entry]},
        EXECUTIONS: job | {"created_at": 1_790_000_000 + number, "updated_at": 1_790_000_000 + number},
    }
