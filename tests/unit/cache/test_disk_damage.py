"""Damage of a cache's folder: every call is answered, and the folder is begun anew once."""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path
from shutil import rmtree
from subprocess import PIPE, Popen

import pytest

from silvaengine.cache.disk import DiskTier
from silvaengine.redis.breaker import TierError

from ...fakes.cache import MEBIBYTE, Clock
from .test_disk import without_space

GARBAGE = bytes(range(255, 0, -1)) * 400
NOBODY = 65_534


def tier(folder: Path, clock: Clock | None = None) -> DiskTier:
    """Return the disk tier of a process that has just begun."""
    return DiskTier(folder, 64 * MEBIBYTE, clock or Clock())


def works(disk: DiskTier, key: str, name: str = "test") -> bool:
    """Return whether a tier keeps a value."""
    disk.set(name, key, b"v", 100)
    found = disk.get(name, key)
    return found is not None and found[0] == b"v"


def overwrite(offset: int, content: bytes, name: str = "cache.db") -> Callable[[Path], None]:
    """Return what writes into one of the cache's files."""

    def damage(folder: Path) -> None:
        with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
            file.seek(offset)
            file.write(content)

    return damage


def truncate(size: int) -> Callable[[Path], None]:
    """Return what cuts the database off."""
    return lambda folder: os.truncate(folder / "cache.db", size)


def overwrite_page(name: str) -> Callable[[Path], None]:
    """Return what overwrites the first page of a table or an index."""

    def damage(folder: Path) -> None:
        with sqlite3.connect(folder / "cache.db") as rows:
            rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            (page,) = rows.execute(query, (name,)).fetchone()
        rows.close()
        overwrite((page - 1) * 4096, GARBAGE[:4096])(folder)

    return damage


def replace(*statements: str) -> Callable[[Path], None]:
    """Return what puts another program's database there, as a new file."""

    def damage(folder: Path) -> None:
        for file in folder.glob("cache.db*"):
            file.unlink()
        with sqlite3.connect(folder / "cache.db") as rows:
            for statement in statements:
                rows.execute(statement)
        rows.close()

    return damage


def change(statement: str) -> Callable[[Path], None]:
    """Return what changes the database as another program would."""

    def damage(folder: Path) -> None:
        with sqlite3.connect(folder / "cache.db") as rows:
            rows.execute(statement)
        rows.close()

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated to nothing": truncate(0),
    "truncated within the header": truncate(50),
    "truncated to a page": truncate(4096),
    "truncated": truncate(20_000),
    "overwritten header": overwrite(0, GARBAGE[:100]),
    "header that says read-only": overwrite(18, b"\x09"),
    "overwritten table": overwrite_page("Cache"),
    "overwritten index": overwrite_page("Cache_key_raw"),
    "overwritten expiry index": overwrite_page("Cache_expire_time"),
    "overwritten settings": overwrite_page("Settings"),
    "overwritten middle": overwrite(8192, GARBAGE),
    "overwritten log": overwrite(0, GARBAGE, "cache.db-wal"),
    "overwritten index of the log": overwrite(0, GARBAGE[:32_768], "cache.db-shm"),
    "deleted file": lambda folder: (folder / "cache.db").unlink(),
    "deleted folder": rmtree,
    "deleted folder of all caches": lambda folder: rmtree(folder.parent),
    "another program's table": replace("CREATE TABLE Cache (x)"),
    "another program's settings": replace("CREATE TABLE Settings (x)"),
    "another program's view": replace("CREATE TABLE t (x)", "CREATE VIEW Cache AS SELECT x FROM t"),
    "another program's constraint": replace("CREATE TABLE Settings (key, value CHECK (value IS NULL))"),
    "another program's rows": replace(
        "CREATE TABLE Settings (key, value)", "INSERT INTO Settings VALUES (NULL, 1)"
    ),
    "dropped table": change("DROP TABLE Cache"),
    "renamed column": change("ALTER TABLE Cache RENAME COLUMN value TO content"),
    "unknown policy": change("UPDATE Settings SET value = 'x' WHERE key = 'eviction_policy'"),
}


# All of them take half a minute.
SAMPLE = {"truncated", "overwritten table", "deleted file", "another program's table"}


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, id=name, marks=() if name in SAMPLE else pytest.mark.slow)
        for name, damage in DAMAGES.items()
    ],
)
def test_a_damaged_folder_is_begun_anew_once(
    tmp_path: Path, damage: Callable[[Path], None], is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """By the process that meets it, with at most one warning; later ones find what was kept since."""
    folder = tmp_path / "caches"
    first = tier(folder)
    for number in range(20):
        first.set("test", str(number), GARBAGE[:3000], 100)
    if not is_open:
        close(first)
    damage(folder / "test")
    assert not is_open or works(first, "open")
    assert works(tier(folder), "later")
    assert works(first, "first again")
    last = tier(folder)
    assert all((last.get("test", key) or (b"",))[0] == b"v" for key in ("later", "first again"))
    assert len(caplog.records) <= 1
    assert all("is damaged and begun anew" in record.message for record in caplog.records)


def close(disk: DiskTier) -> None:
    """End a process as far as its files go."""
    cache = disk._folders["test"]._cache
    assert cache
    cache.close()


def test_a_folder_is_not_begun_anew_again_and_again(tmp_path: Path, clock: Clock) -> None:
    """Where the medium is at fault, the tier is left out."""
    damage = overwrite_page("Cache")
    disk = tier(tmp_path, clock)
    assert works(disk, "a")
    damage(tmp_path / "test")
    assert works(disk, "b")
    damage(tmp_path / "test")
    for _ in range(3):
        with pytest.raises(TierError):
            works(disk, "c")
        clock.now += 61
    assert works(tier(tmp_path), "d")


@pytest.mark.parametrize("name", ["lock", "Lock", "a.b", "_", "-"])
def test_a_cache_of_any_name_is_begun_anew(tmp_path: Path, name: str) -> None:
    """What the tier itself has beside the caches' folders bears no cache's name."""
    disk = tier(tmp_path)
    assert works(disk, "a", name)
    replace("CREATE TABLE Cache (x)")(disk.path(name))
    assert works(disk, "b", name)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", disk.path(name).name}


def test_a_link_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever made it may have something else there."""
    folder = tmp_path / "caches"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "test").symlink_to(tmp_path / "elsewhere")
    assert works(tier(folder), "a")
    replace("CREATE TABLE Cache (x)")(folder / "test")
    for _ in range(2):
        with pytest.raises(TierError):
            works(tier(folder), "b")
    assert (folder / "test").is_symlink()
    assert (tmp_path / "elsewhere" / "cache.db").exists()
    assert "begun anew" not in caplog.text


def test_an_opener_that_hangs_costs_the_tier_alone(tmp_path: Path, clock: Clock) -> None:
    """A process may be stopped while it opens a folder: others don't wait for it for ever."""
    disk = tier(tmp_path, clock)
    with (tmp_path / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        with pytest.raises(TierError):
            works(disk, "a")
    clock.now += 61
    assert works(disk, "b")


def test_what_is_not_the_caches_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that holds another program's files, too, costs the tier alone."""
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "notes.txt").write_text("mine")
    replace("CREATE TABLE Cache (x)")(tmp_path / "test")
    with pytest.raises(TierError):
        works(tier(tmp_path), "a")
    assert (tmp_path / "test" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "test" / "cache.db").exists()
    assert "begun anew" not in caplog.text


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let this process only read a folder's files."""
    user = os.geteuid()
    if user:
        folder.chmod(0o500)
    else:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user:
            folder.chmod(0o700)
        else:
            os.seteuid(user)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a database's lock, as another process."""
    rows = sqlite3.connect(folder / "cache.db", isolation_level=None)
    rows.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        rows.close()


@pytest.mark.parametrize(
    "hindrance",
    [read_only, locked, lambda _: without_space(0), lambda _: without_space(4096)],
    ids=["read-only", "locked", "full", "nearly full"],
)
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_a_folder_that_can_not_be_written_is_not_damaged(
    clock: Clock,
    hindrance: Callable[[Path], AbstractContextManager[None]],
    is_open: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was kept is found again when it can be."""
    with tempfile.TemporaryDirectory() as name:  # not below a folder that only root can enter
        folder = Path(name)
        folder.chmod(0o755)
        disk = tier(folder, clock)
        disk.set("test", "before", GARBAGE, 100)  # in a file: imports that this takes would fail for nobody
        if not is_open:
            close(disk)
            disk = tier(folder, clock)
        (folder / "test").chmod(0o755)
        with hindrance(folder / "test"), suppress(TierError):
            disk.set("test", "meanwhile", GARBAGE, 100)
        clock.now += 61
        assert (disk.get("test", "before") or (b"",))[0] == GARBAGE
        assert works(disk, "after")
    assert not any("begun anew" in record.message for record in caplog.records)


PROCESS = """
import sys
from pathlib import Path
from silvaengine.cache.disk import DiskTier
from silvaengine.redis.breaker import TierError

now = [1000.0]
disk = DiskTier(Path(sys.argv[1]), 1 << 26, lambda: now[0])
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    try:
        disk.set("test", sys.argv[2], b"v", 100)
    except TierError:
        now[0] += 61
disk.set("test", sys.argv[2], b"v", 100)
"""


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["another program's table", "overwritten table", "deleted file"])
def test_processes_that_meet_damage_at_once_begin_anew_once(tmp_path: Path, damage: str) -> None:
    """None of them destroys what another has begun, and all go on in the same folder."""
    disk = tier(tmp_path)
    assert works(disk, "before")
    close(disk)
    DAMAGES[damage](tmp_path / "test")
    commands = [[sys.executable, "-c", PROCESS, str(tmp_path), f"key-{number}"] for number in range(6)]
    processes = [Popen(command, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE) for command in commands]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.close()  # which lets it go on
        process.stdin = None
    errors = "".join(process.communicate()[1] for process in processes)
    assert errors.count("begun anew") == (damage != "deleted file")
    assert "Traceback" not in errors
    last = tier(tmp_path)
    assert all(last.get("test", f"key-{number}") for number in range(6))
