"""API keys whose rows hold no secret, and what ends a key."""

from typing import Any

import pytest

from silvaengine.access.api_keys import ApiKeyVerifier, KeyUsage, key_digest
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader
from silvaengine.errors import NotFoundError, SilvaEngineError, UnavailableError
from silvaengine.registry.model import KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS

from ...fakes.dynamodb import MemoryDynamoDB

PEPPER = b"pepper"
KEY_ID = "sek_0123456789abcdef"
NOT_OPENED = "does not exist, or this API key has no access to it"


class Client:
    """DynamoDB, which a test can make unreachable."""

    def __init__(self, client: Any) -> None:
        self._api = BotocoreApi(client)
        self.lost: set[str] = set()

    def call(self, operation: str, request: Any, resource: str, *, repeatable: bool = False) -> Any:
        if operation in self.lost:
            raise UnavailableError("away")
        return self._api.call(operation, request, resource)


class World:
    """A registry with its clock, and the uses that it recorded."""

    def __init__(self) -> None:
        self.dynamodb = MemoryDynamoDB()
        self.client = Client(self.dynamodb)
        self.now = 1_000_000.0
        self.uses: list[tuple[str, str]] = []
        self.registry = Registry(
            TableReader(lambda: self.client, "se-"),
            {},
            stage="beta",
            refresh=5.0,
            api_keys=ApiKeyVerifier(lambda: PEPPER, self.clock),
            key_usage=KeyUsage(lambda owner, key_id: self.uses.append((owner, key_id)), 1_000, self.clock),
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    def put_key(self, endpoint_id: str = "acme", *, secrets: Any = ("secret",), **row: Any) -> None:
        """Write a key's row; a secret may be a pair of it and its end."""
        hashes = []
        for secret in secrets:
            text, end = secret if isinstance(secret, tuple) else (secret, None)
            hashes.append({"hash": key_digest(PEPPER, KEY_ID, text), "expires_at": end})
        self.dynamodb.put(CONNECTIONS, endpoint_id=endpoint_id, api_key=KEY_ID, key_hashes=hashes, **row)

    def announce(self, generation: int) -> None:
        self.dynamodb.put(CONFIG_DATA, setting_id="silvaengine", variable="generation", value=generation)

    def open(self, endpoint_id: str = "acme", key: str = f"{KEY_ID}.secret") -> KeyAccess:
        """Resolve a key as a request does."""
        self.registry.refresh()
        return self.registry.key_access(endpoint_id, key, "core")

    def status(self, endpoint_id: str = "acme", key: str = f"{KEY_ID}.secret") -> int:
        """Return 200 or the refusal's status."""
        try:
            self.open(endpoint_id, key)
        except SilvaEngineError as error:
            return error.status
        return 200


@pytest.fixture
def world() -> World:
    """Two endpoints with connections of their own, and two that use the common ones."""
    world = World()
    for endpoint_id in ("acme", "globex"):
        world.dynamodb.put(ENDPOINTS, endpoint_id=endpoint_id, special_connection=True)
    for endpoint_id in ("shop", "farm"):
        world.dynamodb.put(ENDPOINTS, endpoint_id=endpoint_id)
    return world


def test_a_secret_opens_its_key(world: World) -> None:
    """The result names the key by its id and holds no secret."""
    world.put_key(grants=["invoke"])
    connection = world.open()
    assert (connection.api_key, connection.key_id) == (KEY_ID, KEY_ID)
    assert "secret" not in repr(connection).replace("secretsmanager", "")


@pytest.mark.parametrize(
    "key",
    [
        KEY_ID,
        f"{KEY_ID}.",
        f"{KEY_ID}.Secret",
        f"{KEY_ID}.secret.",
        f"{KEY_ID}.secret ",
        "sek_.secret",
        "sek_ffffffffffffffff.secret",
        "secret",
        f".{KEY_ID}.secret",
        key_digest(PEPPER, KEY_ID, "secret"),
        f"{KEY_ID}.{key_digest(PEPPER, KEY_ID, 'secret')}",
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_nothing_but_its_secret_opens_a_key(key: str, is_known: bool, world: World) -> None:
    """Not the id and not the digest that the row holds, whether or not the connection is remembered."""
    world.put_key()
    if is_known:
        assert world.status() == 200
    assert world.status(key=key) == 404


def test_a_copied_row_opens_nothing(world: World) -> None:
    """Without its digests a key's row is no row whose key is the id, and another's digests don't fit."""
    world.dynamodb.put(CONNECTIONS, endpoint_id="acme", api_key=KEY_ID, functions=[])
    assert world.status(key=KEY_ID) == world.status() == 404
    other = [{"hash": key_digest(PEPPER, "sek_other", "secret")}]
    world.dynamodb.put(CONNECTIONS, endpoint_id="globex", api_key=KEY_ID, key_hashes=other)
    assert world.status("globex") == 404


def test_both_secrets_open_a_key_while_one_is_replaced(world: World) -> None:
    """The old one ends by itself, without a read."""
    world.put_key(secrets=[("old", 1_000_060), "secret"])
    assert [world.status(key=f"{KEY_ID}.{secret}") for secret in ("old", "secret")] == [200, 200]
    world.now += 60
    assert [world.status(key=f"{KEY_ID}.{secret}") for secret in ("old", "secret")] == [404, 200]


def test_a_key_opens_only_its_endpoints(world: World) -> None:
    """A common key may list them; an endpoint's own key opens no other endpoint."""
    world.put_key("1", endpoints=["shop"])
    assert [world.status(endpoint) for endpoint in ("shop", "farm", "acme", "nobody")] == [200, 404, 404, 404]
    world.dynamodb.put(CONNECTIONS, endpoint_id="1", api_key="raw", endpoints=["farm"])
    assert [world.status(endpoint, "raw") for endpoint in ("shop", "farm")] == [404, 200]


@pytest.mark.parametrize(("endpoints", "status"), [(None, 200), ([], 404)])
def test_an_empty_list_of_endpoints_opens_none(endpoints: Any, status: int, world: World) -> None:
    """Only a common key without a list opens all."""
    world.put_key("1", endpoints=endpoints)
    assert world.status("shop") == status


def test_a_refusal_reveals_no_other_tenant(world: World) -> None:
    """A missing endpoint and one that the key doesn't open get the same answer."""
    world.put_key()
    words = []
    for endpoint_id in ("globex", "farm", "nobody"):
        for key in (f"{KEY_ID}.secret", "raw"):
            with pytest.raises(NotFoundError) as caught:
                world.open(endpoint_id, key)
            words.append(caught.value.message.replace(endpoint_id, "X"))
    assert set(words) == {f"Endpoint 'X' {NOT_OPENED}"}


@pytest.mark.parametrize("is_hashed", [True, False])
def test_a_revoked_key_is_dead_in_five_seconds(is_hashed: bool, world: World) -> None:
    """The registry's generation tells every instance of a revoked key."""
    key = f"{KEY_ID}.secret" if is_hashed else "raw"
    put_either(world, is_hashed)
    assert world.status(key=key) == 200
    world.dynamodb.delete_item(TableName="se-connections", Key=row_key(is_hashed))
    world.announce(1)
    world.now += 5
    assert world.status(key=key) == 404


@pytest.mark.parametrize("is_hashed", [True, False])
def test_a_revoked_key_is_dead_in_a_minute_when_nobody_can_tell(is_hashed: bool, world: World) -> None:
    """While the generation can't be read, a key's row is, from a minute on; a key without a row is dead."""
    key = f"{KEY_ID}.secret" if is_hashed else "raw"
    put_either(world, is_hashed)
    world.dynamodb.put(CONNECTIONS, endpoint_id="shop", api_key="unused", functions=[])
    world.dynamodb.put(CONNECTIONS, endpoint_id="1", api_key=DEFAULT_API_KEY, functions=[])
    assert world.status(key=key) == world.status("shop", DEFAULT_API_KEY) == 200
    world.client.lost = {"GetItem"}
    world.dynamodb.delete_item(TableName="se-connections", Key=row_key(is_hashed))
    world.now += 59
    assert world.status(key=key) == 200
    world.now += 1
    assert world.status(key=key) == 404
    world.client.lost = {"GetItem", "BatchGetItem"}
    assert world.status(key=key) == 503
    assert world.status("shop", DEFAULT_API_KEY) == 200  # it is open to everyone: nothing was revoked


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_socket_ends_with_its_key(is_revoked: bool, world: World) -> None:
    """A message needs no secret, but a key that is still valid."""
    world.put_key(secrets=[("secret", 1_000_060)])
    row = world.open().api_key
    assert world.registry.key_access_by_row("acme", row, "core").key_id == KEY_ID
    if is_revoked:
        world.put_key(secrets=[])
        world.announce(1)
    world.now += 5 if is_revoked else 60
    world.registry.refresh()
    with pytest.raises(NotFoundError):
        world.registry.key_access_by_row("acme", row, "core")


def test_a_use_is_recorded_once_an_hour(world: World) -> None:
    """By each instance for each hashed key; a refused key is not recorded."""
    world.put_key()
    put_either(world, is_hashed=False)
    for _ in range(3):
        world.open()
        world.status(key=f"{KEY_ID}.wrong")
        world.open(key="raw")
        world.now += 1000
    assert world.uses == [("acme", KEY_ID)]
    world.now += 1000
    world.open()
    assert len(world.uses) == 2


def put_either(world: World, is_hashed: bool) -> None:
    """Write a key of one kind."""
    if is_hashed:
        world.put_key()
    else:
        world.dynamodb.put(CONNECTIONS, endpoint_id="acme", api_key="raw", functions=[])


def row_key(is_hashed: bool) -> Any:
    """Return the key of that row."""
    return {"endpoint_id": {"S": "acme"}, "api_key": {"S": KEY_ID if is_hashed else "raw"}}
