"""The disk tier on a real folder: what survives, what is refused, and what a damaged one costs."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from silvaengine.cache.clear_log import LocalClearLogs
from silvaengine.cache.disk import MAX_VALUE, DiskTier, disk_clock
from silvaengine.cache.disk_folder import TIMEOUT_SECONDS
from silvaengine.cache.hybrid import HybridCache
from silvaengine.context import read_from
from silvaengine.redis.breaker import TierError

from ...fakes.cache import MEBIBYTE, Clock, counting, keep_by, make_cache


def tier(folder: Path, clock: Clock, size: int = 64 * MEBIBYTE) -> DiskTier:
    """Return the disk tier of a process that has just begun."""
    return DiskTier(folder, size, clock)


def process(folder: Path, clock: Clock) -> HybridCache:
    """Return the cache of one that has memory and disk."""
    disk = tier(folder, clock)
    return make_cache(clock, disk=disk, store=LocalClearLogs(disk))


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a cache's file as another program would."""
    connection = sqlite3.connect(folder / "test" / "cache.db")
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def test_a_value_outlives_its_process(clock: Clock, tmp_path: Path) -> None:
    """The next one finds it, with the type that it had, and its line says where."""
    source, calls = counting({"a": (1, None)})
    for tier_or_function in ("function", "disk", "disk"):
        read_from.clear()
        assert keep_by(process(tmp_path, clock), source)() == {"a": (1, None)}
        assert read_from == {tier_or_function}
    assert len(calls) == 1


def test_a_clear_outlives_its_process_too(clock: Clock, tmp_path: Path) -> None:
    """Another process of this host doesn't find what was cleared."""
    source, _ = counting(1, 2)
    first, second = (keep_by(process(tmp_path, clock), source) for _ in range(2))
    assert [first(), second()] == [1, 1]
    assert first.cache_clear()
    clock.now += 1.01
    assert [second(), first()] == [2, 2]


def test_a_deleted_value_is_gone_for_the_next_process(clock: Clock, tmp_path: Path) -> None:
    """A delete takes the value out of the file as well."""
    source, _ = counting(1, 2)
    kept = keep_by(process(tmp_path, clock), source)
    kept()
    assert kept.cache_delete()
    assert keep_by(process(tmp_path, clock), source)() == 2


def test_names_that_differ_in_case_alone_are_two_caches(clock: Clock, tmp_path: Path) -> None:
    """On a file system that ignores case, too: no two folders have one name in small letters."""
    disk, names = tier(tmp_path, clock), ("shop.models.item", "shop.models.Item", "Shop.models.item")
    for name in names:
        disk.set(name, "k", name.encode(), 100)
    assert [(disk.get(name, "k") or (b"",))[0] for name in names] == [name.encode() for name in names]
    folders = [path.name.lower() for path in tmp_path.iterdir() if path.is_dir()]
    assert len(set(folders)) == len(names)


def test_a_value_ends_on_disk(clock: Clock, tmp_path: Path) -> None:
    """A value's row tells how long it has left."""
    disk = tier(tmp_path, clock)
    disk.set("test", "k", b"v", 100)
    value, left = disk.get("test", "k") or (b"", 0.0)
    assert value == b"v"
    assert 50 < left <= 100
    disk.set("test", "k", b"v", -1)
    assert disk.get("test", "k") is None


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"v",
        b"another-boot 99999999999.0\nv",
        b"%b x\nv" % disk_clock()[0],
        b"%b -5\nv" % disk_clock()[0],
        b"%b 1.0\nv" % disk_clock()[0],
        b"%b 1e400\nv" % disk_clock()[0],
        b"\xff\xfe 1.0\nv",
    ],
)
def test_a_row_of_another_boot_or_form_is_ignored(clock: Clock, tmp_path: Path, row: bytes) -> None:
    """After a reboot the clock can't tell how old a value is."""
    disk = tier(tmp_path, clock)
    disk.update_text("test", "k", lambda _: row)
    assert disk.get("test", "k") is None


def test_a_value_that_is_too_large_is_not_kept(clock: Clock, tmp_path: Path) -> None:
    """Nothing is pushed out for it."""
    disk = tier(tmp_path, clock)
    disk.set("test", "k", b"x" * (MAX_VALUE + 1), 100)
    assert disk.get("test", "k") is None


def test_the_folder_is_bounded(clock: Clock, tmp_path: Path) -> None:
    """Old values go when new ones come."""
    disk = tier(tmp_path, clock, 2 * MEBIBYTE)
    for number in range(200):
        disk.set("test", str(number), b"x" * 100_000, 1_000)
    size = sum(file.stat().st_size for file in (tmp_path / "test").rglob("*.val"))
    assert 0 < size < 4 * MEBIBYTE


def test_the_folder_is_closed_to_others(clock: Clock, tmp_path: Path) -> None:
    """Whoever could write to the folder could plant wrong values."""
    tier(tmp_path, clock).set("test", "k", b"v", 100)
    assert (tmp_path / "test").stat().st_mode & 0o077 == 0


def end(cache: HybridCache) -> None:
    """End a process as far as its files go."""
    disk: Any = cache.tiers.disk
    disk._folders["test"]._cache.close()


@pytest.mark.parametrize(
    "damage", [b"no database at all" * 500, b"", b"x", b"SQLite format 3\x00" + b"\xff" * 4_096]
)
def test_a_file_that_is_no_database_is_replaced(clock: Clock, tmp_path: Path, damage: bytes) -> None:
    """The call is answered, and later ones find what was kept since."""
    source, calls = counting(1)
    first = process(tmp_path, clock)
    keep_by(first, source)()
    end(first)
    (tmp_path / "test" / "cache.db").write_bytes(damage)
    assert keep_by(process(tmp_path, clock), source)() == 1
    assert keep_by(process(tmp_path, clock), source)() == 1
    assert len(calls) == 2


def test_a_file_that_is_damaged_while_it_is_open_costs_the_tier_alone(clock: Clock, tmp_path: Path) -> None:
    """Every call is answered."""
    source, calls = counting(*range(1, 9))
    first = process(tmp_path, clock)
    keep_by(first, source)("a")
    end(first)
    kept = keep_by(process(tmp_path, clock), source)
    kept("b")
    with (tmp_path / "test" / "cache.db").open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 50_000)
    assert [kept(key) for key in "bcdef"] == [2, 3, 4, 5, 6]
    assert len(calls) == 6


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that doesn't belong to the cache."""
    file = tmp_path / "outside.val"
    file.write_bytes(b"%b 99999999999.0\nSE2 secret" % disk_clock()[0])
    return file


def plant(folder: Path, column: str, value: Any, mode: int) -> None:
    """Change the value's row, as somebody could who can write to the folder."""
    with database(folder) as rows:
        changed = rows.execute(
            f"UPDATE Cache SET {column} = ?, mode = ? WHERE key NOT LIKE '/%'",  # noqa: S608 - the test's own
            (value, mode),
        )
        assert changed.rowcount == 1


@pytest.mark.parametrize("name", ["../../outside.val", "{absolute}", "aa/bb/../../../outside.val", ""])
def test_a_planted_row_leads_to_no_file_outside(
    clock: Clock, tmp_path: Path, outside: Path, name: str
) -> None:
    """It is neither read nor, when the row is overwritten or deleted, removed; and the tier goes on."""
    source, calls = counting(1)
    folder = tmp_path / "cache"
    kept = keep_by(process(folder, clock), source)
    kept()
    plant(folder, "filename", name.format(absolute=outside), 2)
    assert tier(folder, clock).get("test", _key(folder)) is None
    other = process(folder, clock)
    assert keep_by(other, source)() == 1
    assert len(calls) == 2
    assert outside.exists()
    plant(folder, "filename", name.format(absolute=outside), 2)
    assert kept.cache_delete()
    assert outside.exists()
    assert other.tiers.disk
    assert other.tiers.disk.breaker.state == "closed"


def _key(folder: Path) -> str:
    with database(folder) as rows:
        (key,) = rows.execute("SELECT key FROM Cache WHERE key NOT LIKE '/%'").fetchone()
    return str(key)


@pytest.mark.parametrize(
    ("column", "value", "mode"),
    [
        ("value", b"cposix\nsystem\n(S'touch canary'\ntR.", 4),
        ("value", "text", 1),
        ("value", 7, 1),
        ("value", None, 1),
        ("value", b"x", 3),
        ("value", b"x", 99),
        ("filename", b"blob", 2),
        ("filename", 7, 2),
    ],
)
def test_a_planted_row_is_a_miss(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, value: Any, mode: int
) -> None:
    """Whatever form it has, nothing in it is run, and it is overwritten."""
    monkeypatch.chdir(tmp_path)
    source, calls = counting(1)
    folder = tmp_path / "cache"
    keep_by(process(folder, clock), source)()
    plant(folder, column, value, mode)
    assert keep_by(process(folder, clock), source)() == 1
    assert keep_by(process(folder, clock), source)() == 1
    assert len(calls) == 2
    assert not (tmp_path / "canary").exists()


@contextmanager
def without_space(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a disk that is full."""
    import signal  # noqa: PLC0415 - see below

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("size", [0, 4_096, 40_000])
def test_a_disk_without_space_costs_the_tier_alone(clock: Clock, tmp_path: Path, size: int) -> None:
    """Every call is answered, memory goes on, and once there is space the tier comes back."""
    source, calls = counting(*(f"{number}" * 200_000 for number in range(1, 5)))
    cache = process(tmp_path, clock)
    kept = keep_by(cache, source)
    with without_space(size):
        assert [kept(key)[0] for key in "abba"] == ["1", "2", "2", "1"]
        assert not cache.clear("test", "-")
    assert len(calls) == 2
    clock.now += 61
    assert kept("c")[0] == "3"
    clock.now += 61
    assert kept("d")[0] == "4"
    assert keep_by(process(tmp_path, clock), source)("d")[0] == "4"


def test_a_disk_that_is_read_only_costs_the_tier_alone(clock: Clock, tmp_path: Path) -> None:
    """A folder in which nothing can be made costs the tier and never the call."""
    (tmp_path / "file").write_text("in the folder's place")
    source, calls = counting(1)
    cache = process(tmp_path / "file", clock)
    kept = keep_by(cache, source)
    assert [kept(), kept()] == [1, 1]
    assert len(calls) == 1
    assert not kept.cache_clear()
    assert cache.fence.view("test", "-").totals()["disk_errors"] >= 1


def test_a_folder_in_use_costs_one_short_wait(clock: Clock, tmp_path: Path) -> None:
    """A call skips the disk while another process holds its lock."""
    disk = tier(tmp_path, clock)
    disk.set("test", "k", b"v", 100)
    with database(tmp_path) as rows:
        rows.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TierError):
            disk.set("test", "k", b"w", 100)
        with pytest.raises(TierError, match="bypassed"):
            disk.set("test", "k", b"w", 100)
    clock.now += 1.01
    disk.set("test", "k", b"w", 100)
    assert (disk.get("test", "k") or (b"",))[0] == b"w"


def test_a_clear_waits_for_a_folder_in_use(clock: Clock, tmp_path: Path) -> None:
    """An operator's clear outlasts a writer that takes three times what a call would wait."""
    disk = tier(tmp_path, clock)
    store = LocalClearLogs(disk)
    before = store.read("test", "-").stamp
    with database(tmp_path) as rows, ThreadPoolExecutor(1) as pool:
        rows.execute("BEGIN IMMEDIATE")
        clear = pool.submit(store.clear, "test", "-", "user:*")
        with pytest.raises(TimeoutError):
            clear.result(3 * TIMEOUT_SECONDS)
        rows.rollback()
        clear.result()
    assert not store.read("test", "-").is_valid(before, ("user:1",))


def test_a_planted_setting_costs_the_tier_alone(clock: Clock, tmp_path: Path) -> None:
    """The file's own settings are somebody's input, too."""
    source, _ = counting(1)
    keep_by(process(tmp_path, clock), source)()
    for name, value in (("eviction_policy", "none such"), ("cull_limit", "many"), ("size_limit", "x")):
        with database(tmp_path) as rows:
            rows.execute("UPDATE Settings SET value = ? WHERE key = ?", (value, name))
        assert keep_by(process(tmp_path, clock), source)() == 1


def test_only_bytes_under_text_can_be_kept(clock: Clock, tmp_path: Path) -> None:
    """Nothing that would be pickled reaches the file."""
    disk: Any = tier(tmp_path, clock)
    attempts: list[Callable[[], Any]] = [
        lambda: disk.update_text("test", "k", lambda _: {"a": 1}),
        lambda: disk.get("test", ("a", 1)),
    ]
    for attempt in attempts:
        with pytest.raises(TierError):
            attempt()
        clock.now += 60
