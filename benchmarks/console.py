"""Each page of `silvaengine console` of a deployment with 100,000 functions, tenants and jobs, in moto.

Moto sorts all rows for each request, which DynamoDB doesn't: here it does so once, in a process of its own.
"""

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table as MotoTable
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
PATHS = (*NAVIGATION, "/functions?text=on-001", "/tenants/tenant-050000", "/jobs?state=dead")


def run(*, quick: bool) -> str:
    """Return the section."""
    count, rounds = (1_000, 1) if quick else (100_000, 5)
    with _many(count) as url:
        rows = [(f"`{path}`", *_measure(url, path, rounds)) for path in PATHS]
    return table(("page", "status", "AWS calls", "ms, first", "ms, later", "of it our processor's"), rows)


def _measure(url: str, path: str, rounds: int) -> tuple[float, ...]:
    """Return a page's status, its calls of AWS, and the milliseconds of its answers."""
    deployment = _Counting(stack="many", region=REGION, endpoint_url=url)
    times = []
    with running_console(Session(deployment)) as address:
        visitor = Visitor(address)
        for _ in range(1 + rounds):
            deployment.calls = 0
            start, worked = time.perf_counter(), time.process_time()
            status = visitor.get(path).status
            times.append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - worked)))
    later = (median(each) for each in zip(*times[1:], strict=True))
    return status, deployment.calls, times[0][0], *later


@contextmanager
def _many(count: int) -> Iterator[str]:
    """Yield the address of moto with a stack that has so many functions, tenants and jobs."""
    ours, theirs = Pipe()
    process = Process(target=_serve, args=(count, theirs), daemon=True)
    process.start()
    yield ours.recv()
    process.terminate()


def _serve(count: int, starter: Connection) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    deployment = Deployment(stack="many", region=REGION, endpoint_url=url)
    create_stack(deployment.client("cloudformation"), "many", OUTPUTS)
    for each in TABLES:
        deployment.client("dynamodb").create_table(**definition(each))
    tables = dynamodb_backends[ACCOUNT][REGION].tables
    for number in range(count):
        for each, row in _rows(number).items():
            tables[f"se-{each.name}"].put_item(to_item(row))
    items = {name: each.all_items() for name, each in tables.items()}
    MotoTable.all_items = lambda self: items[self.name]  # type: ignore[method-assign]
    starter.send(url)
    signal.pause()


class _Counting(Deployment):
    """A deployment whose calls of AWS are counted."""

    calls = 0

    def _new_client(self, service: str, url: str | None) -> Any:  # noqa: ANN401 - boto3's
        client = super()._new_client(service, url)
        client.meta.events.register("before-call", self._count)
        return client

    def _count(self, **_: object) -> None:
        self.calls += 1


def _rows(number: int) -> Mapping[Table, Mapping[str, Any]]:
    tenant = f"tenant-{number:06}"
    entry = {"aws_lambda_arn": WORKER, "function": f"function-{number:06}", "setting": ""}
    config = {"module_name": "shop.orders", "class_name": "Orders", "setting": "shop"}
    texts = ("owner", "effect", "setting", "principal", "digest", "request_id")
    job: dict[str, Any] = {
        "job_id": f"{number:032x}",
        "endpoint_id": tenant,
        "area": "core",
        "on_lost": "retry",
    }
    job |= {"function": "hello", "aws_lambda_arn": WORKER, "state": "succeeded" if number % 100 else "dead"}
    job |= {"fence": 1, "attempts": 1, "max_attempts": 3, "keep_seconds": 86_400, "backoff_seconds": 10}
    job |= dict.fromkeys(texts, "") | dict.fromkeys(("created_at", "changed_at"), 1_790_000_000 + number)
    return {
        FUNCTIONS: {
            "aws_lambda_arn": WORKER,
            "function": entry["function"],
            "area": "core",
            "config": config,
        },
        ENDPOINTS: {"endpoint_id": tenant, "special_connection": True},
        CONNECTIONS: {"endpoint_id": tenant, "api_key": DEFAULT_API_KEY, "functions": [entry]},
        EXECUTIONS: job,
    }
