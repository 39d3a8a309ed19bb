"""One suite for every place where clears are noted: the process, a folder, Redis, the table."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.session import Session
from tests.contract.conftest import definition
from tests.fakes.cache import Clock

from silvaengine.aws.client import open_client
from silvaengine.aws.table_client import TableReader, TableWriter, open_dynamodb
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.generations import (
    ALL_TENANTS,
    MARKER_LIMIT,
    GenerationStore,
    LocalGenerations,
    ProcessRecords,
)
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.table_generations import TableGenerations, open_table_generations
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClients
from silvaengine.settings import RedisSettings
from silvaengine.tables import CONFIG_DATA, cache_generation_key
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine

from .conftest import MEBIBYTE, Server

if TYPE_CHECKING:
    from pathlib import Path

NAME = "orders"
KEPT = ("an entry",)


class Place(NamedTuple):
    """A place: how a process opens it, and how somebody puts something else where a tenant's record was."""

    open: Callable[[], GenerationStore]
    spoil: Callable[[str], object]
    writers: int = 4


@contextmanager
def process(_: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep the records in the process."""
    records = ProcessRecords()
    yield Place(
        lambda: LocalGenerations(records),
        lambda owner: records.change(NAME, f"/{owner}", lambda _: b"something else"),
    )


@contextmanager
def disk(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep them in a folder."""
    folder: Path = request.getfixturevalue("tmp_path")
    yield Place(
        lambda: LocalGenerations(DiskTier(folder, MEBIBYTE)),
        lambda owner: DiskTier(folder, MEBIBYTE).change(NAME, f"/{owner}", lambda _: b"something else"),
    )


@contextmanager
def redis(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep them in Redis."""
    server: Server = request.getfixturevalue("shared_server")
    server.client().flushall()

    def spoil(owner: str) -> None:
        key = f"se-cache:{{{NAME}}}/{owner}"
        server.client().delete(key)
        server.client().lpush(key, "a list")

    settings = RedisSettings("127.0.0.1", server.port)
    yield Place(lambda: RedisTier(RedisClients(settings), "se-"), spoil)


@contextmanager
def table(request: pytest.FixtureRequest, url: str) -> Iterator[Place]:
    """Keep them in a table of that account."""
    environment: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        environment.setenv(name, value)
    for clients in (open_client, open_dynamodb):
        clients.cache_clear()  # they are another account's
    client: Any = Session().create_client("dynamodb", REGION, endpoint_url=url)
    client.create_table(**definition(CONFIG_DATA))

    def spoil(owner: str) -> None:
        key = {name: {"S": value} for name, value in cache_generation_key(NAME, owner).items()}
        client.put_item(TableName="se-configdata", Item={**key, "epoch": {"N": "7"}})

    yield Place(lambda: open_table_generations(REGION, "se-", 5.0), spoil)
    client.delete_table(TableName="se-configdata")


@contextmanager
def table_of_moto(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep them in moto's table."""
    with table(request, request.getfixturevalue("moto")) as place:
        yield place._replace(writers=1)  # moto itself loses writes of several threads


@contextmanager
def table_of_the_engine(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep them in the local engine's table."""
    engine: LocalEngine = request.getfixturevalue("engine")
    with table(request, engine.url) as place:
        yield place


@pytest.fixture(
    params=[process, disk, redis, table_of_moto, table_of_the_engine], ids=lambda place: place.__name__
)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each place."""
    with request.param(request) as found:
        yield found


def test_what_two_processes_read_is_one(place: Place) -> None:
    """The first read begins the records; every later one, in any process, gives the same."""
    first = place.open().read(NAME, "acme")
    assert place.open().read(NAME, "acme") == first
    assert place.open().read(NAME, "globex").whole == first.whole
    assert first.sequence == 0


def test_a_clear_ends_what_was_loaded_before(place: Place) -> None:
    """A whole clear ends every older entry of its tenant and none of another's, nor a younger one."""
    mine, other = place.open(), place.open()
    before, others = mine.read(NAME, "acme").stamp, mine.read(NAME, "globex").stamp
    other.clear(NAME, "acme", "*")
    after = mine.read(NAME, "acme")
    assert not after.holds(before, KEPT)
    assert after.holds(after.stamp, KEPT)
    assert mine.read(NAME, "globex").holds(others, KEPT)


def test_a_clear_of_all_tenants_reaches_each(place: Place) -> None:
    """It is noted once, and every tenant's read tells of it."""
    store = place.open()
    stamps = {tenant: store.read(NAME, tenant).stamp for tenant in ("acme", "globex")}
    place.open().clear(NAME, ALL_TENANTS, "*")
    assert not any(store.read(NAME, tenant).holds(stamp, KEPT) for tenant, stamp in stamps.items())


def test_a_pattern_ends_what_it_matches(place: Place) -> None:
    """Of older entries those that match, of younger ones none."""
    store = place.open()
    before = store.read(NAME, "acme").stamp
    store.clear(NAME, "acme", "user:*")
    after = store.read(NAME, "acme")
    assert [after.holds(before, (text,)) for text in ("user:1", "order:1")] == [False, True]
    assert after.holds(after.stamp, ("user:1",))


def test_too_many_patterns_become_a_whole_clear(place: Place) -> None:
    """A record stays small: one pattern more than it holds ends everything older."""
    store = place.open()
    before = store.read(NAME, "acme").stamp
    for number in range(MARKER_LIMIT):
        store.clear(NAME, "acme", f"user:{number}")
    full = store.read(NAME, "acme")
    assert len(full.own.markers) == MARKER_LIMIT
    assert full.holds(before, KEPT)
    store.clear(NAME, "acme", "one:more")
    cleared = store.read(NAME, "acme")
    assert cleared.own.markers == ()
    assert not cleared.holds(before, KEPT)
    assert cleared.sequence == MARKER_LIMIT + 1


def test_clears_at_once_lose_nothing(place: Place) -> None:
    """Of clears that several make at the same time each one is noted."""
    stores = [place.open() for _ in range(place.writers)]
    stores[0].read(NAME, "acme")

    def clear(number: int) -> None:
        stores[number % len(stores)].clear(NAME, "acme", f"user:{number}")

    with ThreadPoolExecutor(place.writers) as pool:
        list(pool.map(clear, range(32)))
    found = stores[0].read(NAME, "acme")
    assert sorted(found.own.markers) == sorted(f"user:{number}" for number in range(32))


def test_a_clear_may_come_first(place: Place) -> None:
    """A tenant who never used the cache can clear it."""
    place.open().clear(NAME, "acme", "user:*")
    assert place.open().read(NAME, "acme").own.sequence >= 1


def test_new_epochs_end_everything(place: Place) -> None:
    """After `renew` nothing that was kept before lives, whatever sequence it had."""
    store = place.open()
    store.clear(NAME, "acme", "*")
    before = store.read(NAME, "acme")
    store.renew(NAME, "acme")
    after = place.open().read(NAME, "acme")
    assert not after.holds(before.stamp, KEPT)
    assert after.whole.epoch != before.whole.epoch


def test_a_record_that_is_none_is_begun_anew(place: Place) -> None:
    """Something else in its place ends what was kept, and the store goes on."""
    store = place.open()
    before = store.read(NAME, "acme").stamp
    place.spoil("acme")
    found = store.read(NAME, "acme")
    assert not found.holds(before, KEPT)
    assert place.open().read(NAME, "acme") == found
    store.clear(NAME, "acme", "user:*")
    assert store.read(NAME, "acme").sequence == found.sequence + 1


def test_a_cache_is_known_once_it_was_used(place: Place) -> None:
    """A name that nobody used is unknown, to every process."""
    assert not place.open().knows(NAME)
    place.open().read(NAME, "acme")
    assert place.open().knows(NAME)


def test_a_table_out_of_reach_is_passed_over(
    moto: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every question is answered by one kind of error, and of many calls one waits for the table."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}.items():
        monkeypatch.setenv(name, value)
    for clients in (open_client, open_dynamodb):
        clients.cache_clear()  # they are another account's
    clock = Clock()
    reader = TableReader(lambda: open_dynamodb(REGION), "absent-")
    store = TableGenerations(reader, TableWriter(lambda: open_dynamodb(REGION), "absent-"), 5.0, clock)
    with pytest.raises(TierError):
        store.read(NAME, "acme")
    questions: list[Callable[[], object]] = [
        lambda: store.read(NAME, "acme"),
        lambda: store.clear(NAME, "acme", "*"),
        lambda: store.renew(NAME, "acme"),
        lambda: store.knows(NAME),
    ]
    for ask in questions:
        with pytest.raises(TierError, match="passed over"):
            ask()
    for ask in questions:
        clock.now += 60
        with pytest.raises(TierError, match=r"^(?!.*passed over)"):
            ask()
    assert caplog.text.count("generations can't be read") == 1


def test_a_record_that_two_processes_begin_is_one(place: Place) -> None:
    """Whoever comes second takes over what the first one made."""
    stores = [place.open() for _ in range(place.writers)]
    with ThreadPoolExecutor(len(stores)) as pool:
        found = list(pool.map(lambda store: store.read(NAME, "acme"), stores))
    assert len({generation.stamp for generation in found}) == 1
