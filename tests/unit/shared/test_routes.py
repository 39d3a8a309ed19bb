"""What a route may say, and which one a path means."""

import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.errors import RequestError
from silvaengine.registry.routes import Route, RouteMatch, RouteTable


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GET", "must be one of GET, POST"),
        ("get /a", "must be one of GET, POST"),
        ("OPTIONS /a", "must be one of GET, POST"),
        ("GET a", "must be one of GET, POST"),
        ("GET /", "must be one of GET, POST"),
        ("GET /" + "a" * 508, "at most 512 characters"),
        ("GET /a/", "segment ''"),
        ("GET /a//b", "segment ''"),
        ("GET /a/..", "segment '..'"),
        ("GET /a/b%20c", "segment 'b%20c'"),
        ("GET /a/{b}.json", "segment '{b}.json'"),
        ("GET /a/{_b}", "segment '{_b}'"),
        ("GET /{a}/b", "first segment must be fixed"),
        ("GET /a/{b+}/c", "only the last parameter"),
        ("GET /a/{b}/{b}", "twice"),
        ("GET /a/{endpoint_id}", "'endpoint_id' is reserved"),
        ("GET /a/{context}", "'context' is reserved"),
        ("GET /a/{body}", "'body' is reserved"),
    ],
)
def test_a_route_that_cannot_be(text: str, words: str) -> None:
    """The refusal says what is wrong, and a table leaves such a route out."""
    with pytest.raises(ValueError, match=words.replace("{", r"\{")):
        Route.parse(text)
    assert RouteTable([("f", text)]).find("GET", "a") is None


def test_what_a_route_says() -> None:
    """Routes of one shape match the same paths, whatever their parameters are called."""
    route = Route.parse("GET /tickets/{ticket_id}/files/{path+}")
    assert (route.method, route.parameters) == ("GET", ("ticket_id", "path"))
    assert route.segments[-1] == "{path+}"
    assert route.shape == Route.parse("DELETE /tickets/{id}/files/{name+}").shape
    assert route.shape != Route.parse("DELETE /tickets/{id}/files/{name}").shape


TABLE = RouteTable(
    [
        ("all", "GET /tickets"),
        ("open", "POST /tickets"),
        ("mine", "GET /tickets/mine"),
        ("one", "GET /tickets/{ticket_id}"),
        ("close", "DELETE /tickets/{number}"),
        ("comments", "GET /tickets/{ticket_id}/comments"),
        ("my_open", "GET /tickets/mine/open"),
        ("tree", "GET /tickets/{ticket_id}/{path+}"),
        ("files", "PUT /files/{path+}"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "function", "arguments"),
    [
        ("GET", "tickets", "all", {}),
        ("HEAD", "tickets", "all", {}),
        ("POST", "tickets", "open", {}),
        ("GET", "tickets/mine", "mine", {}),
        ("GET", "tickets/17", "one", {"ticket_id": "17"}),
        ("GET", "tickets/{ticket_id}", "one", {"ticket_id": "{ticket_id}"}),
        ("DELETE", "tickets/17", "close", {"number": "17"}),
        (
            "DELETE",
            "tickets/mine",
            "close",
            {"number": "mine"},
        ),  # "mine" has no DELETE
        ("GET", "tickets/17/comments", "comments", {"ticket_id": "17"}),
        ("GET", "tickets/mine/comments", "comments", {"ticket_id": "mine"}),  # back from "mine"
        ("GET", "tickets/17/a", "tree", {"ticket_id": "17", "path": "a"}),
        ("GET", "tickets/mine/a/b", "tree", {"ticket_id": "mine", "path": "a/b"}),
        ("PUT", "files/a/b", "files", {"path": "a/b"}),
    ],
)
def test_which_route_a_path_means(method: str, path: str, function: str, arguments: dict[str, str]) -> None:
    """Fixed text before a parameter, that before the rest; a route without the method is no hindrance."""
    assert TABLE.find(method, path) == RouteMatch(function, arguments)


@pytest.mark.parametrize("path", ["", "other", "ticket", "Tickets", "files"])
def test_no_route(path: str) -> None:
    """A path that no route has is for others to refuse."""
    assert TABLE.find("GET", path) is None


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "tickets", "GET, POST, HEAD, OPTIONS"),
        ("PATCH", "tickets/17", "GET, DELETE, HEAD, OPTIONS"),
        ("PATCH", "tickets/mine", "GET, DELETE, HEAD, OPTIONS"),
        ("HEAD", "files/a", "PUT, OPTIONS"),
    ],
)
def test_a_method_that_no_route_of_the_path_has(method: str, path: str, allow: str) -> None:
    """405 names the methods of all routes that the path has."""
    with pytest.raises(RequestError) as refused:
        TABLE.find(method, path)
    assert (refused.value.status, refused.value.headers) == (405, {"Allow": allow})


def test_options_is_like_any_method() -> None:
    """An authorizer is asked about a preflight, too."""
    assert TABLE.find("OPTIONS", "files/a") == RouteMatch("files", {"path": "a"})


def test_of_two_routes_for_the_same_requests_the_first_counts() -> None:
    """Rows that other tools wrote, or several packages, may have them."""
    table = RouteTable([("first", "GET /a/{b}"), ("second", "GET /a/{c}")])
    assert table.find("GET", "a/1") == RouteMatch("first", {"b": "1"})


_SEGMENTS = st.sampled_from(["a", "b", "{x}"])
_SHAPES = st.lists(_SEGMENTS, max_size=3).map(lambda rest: ["a", *rest])


@given(st.lists(st.tuples(st.sampled_from(["GET", "POST"]), _SHAPES, st.booleans()), max_size=8))
def test_the_table_agrees_with_a_search_of_all_routes(drawn: list[tuple[str, list[str], bool]]) -> None:
    """The first in the order of fixed, parameter, rest, segment by segment, among those that match at all."""
    texts: dict[str, None] = {}
    for method, segments, takes_rest in drawn:
        named = [each.replace("x", f"x{index}") for index, each in enumerate(segments)]
        texts[f"{method} /{'/'.join([*named, '{rest+}'] if takes_rest else named)}"] = None
    table = RouteTable([(text, text) for text in texts])
    for length in range(1, 5):
        for path in product("ab", repeat=length):
            expected = _search(list(texts), "GET", path)
            try:
                found = table.find("GET", "/".join(path))
            except RequestError:
                found = None
            assert (found and found.function) == expected, path


def _search(texts: list[str], method: str, path: tuple[str, ...]) -> str | None:
    ranked = []
    for text in texts:
        route = Route.parse(text)
        takes_rest = route.segments[-1].endswith("+}")
        head = route.segments[:-1] if takes_rest else route.segments
        fits = len(path) > len(head) if takes_rest else len(path) == len(head)
        pairs = list(zip(head, path, strict=False))
        if route.method == method and fits and all(s[0] == "{" or s == p for s, p in pairs):
            ranked.append(([s.startswith("{") for s in head] + [2] * takes_rest, text))
    return min(ranked)[1] if ranked else None


def _lines(work: Callable[[], Any]) -> int:
    """Return how many lines of Python run for this work: time would depend on the machine."""
    count, before = 0, sys.gettrace()

    def count_lines(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return count_lines

    sys.settrace(count_lines)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_a_thousand_routes_cost_what_ten_do() -> None:
    """The work depends on the path, not on how many routes there are."""

    def table_of(count: int) -> RouteTable:
        return RouteTable((f"f{each}", f"GET /r{each % 7}/{{a}}/s{each}/{{b}}") for each in range(count))

    few, many = table_of(10), table_of(1000)
    assert many.find("GET", "r5/1/s5/2") == RouteMatch("f5", {"a": "1", "b": "2"})
    assert _lines(lambda: many.find("GET", "r5/1/s5/2")) == _lines(lambda: few.find("GET", "r5/1/s5/2"))


def test_a_long_path_costs_no_more_than_the_routes_are_deep() -> None:
    """Whoever sends a path of thousands of segments gets no further than its first ones."""
    table = RouteTable([("f", "GET /a/{b}/{c}"), ("g", "GET /a/b/{d}/e")])
    assert _lines(lambda: table.find("GET", "a/b" * 2000)) < 60
