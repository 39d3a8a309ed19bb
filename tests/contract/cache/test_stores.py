"""One suite for every place where clears are noted: the process, a folder, Redis, the table."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.contract.conftest import made_tables
from tests.fakes.cache import Clock

from silvaengine.aws.client import open_client
from silvaengine.aws.json_api import JsonApi
from silvaengine.aws.table_client import TableReader, TableWriter, open_dynamodb
from silvaengine.cache.clear_log import (
    ALL_TENANTS,
    MAX_PATTERNS,
    ClearLogStore,
    LocalClearLogs,
    ProcessLogTexts,
)
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.table_clear_log import TableClearLogs
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClients
from silvaengine.settings import RedisSettings
from silvaengine.tables import cache_generation_key
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine

from .conftest import MEBIBYTE, Server

if TYPE_CHECKING:
    from pathlib import Path

NAME = "shop.models.Order"
KEPT = ("an entry",)


class Place(NamedTuple):
    """A kind of store: how a process opens it, and how a test overwrites a tenant's log."""

    open: Callable[[], ClearLogStore]
    spoil: Callable[[str], object]
    writers: int = 4


@contextmanager
def process(_: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep the logs in the process."""
    texts = ProcessLogTexts()
    yield Place(
        lambda: LocalClearLogs(texts),
        lambda owner: texts.update_text(NAME, f"/{owner}", lambda _: b"something else"),
    )


@contextmanager
def disk(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Keep them in a folder."""
    folder: Path = request.getfixturevalue("tmp_path")
    yield Place(
        lambda: LocalClearLogs(DiskTier(folder, MEBIBYTE)),
        lambda owner: DiskTier(folder, MEBIBYTE).update_text(NAME, f"/{owner}", lambda _: b"something else"),
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
    with made_tables(url) as client:

        def spoil(owner: str) -> None:
            key = {name: {"S": value} for name, value in cache_generation_key(NAME, owner).items()}
            client.put_item(TableName="se-configdata", Item={**key, "epoch": {"N": "7"}})

        def open_api() -> JsonApi:
            return open_dynamodb(REGION, read_seconds=30.0)  # a busy machine's peer answers late

        yield Place(
            lambda: TableClearLogs(TableReader(open_api, "se-"), TableWriter(open_api, "se-"), 5.0), spoil
        )


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
    """The first read begins the logs; every later one, in any process, returns the same."""
    first = place.open().read(NAME, "acme")
    assert place.open().read(NAME, "acme") == first
    assert place.open().read(NAME, "globex").everyone == first.everyone
    assert first.sequence == 0


def test_a_clear_ends_what_was_loaded_before(place: Place) -> None:
    """A full clear ends every older entry of its tenant, and neither later ones nor another tenant's."""
    mine, other = place.open(), place.open()
    before, others = mine.read(NAME, "acme").stamp, mine.read(NAME, "globex").stamp
    other.clear(NAME, "acme", "*")
    after = mine.read(NAME, "acme")
    assert not after.is_valid(before, KEPT)
    assert after.is_valid(after.stamp, KEPT)
    assert mine.read(NAME, "globex").is_valid(others, KEPT)


def test_a_clear_of_all_tenants_reaches_each(place: Place) -> None:
    """It is one write, and every tenant's read returns it."""
    store = place.open()
    stamps = {tenant: store.read(NAME, tenant).stamp for tenant in ("acme", "globex")}
    place.open().clear(NAME, ALL_TENANTS, "*")
    assert not any(store.read(NAME, tenant).is_valid(stamp, KEPT) for tenant, stamp in stamps.items())


def test_a_pattern_ends_what_it_matches(place: Place) -> None:
    """A clear by pattern ends older entries that match, and no later ones."""
    store = place.open()
    before = store.read(NAME, "acme").stamp
    store.clear(NAME, "acme", "user:*")
    after = store.read(NAME, "acme")
    assert [after.is_valid(before, (text,)) for text in ("user:1", "order:1")] == [False, True]
    assert after.is_valid(after.stamp, ("user:1",))


def test_too_many_patterns_become_a_whole_clear(place: Place) -> None:
    """A log stays small: one pattern more than its limit ends everything older."""
    store = place.open()
    before = store.read(NAME, "acme").stamp
    for number in range(MAX_PATTERNS):
        store.clear(NAME, "acme", f"user:{number}")
    full = store.read(NAME, "acme")
    assert len(full.tenant.patterns) == MAX_PATTERNS
    assert full.is_valid(before, KEPT)
    store.clear(NAME, "acme", "one:more")
    cleared = store.read(NAME, "acme")
    assert cleared.tenant.patterns == ()
    assert not cleared.is_valid(before, KEPT)
    assert cleared.sequence == MAX_PATTERNS + 1


def test_clears_at_once_lose_nothing(place: Place) -> None:
    """Clears by several writers at the same time are all recorded."""
    stores = [place.open() for _ in range(place.writers)]
    stores[0].read(NAME, "acme")

    def clear(number: int) -> None:
        stores[number % len(stores)].clear(NAME, "acme", f"user:{number}")

    with ThreadPoolExecutor(place.writers) as pool:
        list(pool.map(clear, range(32)))
    found = stores[0].read(NAME, "acme")
    assert sorted(found.tenant.patterns) == sorted(f"user:{number}" for number in range(32))


def test_a_clear_may_come_first(place: Place) -> None:
    """A tenant who never used the cache can clear it."""
    place.open().clear(NAME, "acme", "user:*")
    assert place.open().read(NAME, "acme").tenant.sequence >= 1


def test_new_epochs_end_everything(place: Place) -> None:
    """After `renew` no older entry is valid, whatever its sequence."""
    store = place.open()
    store.clear(NAME, "acme", "*")
    before = store.read(NAME, "acme")
    store.renew(NAME, "acme")
    after = place.open().read(NAME, "acme")
    assert not after.is_valid(before.stamp, KEPT)
    assert after.everyone.epoch != before.everyone.epoch


def test_a_record_that_is_none_is_begun_anew(place: Place) -> None:
    """A log that is something else ends older entries, and the store goes on."""
    store = place.open()
    before = store.read(NAME, "acme").stamp
    place.spoil("acme")
    found = store.read(NAME, "acme")
    assert not found.is_valid(before, KEPT)
    assert place.open().read(NAME, "acme") == found
    store.clear(NAME, "acme", "user:*")
    assert store.read(NAME, "acme").sequence == found.sequence + 1


def test_a_cache_is_known_once_it_was_used(place: Place) -> None:
    """A cache exists, for every process, once it was used."""
    assert not place.open().exists(NAME)
    place.open().read(NAME, "acme")
    assert place.open().exists(NAME)


def test_a_table_out_of_reach_is_passed_over(
    moto: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every method raises TierError, and of many calls one waits for the table."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}.items():
        monkeypatch.setenv(name, value)
    for clients in (open_client, open_dynamodb):
        clients.cache_clear()  # they are another account's
    clock = Clock()
    reader = TableReader(lambda: open_dynamodb(REGION), "absent-")
    store = TableClearLogs(reader, TableWriter(lambda: open_dynamodb(REGION), "absent-"), 5.0, clock)
    with pytest.raises(TierError):
        store.read(NAME, "acme")
    questions: list[Callable[[], object]] = [
        lambda: store.read(NAME, "acme"),
        lambda: store.clear(NAME, "acme", "*"),
        lambda: store.renew(NAME, "acme"),
        lambda: store.exists(NAME),
    ]
    for ask in questions:
        with pytest.raises(TierError, match="bypassed"):
            ask()
    for ask in questions:
        clock.now += 60
        with pytest.raises(TierError, match=r"^(?!.*bypassed)"):
            ask()
    assert caplog.text.count("clear logs can't be read") == 1


def test_a_record_that_two_processes_begin_is_one(place: Place) -> None:
    """The second of two processes uses the log that the first one created."""
    stores = [place.open() for _ in range(place.writers)]
    with ThreadPoolExecutor(len(stores)) as pool:
        found = list(pool.map(lambda store: store.read(NAME, "acme"), stores))
    assert len({generation.stamp for generation in found}) == 1
