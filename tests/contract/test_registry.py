"""The look-up of docs/contract.md, on tables in the form in which existing deployments hold them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from silvaengine.access.api_keys import ApiKeyVerifier
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader
from silvaengine.errors import ConfigurationError, NotFoundError, RequestError, SilvaEngineError
from silvaengine.registry.registry import Registry
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS, HOOKS, Table

ARN = "arn:aws:lambda:us-east-1:000000000000:function:worker"
SECRETS = {"ssm": lambda name: f"secret of {name}"}

type Put = Callable[..., None]

pytestmark = pytest.mark.usefixtures("rows")


class StaleReader:
    """A client whose reads return the state of its creation, unless they are consistent.

    An engine of one machine never shows how stale an eventual read may be; this double always does.
    """

    def __init__(self, client: Any) -> None:
        self._api = BotocoreApi(client)
        self.calls: list[str] = []

    def call(self, operation: str, request: Any, resource: str, *, repeatable: bool = False) -> Any:
        self.calls.append(operation)
        if operation == "BatchGetItem":
            reads = request["RequestItems"].items()
            request = {"RequestItems": {name: keys for name, keys in reads if keys.get("ConsistentRead")}}
        elif not request.get("ConsistentRead"):
            return {"Items": []}
        return self._api.call(operation, request, resource)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def put(dynamodb: Any) -> Put:
    """Write a row, as plain values."""
    serialize = TypeSerializer().serialize

    def write(table: Table, **row: Any) -> None:
        item = {name: serialize(value) for name, value in row.items()}
        dynamodb.put_item(TableName=f"se-{table.name}", Item=item)

    return write


@pytest.fixture
def rows(put: Put) -> Put:
    """Write common key rows, an endpoint with its own and a few functions."""
    put(ENDPOINTS, endpoint_id="acme", special_connection=False, code=Decimal(7))
    put(ENDPOINTS, endpoint_id="globex", special_connection=True)
    put(ENDPOINTS, endpoint_id="bare")
    put(CONNECTIONS, endpoint_id="1", api_key=DEFAULT_API_KEY, functions=[entry("hello"), entry("ghost")])
    put(
        CONNECTIONS,
        endpoint_id="1",
        api_key="key-1",
        functions=[
            entry("hello", "override"),
            entry("lost", "nowhere"),
            entry("broken"),
            entry("hurried"),
            entry("plain", None),
            entry("old"),
        ],
        whitelist=["10.0.0.0/8"],
        grants=["cache:admin"],
    )
    put(CONNECTIONS, endpoint_id="globex", api_key="key-g", functions=[entry("hello", "")], whitelist=None)
    put(CONFIG_DATA, setting_id="shop", variable="color", value="red")
    put(CONFIG_DATA, setting_id="shop", variable="size", value=Decimal("1.5"))
    put(
        CONFIG_DATA,
        setting_id="shop",
        variable="limits",
        value={"max": Decimal(3), "tags": ["a", None, True]},
    )
    put(CONFIG_DATA, setting_id="shop", variable="password", value="ssm:/silvaengine/beta/password")
    put(CONFIG_DATA, setting_id="override", variable="color", value="blue")
    put(CONFIG_DATA, setting_id="beta_core_acme", variable="api_unified_call_index", value="x-function")
    config = {
        "module_name": "shop",
        "class_name": "Shop",
        "setting": "shop",
        "methods": ["POST"],
        "graphql": True,
    }
    put(FUNCTIONS, aws_lambda_arn=ARN, function="hello", area="core", config=config)
    put(FUNCTIONS, aws_lambda_arn=ARN, function="lost", area="core", config={**config, "setting": "shop"})
    put(FUNCTIONS, aws_lambda_arn=ARN, function="broken", area="core", config={"class_name": "X"})
    hurried = {"module_name": "shop", "max_attempts": 99}
    put(FUNCTIONS, aws_lambda_arn=ARN, function="hurried", area="core", config=hurried)
    old = {"module_name": "shop", "funct_type": "event", "methods": ["get"]}
    put(FUNCTIONS, aws_lambda_arn=ARN, function="old", area="core", config=old)
    put(FUNCTIONS, aws_lambda_arn=ARN, function="plain", area="core", config={"module_name": "shop"})
    return put


def entry(function: str, setting: str | None = "") -> dict[str, Any]:
    """Return a key row's entry of a function."""
    return {"aws_lambda_arn": ARN, "function": function, "setting": setting}


def registry(dynamodb: Any, clock: Clock | None = None, **options: Any) -> tuple[Registry, StaleReader]:
    """Return a registry and the client that it reads with."""
    reader = StaleReader(dynamodb)
    tables = TableReader(lambda: reader, "se-")
    return Registry(tables, SECRETS, stage="beta", clock=clock or Clock(), **options), reader


@pytest.mark.parametrize(
    ("endpoint_id", "api_key", "owner", "color"),
    [
        ("acme", DEFAULT_API_KEY, "1", "red"),
        ("acme", "key-1", "1", "blue"),
        ("bare", DEFAULT_API_KEY, "1", "red"),
        ("globex", "key-g", "globex", "red"),
        ("0", DEFAULT_API_KEY, "1", "red"),
    ],
)
def test_a_function_is_found(dynamodb: Any, endpoint_id: str, api_key: str, owner: str, color: str) -> None:
    """A special endpoint has its own key rows, others the common ones; the key row's setting overrides."""
    subject, _ = registry(dynamodb)
    connection = subject.key_access(endpoint_id, api_key, "core")
    function = subject.function(connection, "hello")
    assert (connection.endpoint_id, connection.key_row_endpoint) == (endpoint_id, owner)
    assert function.settings["color"] == color
    assert (function.aws_lambda_arn, function.area, function.methods) == (ARN, "core", ("POST",))
    assert (function.callee.module_name, function.callee.class_name) == ("shop", "Shop")
    assert (function.funct_type, function.auth_required, function.graphql) == ("RequestResponse", False, True)


def test_settings_are_plain_json(dynamodb: Any) -> None:
    """Maps become dicts, whole numbers int, fractions float, references secrets."""
    function = registry(dynamodb)[0].resolve("acme", DEFAULT_API_KEY, "core", "hello")
    assert dict(function.settings) == {
        "color": "red",
        "size": 1.5,
        "limits": {"max": 3, "tags": ["a", None, True]},
        "password": "secret of /silvaengine/beta/password",
    }
    assert isinstance(function.settings["limits"]["max"], int)


def test_defaults_of_a_sparse_row(dynamodb: Any) -> None:
    """A plain function without settings: POST and GET, synchronous, without a class."""
    function = registry(dynamodb)[0].resolve("acme", "key-1", "core", "plain")
    assert (function.methods, function.callee.class_name, function.callee.setting) == (
        ("POST", "GET"),
        "",
        "{}",
    )
    assert function.configuration == {
        "aws_lambda_arn": ARN,
        "function": "plain",
        "area": "core",
        "config": {
            "module_name": "shop",
            "class_name": "",
            "funct_type": "RequestResponse",
            "methods": ("POST", "GET"),
            "auth_required": False,
            "graphql": False,
        },
    }


def test_the_case_of_types_and_methods_is_ignored(dynamodb: Any) -> None:
    """Existing rows have ``event`` and ``get``."""
    function = registry(dynamodb)[0].resolve("acme", "key-1", "core", "old")
    assert (function.funct_type, function.methods) == ("Event", ("GET",))


def test_a_key_has_scopes_and_an_allowlist(dynamodb: Any) -> None:
    """They are empty if the row has none or null."""
    subject, _ = registry(dynamodb)
    connection = subject.key_access("acme", "key-1", "core")
    assert connection.scopes == {"cache:admin"}
    assert connection.allowlist == ("10.0.0.0/8",)
    assert subject.key_access("globex", "key-g", "core").allowlist == ()


def test_the_gateway_settings_are_those_of_stage_area_and_endpoint(dynamodb: Any) -> None:
    """They are empty if the id has no rows."""
    subject, _ = registry(dynamodb)
    assert subject.key_access("acme", DEFAULT_API_KEY, "core").settings == {
        "api_unified_call_index": "x-function"
    }
    assert subject.key_access("acme", DEFAULT_API_KEY, "admin").settings == {}
    assert subject.key_access("acme", DEFAULT_API_KEY, "core", stage="prod").settings == {}


@pytest.mark.parametrize(
    ("endpoint_id", "api_key", "name", "error", "status"),
    [
        ("nobody", DEFAULT_API_KEY, "hello", NotFoundError, 404),
        ("acme", "wrong", "hello", NotFoundError, 404),
        ("globex", DEFAULT_API_KEY, "hello", RequestError, 403),
        ("globex", "key-1", "hello", NotFoundError, 404),
        ("0", "wrong", "hello", NotFoundError, 404),
        ("acme", DEFAULT_API_KEY, "unknown", NotFoundError, 404),
        ("acme", DEFAULT_API_KEY, "ghost", NotFoundError, 404),
        ("acme", "key-1", "lost", ConfigurationError, 500),
        ("acme", "key-1", "broken", ConfigurationError, 500),
        ("acme", "key-1", "hurried", ConfigurationError, 500),
        ("x" * 2000, DEFAULT_API_KEY, "hello", NotFoundError, 404),
        ("", DEFAULT_API_KEY, "hello", NotFoundError, 404),
        ("acme", "k" * 2000, "hello", NotFoundError, 404),
        ("a\ud800", DEFAULT_API_KEY, "hello", NotFoundError, 404),
    ],
)
def test_a_failed_look_up_has_a_clear_error(
    dynamodb: Any,
    endpoint_id: str,
    api_key: str,
    name: str,
    error: type[SilvaEngineError],
    status: int,
) -> None:
    """It never falls back to the common key rows, and a client's mistake is never a 500."""
    with pytest.raises(error) as caught:
        registry(dynamodb)[0].resolve(endpoint_id, api_key, "core", name)
    assert caught.value.status == status
    assert ARN not in caught.value.message


def test_all_pages_of_settings_are_read(rows: Put, dynamodb: Any) -> None:
    """Five values of 300 KB are more than one page of 1 MB."""
    for number in range(5):
        rows(CONFIG_DATA, setting_id="override", variable=f"page{number}", value="x" * 300_000)
    function = registry(dynamodb)[0].resolve("acme", "key-1", "core", "hello")
    assert {f"page{number}" for number in range(5)} <= function.settings.keys()


def test_a_cold_look_up_takes_five_calls_and_a_warm_one_none(dynamodb: Any) -> None:
    """A batch, the gateway's settings, the function, its settings and the key row's."""
    subject, reader = registry(dynamodb)
    subject.refresh()
    subject.resolve("acme", "key-1", "core", "hello")
    assert sorted(reader.calls) == ["BatchGetItem", "GetItem", "Query", "Query", "Query"]
    subject.refresh()
    subject.resolve("acme", "key-1", "core", "hello")
    assert len(reader.calls) == 5


@pytest.mark.parametrize(
    ("endpoint_id", "api_key"),
    [("nobody", DEFAULT_API_KEY), ("acme", "wrong"), ("globex", DEFAULT_API_KEY), ("acme", "sek_wrong.x")],
)
def test_a_stranger_costs_one_read_in_five_seconds(
    rows: Put, dynamodb: Any, endpoint_id: str, api_key: str
) -> None:
    """Whatever area is invented; a new row is seen with the next generation, or after that time."""
    clock = Clock()
    subject, reader = registry(dynamodb, clock, api_keys=ApiKeyVerifier(lambda: b"pepper"))

    def refused() -> tuple[int, str]:
        subject.refresh()
        with pytest.raises(RequestError) as caught:
            subject.key_access(endpoint_id, api_key, f"area{len(reader.calls)}")
        return caught.value.status, caught.value.message

    first = refused()
    assert [refused() for _ in range(20)] == [first] * 20
    assert reader.calls == ["BatchGetItem"]
    clock.now += 4.9
    rows(CONFIG_DATA, setting_id="silvaengine", variable="generation", value=Decimal(7))
    refused()
    assert reader.calls == ["BatchGetItem"]
    clock.now += 0.1
    assert refused() == first
    assert reader.calls == ["BatchGetItem", "GetItem", "BatchGetItem"]
    reader.calls.clear()
    clock.now += 5
    assert refused() == first
    assert reader.calls == ["GetItem", "BatchGetItem"]


def test_a_keys_areas_are_those_of_its_functions(rows: Put, dynamodb: Any) -> None:
    """However many there are; an entry of a missing function has none. They are read once."""
    for number in range(205):
        area = "admin" if number == 204 else "core"
        rows(FUNCTIONS, aws_lambda_arn=ARN, function=f"f{number}", area=area, config={"module_name": "m"})
    many = [entry(f"f{number}") for number in range(205)]
    rows(CONNECTIONS, endpoint_id="globex", api_key="key-many", functions=many)
    subject, reader = registry(dynamodb)
    asked = [("globex", "key-many"), ("globex", "key-g"), ("acme", DEFAULT_API_KEY)]
    connections = [subject.key_access(endpoint_id, key, "core") for endpoint_id, key in asked]
    reader.calls.clear()
    found = [subject.areas(connection) for connection in connections * 2]
    assert found == [{"core", "admin"}, {"core"}, {"core"}] * 2
    assert reader.calls == ["BatchGetItem"] * 5


def publish(rows: Put, color: str, generation: int) -> None:
    """Change a setting as ``silvaengine apply`` does: the row first, the generation last."""
    rows(CONFIG_DATA, setting_id="shop", variable="color", value=color)
    rows(CONFIG_DATA, setting_id="silvaengine", variable="generation", value=Decimal(generation))


def test_a_change_is_seen_after_the_refresh_interval(rows: Put, dynamodb: Any) -> None:
    """Within it cached values are served; after it one read of the generation shows the change."""
    clock = Clock()
    subject, reader = registry(dynamodb, clock, refresh=5.0)

    def color() -> object:
        subject.refresh()
        return subject.resolve("acme", DEFAULT_API_KEY, "core", "hello").settings["color"]

    assert color() == "red"
    publish(rows, "green", 1)
    clock.now += 4.9
    assert color() == "red"
    clock.now += 0.1
    assert color() == "green"
    publish(rows, "black", 2)
    clock.now += 5
    assert color() == "black"
    reader.calls.clear()
    clock.now += 5
    assert color() == "black"
    assert reader.calls == ["GetItem"]


def test_a_cached_value_ends_without_a_new_generation(rows: Put, dynamodb: Any) -> None:
    """A row written without ``apply`` is seen after the ttl, a setting after three times that."""
    clock = Clock()
    subject, _ = registry(dynamodb, clock, refresh=86_400, ttl=600.0)

    def found() -> tuple[str, object]:
        function = subject.resolve("acme", DEFAULT_API_KEY, "core", "hello")
        return function.callee.module_name, function.settings["color"]

    assert found() == ("shop", "red")
    rows(CONFIG_DATA, setting_id="shop", variable="color", value="green")
    rows(
        FUNCTIONS,
        aws_lambda_arn=ARN,
        function="hello",
        area="core",
        config={"module_name": "new", "setting": "shop"},
    )
    clock.now += 600
    assert found() == ("new", "red")
    clock.now += 1200
    assert found() == ("new", "green")


def test_an_endpoints_hooks_are_read_once(dynamodb: Any, put: Put) -> None:
    """All rows of the endpoint and none of another's; a warm look-up reads nothing."""
    for name in ("a", "b"):
        put(HOOKS, api_id="acme", module_name=name, function_name="heard", status=True)
    put(HOOKS, api_id="globex", module_name="c", function_name="heard", status=True)
    found, reader = registry(dynamodb)
    assert [row["module_name"] for row in found.hooks("acme")] == ["a", "b"]
    assert len(found.hooks("acme")) == 2
    assert found.hooks("nobody") == []
    assert found.hooks("nobody") == []
    assert reader.calls == ["Query", "Query"]
