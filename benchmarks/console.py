"""Each page of `silvaengine console` of a deployment with 100,000 functions, tenants and jobs, in moto.

DynamoDB reads only the rows that a request names. Moto sorts all rows for each request, looks at all of them
for a query, copies what it finds, builds each row anew for each attribute of a projection, and looks into
botocore's model for each value of its answer: nine tenths of the time of a page of jobs. Here, in a process
of its own, it doesn't (``_make_quick``); conditions, limits and the megabyte are moto's. The local engine
copies nothing, but sorts all rows, too, and takes 400,000 of them by HTTP alone, 25 at a time.

A page's first answer is that of a console that has just started, with the clients that it opens meanwhile.
"""

import copy
import json
import logging
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table as MotoTable
from moto.dynamodb.responses import DynamoHandler
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
FUNCTION_PATHS = ("/functions?text=on-001", "/functions?text=none", "/functions?endpoint=tenant-050000")
PATHS = (*NAVIGATION, *FUNCTION_PATHS, "/tenants/tenant-050000", "/jobs?state=dead")


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
    for service in ("cloudformation", "dynamodb", "logs"):
        deployment.client(service)
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
    _make_quick(items)
    starter.send(url)
    signal.pause()


def _make_quick(items: Mapping[str, list[Item]]) -> None:
    """Let moto read only what it is asked for, of tables that change no more, by their sorted items."""
    scan, query, all_items = DynamoHandler.scan, MotoTable.query, MotoTable.all_items

    def scan_to_text(handler: DynamoHandler) -> str:
        return json.dumps(scan(handler).result, default=DynamoType.to_json)

    def query_one(table: MotoTable, hash_key: DynamoType, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        part = copy.copy(table)
        part.name, part.items = "", defaultdict(dict)
        if hash_key in table.items:
            part.items[hash_key] = table.items[hash_key]
        return query(part, hash_key, *rest, **options)

    def project(item: Item, names: Sequence[Sequence[str]]) -> Item:
        found = Item(item.hash_key, item.range_key, {})
        found.attrs |= {name: item.attrs[name] for [name] in names if name in item.attrs}
        return found

    for owner, name, quick in (
        (DynamoHandler, "scan", scan_to_text),
        (MotoTable, "query", query_one),
        (MotoTable, "all_items", lambda table: items.get(table.name) or all_items(table)),
        (Item, "project", project),
        (Item, "__deepcopy__", lambda item, _: item),
    ):
        setattr(owner, name, quick)


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
