"""The table of packages as publishers write it, and the commands that turn a pointer."""

from collections.abc import Callable
from typing import Any

import click
import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.registry.packages import Pointer
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, EXECUTIONS, FUNCTIONS, GENERATION_KEY
from silvaengine_cli.publishing.bindings import write_bindings
from silvaengine_cli.publishing.function_rows import write_function_rows
from silvaengine_cli.publishing.releases import ChangedMeanwhileError, PackageReleases, read_pointers
from silvaengine_cli.publishing.rollback import Pointing
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.registry.tables import RegistryTables, to_item

from ..fakes.executions import accepted_execution
from ..fakes.publishing import FUNCTION_ARN, WORKER, PackageLambda, deployment_of, release_row


@pytest.fixture
def functions() -> PackageLambda:
    """The package's Lambda, with two versions."""
    functions = PackageLambda()
    functions.code = {"1": "sha-1", "2": "sha-2", "3": "sha-3"}
    return functions


@pytest.fixture
def releases(dynamodb: Any) -> PackageReleases:
    """Two releases of a package, of which none serves."""
    found = PackageReleases(deployment_of(dynamodb), "shop")
    for row in (release_row(1, "hello", "old"), release_row(2, "hello", "new", code="other", memory=1024)):
        found.put(row)
    return found


@pytest.fixture
def pointing(dynamodb: Any, releases: PackageReleases, functions: PackageLambda) -> Pointing:
    """What turns the pointer, which stands at release 2 after release 1."""
    releases.turn(releases.turn(None, 1, {}), 2, {})
    return Pointing(deployment_of(dynamodb, functions), "shop", lambda _line: None)


def generation(dynamodb: Any) -> int:
    """Return the registry's generation."""
    row = RegistryTables(dynamodb).get(CONFIG_DATA, *GENERATION_KEY.values())
    return int(row["value"]) if row else 0


def test_a_turned_pointer_is_announced_by_that_very_write(dynamodb: Any, releases: PackageReleases) -> None:
    """Of two who have seen the same pointer one turns it; the other one is told, and has written nothing."""
    seen, before = releases.turn(None, 1, {}), generation(dynamodb)
    releases.turn(seen, 2, {"acme": 1})
    with pytest.raises(ChangedMeanwhileError, match="somebody else"):
        releases.turn(seen, 1, {})
    with pytest.raises(ChangedMeanwhileError):
        releases.turn(None, 1, {})
    pointer = Pointer.from_row(releases.pointer())
    assert (pointer.choose("demo"), pointer.choose("acme")) == (2, 1)
    assert generation(dynamodb) == before + 2  # once more, for who has read it before the pointer


def test_a_pointer_names_releases_that_are_there(dynamodb: Any, releases: PackageReleases) -> None:
    """A release that was pruned meanwhile, or never written, can't be turned to."""
    seen, before = releases.turn(None, 1, {}), generation(dynamodb)
    with pytest.raises(click.ClickException, match="pruned meanwhile"):
        releases.turn(seen, 2, {"acme": 7})
    assert releases.pointer() == seen
    assert generation(dynamodb) == before


def test_a_pointer_says_when_a_release_left_it(releases: PackageReleases) -> None:
    """One that serves again, or one tenant still, hasn't left."""
    second = releases.turn(releases.turn(None, 1, {}), 2, {})
    assert (second["previous"], list(second["left"])) == (1, ["1"])
    pinned = releases.turn(second, 2, {"acme": 1})
    assert (pinned["previous"], pinned["left"]) == (1, {})
    back = releases.turn(pinned, 1, {})
    assert (back["previous"], list(back["left"])) == (2, ["2"])


def test_a_release_is_put_once(releases: PackageReleases) -> None:
    """Who repeats a publication finds the first one's; an altered one is refused."""
    first = releases.release(1)
    assert releases.put(release_row(1, "hello", "old", created_at=1)) == first
    assert releases.put(release_row(3, "hello")) == releases.release(3)
    with pytest.raises(click.ClickException, match="release 1 of 'shop' is there and says something else"):
        releases.put(release_row(1, "other"))
    releases.put(release_row(4, "hello", digest="0" * 64))
    with pytest.raises(ConfigurationError):
        releases.release(4)
    assert [row["release"] for row in releases.all()] == [1, 2, 3, 4]


def test_a_release_goes_only_while_the_pointer_stands(releases: PackageReleases) -> None:
    """Who prunes and who turns the pointer at the same time can't both succeed."""
    seen = releases.turn(None, 1, {})
    pointer = releases.turn(seen, 2, {})
    with pytest.raises(ChangedMeanwhileError):
        releases.delete(1, seen)
    releases.delete(1, pointer)
    assert [row["release"] for row in releases.all()] == [2]


def test_other_readers_have_rows(dynamodb: Any, releases: PackageReleases) -> None:
    """They say what the release that serves does; what it lacks goes, what is as it was isn't written."""
    tables = RegistryTables(dynamodb)
    for number in (1, 2):
        releases.turn(releases.read_pointer(), number, {})
        write_function_rows(tables, releases)
    rows = {row["function"]: row for row in tables.query(FUNCTIONS, FUNCTION_ARN)}
    assert rows.keys() == {"hello", "new"}
    assert {(row["package"], row["release"], row["area"]) for row in rows.values()} == {("shop", 2, "core")}
    write_function_rows(tables, releases)
    assert {row["function"]: row for row in tables.query(FUNCTIONS, FUNCTION_ARN)} == rows


def test_a_rollback_goes_to_what_served_before(
    pointing: Pointing, releases: PackageReleases, dynamodb: Any
) -> None:
    """It says what it takes back; a second one goes forth again."""
    turn = pointing.roll_back(None, move_jobs=False)
    assert (turn.left, turn.release, turn.moved) == (2, 1, None)
    assert turn.changes == ("code", "memory: 1024 -> 512 MB", "function old comes back", "function new goes")
    rows = RegistryTables(dynamodb).query(FUNCTIONS, FUNCTION_ARN)
    assert {row["function"] for row in rows} == {"hello", "old"}
    assert pointing.roll_back(None, move_jobs=False).release == 2
    assert releases.pointer()["revision"] == 4


def test_a_rollback_wakes_the_version(
    pointing: Pointing, functions: PackageLambda, releases: PackageReleases
) -> None:
    """An Inactive one is invoked and waited for before the pointer turns."""
    functions.states["1"] = "Inactive"
    functions.get_function = _becoming(functions, "Active")  # type: ignore[method-assign]
    pointing.roll_back(1, move_jobs=False)
    assert [(each["Qualifier"], each["describe"]) for each in functions.invoked] == [("1", [])]
    assert releases.pointer()["release"] == 1


def _becoming(functions: PackageLambda, state: str) -> Callable[..., Any]:
    """Let a Pending version be in a state after it was seen so."""
    read = functions.get_function

    def get_function(**request: str) -> Any:
        found = read(**request)
        if found["Configuration"]["State"] == "Pending":
            functions.states[request["Qualifier"]] = state
        return found

    return get_function


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (2, "release 2 serves already"),
        (3, "package 'shop' has no release 3: it has 1, 2"),
        (1, "was altered: its version has other code"),
    ],
)
def test_what_a_rollback_refuses(
    pointing: Pointing, functions: PackageLambda, releases: PackageReleases, to: int, message: str
) -> None:
    """The pointer is as it was."""
    functions.code["1"] = "another"
    seen = releases.pointer()
    with pytest.raises(click.ClickException, match=message):
        pointing.roll_back(to, move_jobs=False)
    assert releases.pointer() == seen


def test_an_altered_release_is_never_turned_to(
    pointing: Pointing, releases: PackageReleases, dynamodb: Any
) -> None:
    """Its row no longer has its digest."""
    dynamodb.put_item(
        TableName="se-packages", Item=to_item(releases.release(1) | {"functions": '{"hello": {}}'})
    )
    with pytest.raises(ConfigurationError):
        pointing.roll_back(1, move_jobs=False)
    assert releases.pointer()["release"] == 2


def test_a_first_release_has_none_before(dynamodb: Any, releases: PackageReleases) -> None:
    """A rollback from it needs a number."""
    releases.turn(None, 1, {})
    pointing = Pointing(deployment_of(dynamodb, PackageLambda()), "shop", lambda _line: None)
    with pytest.raises(click.ClickException, match="no release of 'shop' served before 1: "):
        pointing.roll_back(None, move_jobs=False)


def test_one_tenant_is_pinned_and_unpinned(pointing: Pointing, dynamodb: Any) -> None:
    """The others have what they had."""
    RegistryTables(dynamodb).create(ENDPOINTS, {"endpoint_id": "acme"})
    pinned = pointing.pin(1, "acme")
    assert (pinned["release"], pinned["pins"]) == (2, {"acme": 1})
    with pytest.raises(click.ClickException, match=r"isn't pinned in 'shop' \(did you mean acme\?\)"):
        pointing.unpin("acmee")
    unpinned = pointing.unpin("acme")
    assert (unpinned["release"], unpinned["pins"], list(unpinned["left"])) == (2, {}, ["1"])


def test_unknown_names_are_refused(pointing: Pointing, dynamodb: Any) -> None:
    """With the closest name that there is."""
    RegistryTables(dynamodb).create(ENDPOINTS, {"endpoint_id": "acme"})
    with pytest.raises(click.ClickException, match=r"no endpoint 'amce' \(did you mean acme\?\)"):
        pointing.pin(1, "amce")
    with pytest.raises(click.ClickException, match=r"no package 'shpo' \(did you mean shop\?\)"):
        PackageReleases(deployment_of(dynamodb), "shpo").pointer()
    assert [row["package"] for row in read_pointers(dynamodb, "se-")] == ["shop"]


def test_jobs_that_wait_are_moved(pointing: Pointing, dynamodb: Any) -> None:
    """Not those that run, nor those whose function the earlier release lacks."""
    arn = f"{FUNCTION_ARN}:2"
    jobs = {
        "waits": accepted_execution(1_700_000_000, job_id="waits", function="hello", aws_lambda_arn=arn),
        "runs": accepted_execution(
            1_700_000_000, job_id="runs", function="hello", aws_lambda_arn=arn, state="running"
        ),
        "alone": accepted_execution(1_700_000_000, job_id="alone", function="new", aws_lambda_arn=arn),
    }
    for job in jobs.values():
        dynamodb.put_item(TableName="se-" + EXECUTIONS.name, Item=to_item(job.to_row()))
    turn = pointing.roll_back(1, move_jobs=True)
    assert (turn.moved, turn.stayed) == (1, 1)
    tables = RegistryTables(dynamodb)
    after = {name: tables.get(EXECUTIONS, name) or {} for name in jobs}
    assert {name: row["aws_lambda_arn"].rpartition(":")[2] for name, row in after.items()} == {
        "waits": "1",
        "runs": "2",
        "alone": "2",
    }
    assert after["waits"]["owner"] != jobs["waits"].owner


def test_a_name_of_another_package_is_refused(dynamodb: Any, releases: PackageReleases) -> None:
    """Where a connection has both packages; its own entry says whose the function is."""
    releases.turn(None, 1, {})
    tables = RegistryTables(dynamodb)
    row = {"endpoint_id": "acme", "api_key": "key", "packages": [{"package": "shop"}, {"package": "stock"}]}
    tables.create(CONNECTIONS, row)
    packages = Packages(tables, WORKER)
    packages.check_functions("stock", {"count": None})
    packages.check_functions("shop", {"hello": None, "count": None})
    with pytest.raises(click.ClickException, match="package 'shop' has hello, too, and endpoint 'acme'"):
        packages.check_functions("stock", {"hello": None, "count": None})
    own = {"aws_lambda_arn": WORKER, "function": "hello", "setting": ""}
    tables.update(CONNECTIONS, row, row | {"functions": [own], "revision": 1})
    packages.check_functions("stock", {"hello": None, "count": None})


def test_bindings_are_a_packages_own(dynamodb: Any) -> None:
    """Others' stay; what it no longer binds goes, with a row that is left empty; then nothing changes."""
    tables = RegistryTables(dynamodb)
    queue = {"setting_id": "silvaengine_events", "variable": "queue:orders"}
    topic = {"setting_id": "silvaengine_events", "variable": "topic:news"}
    other, mine = ({"endpoint_id": "acme", "funct": name} for name in ("count", "hello"))
    tables.create(CONFIG_DATA, queue | {"value": [other, mine]})
    wanted = [queue | {"value": [mine]}, topic | {"value": [mine]}]
    assert write_bindings(tables, "shop", wanted)
    assert not write_bindings(tables, "shop", wanted)
    rows = {row["variable"]: row["value"] for row in tables.query(CONFIG_DATA, "silvaengine_events")}
    assert rows == {
        "queue:orders": [other, mine | {"package": "shop"}],
        "topic:news": [mine | {"package": "shop"}],
    }
    assert write_bindings(tables, "shop", [])
    rows = {row["variable"]: row["value"] for row in tables.query(CONFIG_DATA, "silvaengine_events")}
    assert rows == {"queue:orders": [other]}
