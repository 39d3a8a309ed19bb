"""A tenant's end and its return: `silvaengine tenant export|delete|restore` on a stack with Redis."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import redis as redis_py
from click.testing import CliRunner
from tests.redis_server import running_redis

from silvaengine.tables import TABLES
from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.main import cli

from .conftest import Deployment
from .http_client import Api, Response
from .registry_rows import API_KEY, Rows
from .second_stack import deploy_again
from .socket_client import Socket

STACK, PREFIX = "tenants", "tenants-"
TENANT, OTHER = "shop", "shop2"  # the one's name is how the other's begins
NAMED = re.compile(rf"(?<![A-Za-z0-9]){TENANT}(?![A-Za-z0-9])")
FUNCTIONS = ("number", "settings", "large", "wait")
SECONDS = 30.0


class Stack:
    """A stack with two tenants, and what there is of them."""

    def __init__(self, engine: LocalEngine, outputs: deploy.StackOutputs, redis: redis_py.Redis) -> None:
        self.engine = engine
        self.outputs = outputs
        self.api = Api(outputs.api_url)
        self.redis = redis
        self.tables: Any = engine.client("dynamodb")
        self.buckets: Any = engine.client("s3")

    def run(self, *arguments: str) -> Any:
        """Run a command; return its JSON."""
        where = ["--stack", STACK, "--endpoint-url", self.engine.url, "--region", "us-east-1"]
        done = CliRunner().invoke(cli, [*arguments, *where])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout) if "--json" in arguments else done.output

    def get(self, tenant: str, path: str, key: str = API_KEY) -> Response:
        """Call a function of a tenant."""
        return self.api.get(f"/core/{tenant}/{path}", {"x-api-key": key})

    def start_job(self, tenant: str, function: str, params: dict[str, int], status: str) -> str:
        """Start a job and wait until it stands so; return its id."""
        wish = {"x-api-key": API_KEY, "prefer": "respond-async"}
        job_id: str = self.api.post(f"/core/{tenant}/{function}", params, wish).json()["job_id"]
        deadline = monotonic() + SECONDS
        while (found := self.get(tenant, f"job_status?job_id={job_id}").json()).get("status") != status:
            assert monotonic() < deadline, found
            sleep(0.2)
        return job_id

    def open_socket(self, tenant: str) -> Socket:
        """Connect a client."""
        url = f"{self.outputs.websocket_url}?endpointId={tenant}&area=core"
        return Socket(url, {"x-api-key": API_KEY})

    def rows(self) -> list[str]:
        """Return all rows of all tables as text."""
        pages = [
            page
            for table in TABLES
            for page in self.tables.get_paginator("scan").paginate(
                TableName=PREFIX + table.name, ConsistentRead=True
            )
        ]
        return [json.dumps(item, sort_keys=True) for page in pages for item in page["Items"]]

    def in_redis(self) -> list[str]:
        """Return all keys and values of Redis as text."""
        keys: Sequence[Any] = list(self.redis.scan_iter())
        values = [self.redis.get(key) for key in keys if self.redis.type(key) == b"string"]
        return [str(each) for each in (*keys, *values)]

    def objects(self) -> str:
        """Return the keys of all objects in the bucket, in one text."""
        bucket = self.engine.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        (name,) = (each["OutputValue"] for each in bucket["Outputs"] if each["OutputKey"] == "PayloadBucket")
        return " ".join(each["Key"] for each in self.buckets.list_objects_v2(Bucket=name).get("Contents", ()))


@pytest.fixture(scope="module")
def stack(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with Redis, and two tenants with keys, settings, a hook and bindings."""
    with running_redis(tmp_path_factory.mktemp("redis")) as (port, _):
        parameters = {
            "TablePrefix": PREFIX,
            "RedisHost": "127.0.0.1",
            "RedisPort": str(port),
            "RedisWorkerUsername": "default",
            "CacheDir": "none",
        }
        engine, outputs = deployment.engine, deploy_again(deployment, STACK, parameters)
        rows, worker = Rows(engine.client("dynamodb"), PREFIX), outputs.worker_arn
        for name in FUNCTIONS:
            rows.put_function(worker, name)
        rows.put("configdata", setting_id="e2e", variable="unit", value="m")
        for tenant in (TENANT, OTHER):
            own = {"settings": f"{tenant}-own"}
            entries = [
                {"aws_lambda_arn": worker, "function": name, "setting": own.get(name, "")}
                for name in FUNCTIONS
            ]
            rows.put("endpoints", endpoint_id=tenant, special_connection=True, rate_limit={"per_second": 50})
            rows.put("connections", endpoint_id=tenant, api_key=API_KEY, functions=entries)
            rows.put("configdata", setting_id=f"{tenant}-own", variable="greeting", value=f"from {tenant}")
            rows.put("configdata", setting_id=f"beta_core_{tenant}", variable="event_answer", value="job")
            rows.put("hooks", api_id=tenant, module_name="none", status=False)
        targets = [{"endpoint_id": tenant, "funct": "number"} for tenant in (TENANT, OTHER)]
        rows.put("configdata", setting_id="silvaengine_events", variable="topic:both", value=targets)
        yield Stack(engine, outputs, redis_py.Redis(port=port))


def test_a_tenant_goes_with_everything_and_comes_back(stack: Stack, tmp_path: Path) -> None:
    """Nothing of it is left in any table, in Redis and the bucket; from its file it works with a new key."""
    made = stack.run("keys", "create", "--endpoint", TENANT, "--function", "number", "--json")
    numbers = {tenant: stack.get(tenant, "number?name=one").json()["number"] for tenant in (TENANT, OTHER)}
    assert stack.get(TENANT, "number?name=one", made["api_key"]).json()["number"] == numbers[TENANT]
    finished, others = (
        stack.start_job(each, "large", {"size": 300_000}, "succeeded") for each in (TENANT, OTHER)
    )
    running = stack.start_job(TENANT, "wait", {"seconds": 15}, "running")
    sockets = {tenant: stack.open_socket(tenant) for tenant in (TENANT, OTHER)}
    assert finished in stack.objects()
    others_rows = [row for row in stack.rows() if OTHER in row and not NAMED.search(row)]

    path = tmp_path / "shop.json"
    stack.run("tenant", "export", TENANT, "-o", str(path))
    assert API_KEY not in path.read_text()
    found = stack.run("tenant", "delete", TENANT, "--dry-run", "--json")["found"]
    expected = {
        "endpoint": 1,
        "connections": 1,
        "jobs": 2,
        "settings": 2,
        "hooks": 1,
        "bindings": 1,
        "API keys": 2,
    }
    assert found.items() >= expected.items()
    assert found["keys in Redis"] >= 3  # a value, its cache's clear log, and counters
    assert found["uses and clears"] == 1
    done = stack.run("tenant", "delete", TENANT, "--yes", "--json")
    assert done["left"] == {}

    assert [row for row in stack.rows() if NAMED.search(row)] == []
    assert [text for text in stack.in_redis() if NAMED.search(text)] == []
    assert finished not in stack.objects()
    assert running not in " ".join(stack.rows())
    with pytest.raises(EOFError):
        sockets[TENANT].receive()
    assert [stack.get(TENANT, "number?name=one", key).status for key in (API_KEY, made["api_key"])] == [
        404,
        404,
    ]
    # The other tenant has what it had.
    assert set(others_rows) <= set(stack.rows())
    assert others in stack.objects()
    assert stack.get(OTHER, "number?name=one").json()["number"] == numbers[OTHER]
    sockets[OTHER].send({"action": "ping", "id": "1"})
    assert sockets[OTHER].receive()
    sockets[OTHER].close()
    assert stack.run("tenant", "delete", TENANT) == f"{TENANT} has nothing\n"

    restored = stack.run("tenant", "restore", str(path), "--json")
    assert [TENANT, made["key_id"]] in restored["keys"]
    assert stack.get(TENANT, "number?name=one", made["api_key"]).status == 404
    keys = {
        key_id: stack.run("keys", "rotate", key_id, "--endpoint", TENANT, "--json")["api_key"]
        for _, key_id in restored["keys"]
    }
    again = stack.get(TENANT, "number?name=one", keys.pop(made["key_id"]))
    assert again.json()["number"] != numbers[TENANT]
    (key,) = keys.values()  # of the key that was its own secret
    assert stack.get(TENANT, "settings", key).json() == {"greeting": f"from {TENANT}", "unit": "m"}
    bound = next(row for row in stack.rows() if "topic:both" in row)
    assert NAMED.search(bound)
    assert OTHER in bound
