"""A turn of a package's pointer on three DynamoDBs: in memory, moto, the local engine."""

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from silvaengine.aws.table_client import Row, TableReader, TableWriter, open_dynamodb
from silvaengine.errors import ConditionFailedError
from silvaengine.registry.packages import CANARIES, POINTER_ITEM, release_item
from silvaengine.registry.turns import turn
from silvaengine.tables import CONFIG_DATA, GENERATION_KEY, PACKAGES
from silvaengine_cli.engine import REGION

from ..fakes.dynamodb import MemoryDynamoDB
from .conftest import made_tables, pointed_at

ARN = "arn:aws:lambda:us-east-1:123456789012:function:se-pkg-shop"
NEW = {"function_arn": ARN, "package": "shop"}
CANARY = {"release": 2, "percent": 10, "started_at": 50}


class Tables:
    """The tables, with releases 1 and 2."""

    def __init__(self, client: Any) -> None:
        self.reader, self.writer = TableReader(lambda: client, "se-"), TableWriter(lambda: client, "se-")
        for number in (1, 2):
            self.writer.put(PACKAGES, {"function_arn": ARN, "item": release_item(number)})

    def turn(self, seen: Row, release: int, **changes: Any) -> Row:
        """Turn the pointer."""
        defaults: dict[str, Any] = {"pins": {}, "canary": None, "by": "me", "now": 100.5}
        return turn(self.writer, seen, release=release, **(defaults | changes))

    def pointer(self) -> Row | None:
        """Return the pointer's row."""
        return self.reader.get(PACKAGES, {"function_arn": ARN, "item": POINTER_ITEM})

    def generation(self) -> int:
        """Return the registry's."""
        return int((self.reader.get(CONFIG_DATA, GENERATION_KEY) or {}).get("value", 0))

    def marks(self) -> list[Row]:
        """Return the marks of canaries."""
        return self.reader.query(PACKAGES, CANARIES)


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.nightly), "engine"])
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tables]:
    """Return the tables in each of the three."""
    if request.param == "memory":
        yield Tables(MemoryDynamoDB())
        return
    with made_tables(pointed_at(request.param, request, monkeypatch)):
        yield Tables(open_dynamodb(REGION))


def test_a_pointer_turns_with_the_generation_and_says_what_left(tables: Tables) -> None:
    """What is returned is what is stored; each turn raises the generation by its write, and after it."""
    first = tables.turn(NEW, 1)
    assert first == tables.pointer()
    assert (first["revision"], first["changed_at"], first["by"]) == (1, 100, "me")
    second = tables.turn(first, 2, now=200)
    assert second == tables.pointer()
    assert (second["left"], second["previous"], tables.generation()) == ({"1": 200}, 1, 4)
    assert tables.turn(second, 1, now=300)["left"] == {"2": 300}
    assert tables.marks() == []


def test_a_canary_begins_with_a_mark_that_outlives_it(tables: Tables) -> None:
    """Growing changes no mark; a notice waits there."""
    grown = tables.turn(
        tables.turn(tables.turn(NEW, 1), 1, canary=CANARY), 1, canary={**CANARY, "percent": 50}
    )
    (mark,) = tables.marks()
    assert mark == {"function_arn": CANARIES, "item": ARN, "started_at": 50}
    ended = tables.turn(grown, 1, notice={"reason": "it fails"})
    assert tables.pointer() == ended
    assert "canary" not in ended
    assert ended["left"] == {"2": 100}
    assert tables.marks() == [{**mark, "notice": {"reason": "it fails"}}]
    tables.turn(ended, 1, canary={**CANARY, "started_at": 60})
    assert tables.marks() == [{**mark, "started_at": 60}]


@pytest.mark.parametrize("what", ["pointer", "release"])
def test_a_turn_that_is_refused_writes_nothing(what: str, tables: Tables) -> None:
    """The pointer has changed since, or the release isn't there."""
    seen = tables.turn(NEW, 1)
    if what == "pointer":
        tables.turn(seen, 1, pins={"acme": 2})
    before = tables.pointer(), tables.generation()
    with pytest.raises(ConditionFailedError):
        tables.turn(seen, 2 if what == "pointer" else 3, canary=CANARY)
    assert (tables.pointer(), tables.generation(), tables.marks()) == (*before, [])
    with pytest.raises(ConditionFailedError):
        tables.turn(NEW, 1)


@pytest.mark.parametrize("tables", ["memory", "engine"], indirect=True)  # moto's threads share a transaction
def test_of_two_turns_at_once_one_counts(tables: Tables) -> None:
    """Whoever is second finds the pointer changed."""
    seen, outcomes, start = tables.turn(NEW, 1), list[str](), threading.Barrier(4)

    def attempt(by: str) -> None:
        start.wait()
        try:
            outcomes.append(tables.turn(seen, 2, by=by)["by"])
        except ConditionFailedError:
            outcomes.append("")

    threads = [threading.Thread(target=partial(attempt, f"thread {number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pointer = tables.pointer() or {}
    assert sorted(outcomes) == ["", "", "", pointer["by"]]
    assert (pointer["revision"], tables.generation()) == (2, 4)
