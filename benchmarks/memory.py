"""What an instance of the HTTP gateway holds after many requests of many tenants.

Each case is a process of its own, since memory that was freed isn't always given back. Rows are made up as
they are asked for; everything else is what runs on Lambda.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from resource import getpagesize
from typing import Any, NamedTuple, NoReturn, override

from benchmarks.harness.report import table
from silvaengine.access.rate_limits import RateLimiter
from silvaengine.authorization.admission import Admission
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.packages import Packages
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import Key, Row, TableReader
from silvaengine.ledger.dispatch import issue_no_token
from silvaengine.lru import Budget
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import Registry
from silvaengine.settings import MEBIBYTE, Settings
from silvaengine.tables import CONNECTIONS, ENDPOINTS, FUNCTIONS, Table
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall

LAMBDA_MB = 256
PARTS = 5  # of a run, after each of which memory is read
ARN = "arn:aws:lambda:us-east-1:123456789012:function:silvaengine-Worker"


class Case(NamedTuple):
    """A load: how many tenants, with how many functions and how many bytes of settings each."""

    tenants: int
    functions: int
    settings: int
    requests: int


CASES = (
    Case(1, 10, 100, 50_000),
    Case(1_000, 10, 100, 50_000),
    Case(100_000, 10, 100, 100_000),
    Case(1_000, 400, 100, 10_000),
    Case(500, 4_000, 100, 1_500),
    Case(2_000, 10, 200_000, 5_000),
)


def run(*, quick: bool) -> str:
    """Return the section."""
    cases = [case._replace(requests=200) for case in CASES[:1]] if quick else CASES
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        held = dict(zip(cases, pool.map(_measure, cases), strict=True))
    rows = [(*_described(case), *megabytes) for case, megabytes in held.items()]
    parts = [f"{100 * part // PARTS} %" for part in range(PARTS + 1)]
    columns = ("tenants", "functions, settings of each", "requests", *parts, "kept")
    what = (
        f"MB of the HTTP gateway's process, which has {LAMBDA_MB}, {LAMBDA_MB // 4} of them for what it keeps"
    )
    text = f"{what}.\n\n{table(columns, rows)}"
    return f"{text}\n### Memory of the process\n{_plot(max(held), held[max(held)][:-1])}"


def _plot(case: Case, megabytes: Sequence[float]) -> str:
    """Return a chart in Mermaid's language, which GitHub draws."""
    return f"""\
```mermaid
xychart-beta
    title "{case.requests:,} requests of {case.tenants:,} tenants to one instance"
    x-axis "% of the requests" 0 --> 100
    y-axis "MB" 0 --> {LAMBDA_MB}
    line {[round(number) for number in megabytes]}
```
"""


def _described(case: Case) -> tuple[str, str, str]:
    return f"{case.tenants:,}", f"{case.functions:,}, {case.settings:,} B", f"{case.requests:,}"


def _measure(case: Case) -> Sequence[float]:
    command = [sys.executable, "-m", __spec__.name, *map(str, case)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: Sequence[float] = json.loads(done.stdout)
    return found


class MadeTables(TableReader):
    """Tables that have the row of whatever tenant is asked for."""

    def __init__(self, case: Case) -> None:
        self._case = case

    @override
    def get(self, table: Table, key: Key) -> Row | None:
        name = key.get("function")
        if table != FUNCTIONS or not isinstance(name, str):
            return None
        config = {"module_name": "shop", "setting": f"own-{name.partition('.')[0]}"}
        return {**key, "area": "core", "config": config}

    @override
    def batch_get(self, keys: Sequence[tuple[Table, Key]]) -> list[Row | None]:
        return [self._row(table, key) for table, key in keys]

    def _row(self, table: Table, key: Key) -> Row | None:
        tenant = str(key.get("endpoint_id"))
        if table == ENDPOINTS:
            limit = {"per_second": 100_000, "burst": 100_000}
            return {**key, "special_connection": True, "rate_limit": limit}
        if table != CONNECTIONS or tenant == "0":
            return None
        names = (f"{tenant}.function-{number}" for number in range(self._case.functions))
        return {**key, "functions": [{"aws_lambda_arn": ARN, "function": name} for name in names]}

    @override
    def query(self, table: Table, hash_value: str) -> list[Row]:
        if not hash_value.startswith("own-"):
            return []
        text = hash_value + "x" * self._case.settings
        return [{"setting_id": hash_value, "variable": "text", "value": text}]


class Answers(Invoker):
    """A worker that answers the same to everybody."""

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        return b'{"silvaengine": 1, "kind": "json", "value": {"message": "Hello"}}'


class _Context:
    aws_request_id = "lambda-request"
    invoked_function_arn = ARN

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def gateway(case: Case) -> tuple[Callable[[Mapping[str, Any]], Any], Registry]:
    """Return the gateway's handler over made-up tables, and its registry."""
    settings = Settings()
    budget = Budget(LAMBDA_MB * MEBIBYTE // 4, in_bytes=True)
    registry = Registry(MadeTables(case), {}, stage="beta", budget=budget)
    limiter = RateLimiter(None, "", budget, instances=1)
    authorization = Authorization(Packages(()), budget)
    admission = Admission(registry, lambda: limiter, lambda: authorization)
    made = Gateway(settings, admission, Answers(), _no_executions, issue_no_token)
    serve = HttpHandler(settings, registry, made, AlertPublisher(None))
    handler = lambda_handler("http", HttpCall, lambda: serve, encode)
    return lambda event: handler(dict(event), _Context()), registry


def _no_executions() -> NoReturn:
    raise NotImplementedError


def _event(tenant: str, function: str) -> dict[str, Any]:
    path = f"/core/{tenant}/{function}"
    return {
        "httpMethod": "GET",
        "path": path,
        "resource": "/{area}/{endpoint_id}/{proxy+}",
        "pathParameters": {"area": "core", "endpoint_id": tenant, "proxy": function},
        "headers": {"x-api-key": f"key-of-{tenant}"},
        "requestContext": {"stage": "beta", "identity": {"sourceIp": "192.0.2.1"}},
        "isBase64Encoded": False,
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * getpagesize() / MEBIBYTE, 1)


def measure(case: Case) -> list[float]:
    """Return the process's MB before and after each part of a run, and at last the MB that are kept."""
    call, registry = gateway(case)
    lines, sys.stdout = sys.stdout, StringIO()
    found = [_resident()]
    for number in range(case.requests):
        tenant = f"tenant-{number % case.tenants}"
        response = call(_event(tenant, f"{tenant}.function-{number // case.tenants % case.functions}"))
        if response["statusCode"] != 200:
            raise SystemExit(response)
        sys.stdout.seek(0)
        sys.stdout.truncate()
        if (number + 1) % (case.requests // PARTS) == 0:
            found.append(_resident())
    sys.stdout = lines
    return [*found, round(registry.budget.used / MEBIBYTE, 1)]


if __name__ == "__main__":
    print(json.dumps(measure(Case(*map(int, sys.argv[1:])))))
