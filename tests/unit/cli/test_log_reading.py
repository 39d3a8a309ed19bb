"""Lines of a time that is over, and those that are new, however many there are."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest

from silvaengine_cli.logs import Line, LogReader, LogTail, reading
from silvaengine_cli.logs.choice import Choice
from silvaengine_cli.logs.reading import last_lines


class Store(LogReader):
    """Lines in memory, which are returned in order of time; some reads break off."""

    def __init__(self, *lines: Line) -> None:
        super().__init__(None, {"Worker": ""})
        self.written = [*lines]
        self.breaks_after: int | None = None

    def lines(
        self,
        since: int,
        until: int | None = None,
        *,
        pattern: str = "",
        functions: Collection[str] | None = None,
    ) -> Iterator[Line]:
        """Return what is in this time."""
        found = [line for line in self.written if since <= line.timestamp < (until or 10**15)]
        yield from sorted(found[: self.breaks_after], key=lambda line: line.timestamp)
        if self.breaks_after is not None:
            raise ConnectionError


def call(number: int, at: int, **members: Any) -> Line:
    """Return the line of a call."""
    record: Mapping[str, Any] = {"service": "http", "method": "GET", "request_id": f"r{number}", **members}
    return Line("HttpGateway", at, record, "", f"line-{number}")


def note(number: int, at: int) -> Line:
    """Return a record that a call's function has written."""
    return Line("Worker", at, {"message": "noted", "request_id": f"r{number}"}, "", f"note-{number}")


def pages(store: Store, choice: Choice, most: int) -> list[list[str]]:
    """Return the ids of the lines of all pages, the last one first."""
    found, until = list[list[str]](), 200_000
    while until:
        requests, earlier = last_lines(store, choice, 0, until, most)
        found.append([line.event_id for request in requests for line in request])
        until = earlier or 0
    return found


@pytest.mark.parametrize("most", [1, 2, 7, 500])
@pytest.mark.parametrize("most_read", [50, 20_000])
def test_pages_have_each_line_once(most: int, most_read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a request's records below it, whatever is cut where; several may share a millisecond."""
    monkeypatch.setattr(reading, "MOST_READ", most_read)
    times = [number * number * 3 for number in range(200)]
    calls = [call(number, at + number % 3) for number, at in enumerate(times)]
    store = Store(*calls, *(note(number, max(at - 3, 0)) for number, at in enumerate(times)))
    found = [line for page in reversed(pages(store, Choice(), most)) for line in page]
    assert sorted(found) == sorted(line.event_id for line in store.written)
    if most_read > len(store.written):
        assert [*zip(found[::2], found[1::2], strict=True)] == [
            (f"line-{number}", f"note-{number}") for number in range(200)
        ]


def test_a_rare_line_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages lead back to it, each of bounded size."""
    monkeypatch.setattr(reading, "MOST_READ", 50)
    store = Store(call(1000, 5, status=500), *(call(number, 1000 + number) for number in range(300)))
    found = pages(store, Choice(errors=True), 10)
    assert [each for page in found for each in page] == ["line-1000"]
    assert len(found) > 5


def test_a_tail_that_lags_says_how_many_it_skipped() -> None:
    """It keeps the last ones, and goes on from there."""
    store = Store()
    tail = LogTail(store, since=0, most=3)
    store.written += [call(number, number) for number in range(10)]
    assert [line.event_id for line in tail.new_lines()] == ["line-7", "line-8", "line-9"]
    assert tail.skipped == 7
    store.written.append(call(10, 9))
    assert [line.event_id for line in tail.new_lines()] == ["line-10"]
    assert tail.skipped == 0


def test_a_tail_knows_of_ten_seconds_and_no_more() -> None:
    """However much it has read, its memory doesn't grow."""
    store = Store(*(call(number, number * 10) for number in range(20_000)))
    tail = LogTail(store, since=0, wants=lambda line: line.timestamp % 1000 == 0)
    assert len(tail.new_lines()) == 200
    assert len(tail._seen) <= 1001


def test_a_read_that_fails_loses_nothing() -> None:
    """What it had read by then is returned by the next one."""
    store = Store(*(call(number, number) for number in range(5)))
    tail = LogTail(store, since=0)
    store.breaks_after = 3
    with pytest.raises(ConnectionError):
        tail.new_lines()
    store.breaks_after = None
    assert len(tail.new_lines()) == 5


def test_groups_that_are_made_meanwhile_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where there was none, else a minute later."""
    groups = dict[str, str]()
    store = Store(call(1, 1))
    store.groups, store._find_groups = {}, lambda: groups
    tail = LogTail(store, since=0)
    groups["Worker"] = "/aws/lambda/x-Worker"
    tail.new_lines()
    groups["packages/shop"] = "/aws/lambda/x-pkg-shop"
    tail.new_lines()
    assert [*store.groups] == ["Worker"]
    monkeypatch.setattr("silvaengine_cli.logs.tail.GROUPS_SECONDS", 0)
    tail.new_lines()
    assert [*store.groups] == ["Worker", "packages/shop"]
