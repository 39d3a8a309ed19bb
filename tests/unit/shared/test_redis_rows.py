"""What gateways share through Redis: the generation, read once for all, and rows of one generation."""

from collections.abc import Sequence
from typing import Any

import pytest

from silvaengine.context import read_from
from silvaengine.errors import UnavailableError
from silvaengine.redis.breaker import TierError
from silvaengine.registry.redis_rows import RedisRows
from silvaengine.registry.registry import Registry
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, GENERATION_KEY, Table

ENDPOINT = {"endpoint_id": "acme", "special_connection": True}


class FakeRedis:
    """Keeps values; none expires."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.away = False

    def execute(self, key: str, *commands: Sequence[Any]) -> list[Any]:
        if self.away:
            raise TierError("away")
        return [self._one(*command) for command in commands]

    def _one(self, command: str, key: str, *rest: Any) -> Any:
        if command == "GET":
            return self.values.get(key)
        value, *options = rest
        if "NX" not in options or key not in self.values:
            self.values[key] = value if isinstance(value, bytes) else value.encode()
        return b"OK"


class FakeTables:
    """Tables of a few rows that count how often they are read."""

    def __init__(self) -> None:
        self.generation = 1
        self.greeting = "Hello"
        self.reads: list[str] = []

    def get(self, table: Table, key: dict[str, str]) -> dict[str, Any] | None:
        self.reads.append("generation" if key == GENERATION_KEY else table.name)
        if key == GENERATION_KEY:
            return {"value": self.generation}
        return {"area": "core", "config": {"module_name": "demo", "setting": "demo"}}

    def batch_get(self, wanted: Sequence[tuple[Table, Any]]) -> list[dict[str, Any] | None]:
        self.reads.append("connection")
        entry = {"function": "hello", "aws_lambda_arn": "arn"}
        rows: dict[str, dict[str, Any]] = {ENDPOINTS.name: ENDPOINT, CONNECTIONS.name: {"functions": [entry]}}
        return [rows[table.name] for table, _ in wanted]

    def query(self, table: Table, hash_value: str) -> list[dict[str, Any]]:
        assert table is CONFIG_DATA
        self.reads.append(hash_value)
        return [{"variable": "greeting", "value": self.greeting}] if hash_value == "demo" else []


@pytest.fixture
def redis() -> FakeRedis:
    """Return a Redis."""
    return FakeRedis()


@pytest.fixture
def tables() -> FakeTables:
    """Return the registry's tables."""
    return FakeTables()


def instance(redis: Any, tables: Any, *, keeps_rows: bool = True) -> Registry:
    """Return the registry of a new instance."""
    shared = RedisRows(redis, "se-", refresh=5.0, keeps_rows=keeps_rows)
    return Registry(tables, {}, stage="beta", redis_rows=shared)


def greeting(registry: Registry) -> Any:
    """Resolve a request; return a setting of its function."""
    registry.refresh()
    return registry.resolve("acme", "key", "core", "hello").settings["greeting"]


def test_instances_share_what_one_has_read(redis: FakeRedis, tables: FakeTables) -> None:
    """The second instance reads nothing from DynamoDB, not even the generation, and its line says so."""
    read_from.clear()
    assert greeting(instance(redis, tables)) == "Hello"
    assert read_from == {"dynamodb"}
    before = len(tables.reads)
    read_from.clear()
    assert greeting(instance(redis, tables)) == "Hello"
    assert len(tables.reads) == before
    assert read_from == {"redis"}


def test_an_announced_change_is_seen_by_all_at_once(redis: FakeRedis, tables: FakeTables) -> None:
    """After `announce` the next request of every instance reads anew."""
    instances = [instance(redis, tables), instance(redis, tables)]
    assert [greeting(each) for each in instances] == ["Hello"] * 2
    tables.greeting, tables.generation = "Howdy", 2
    assert [greeting(each) for each in instances] == ["Hello"] * 2
    instances[0].announce()
    assert [greeting(each) for each in instances] == ["Howdy"] * 2


def test_an_older_read_does_not_undo_an_announcement(redis: FakeRedis, tables: FakeTables) -> None:
    """An instance that read the old generation just before `apply` doesn't write it to Redis."""
    shared = RedisRows(redis, "se-", refresh=5.0, keeps_rows=False)  # type: ignore[arg-type]

    def read() -> str:
        shared.announce("2")
        return "1"

    shared.generation(read)
    assert shared.generation(lambda: "never asked") == ("2", None)


def test_no_api_key_is_in_redis(redis: FakeRedis, tables: FakeTables) -> None:
    """Rows are stored under digests, so that Redis's keys hold no API keys."""
    greeting(instance(redis, tables))
    assert redis.values
    assert not [name for name in redis.values if "key" in name or "acme" in name]


def test_rows_stay_out_of_a_redis_that_functions_read(redis: FakeRedis, tables: FakeTables) -> None:
    """Without a user of the worker's own only the generation is shared."""
    assert greeting(instance(redis, tables, keeps_rows=False)) == "Hello"
    assert list(redis.values) == ["se-registry:generation"]


def test_without_redis_dynamodb_serves(redis: FakeRedis, tables: FakeTables) -> None:
    """Requests are served from DynamoDB then, and an announcement fails clearly."""
    redis.away = True
    registry = instance(redis, tables)
    assert greeting(registry) == "Hello"
    with pytest.raises(UnavailableError):
        registry.announce()


def test_an_undecodable_row_is_read_again(redis: FakeRedis, tables: FakeTables) -> None:
    """Garbage in Redis is ignored, and the row read from DynamoDB."""
    greeting(instance(redis, tables))
    redis.values = {
        name: value if name.endswith("generation") else b"\xc1" for name, value in redis.values.items()
    }
    assert greeting(instance(redis, tables)) == "Hello"


def test_rows_of_another_key_are_read_again(redis: FakeRedis, tables: FakeTables) -> None:
    """Whatever Redis hands back, a request is resolved by its own rows."""
    greeting(instance(redis, tables))
    rows = [name for name in redis.values if not name.endswith("generation")]
    moved = dict(zip(rows, [*rows[1:], rows[0]], strict=True))
    redis.values = {name: redis.values[moved.get(name, name)] for name in redis.values}
    assert len(rows) > 1
    assert greeting(instance(redis, tables)) == "Hello"
