"""What may be typed and what is shown in `silvaengine ws connect`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine_cli.conversation import read_line, render

FAULT = {"in": "body", "path": "/n", "message": "Expected `int`", "value_type": "string"}
PROBLEM = {"status": 404, "message": "No such function", "request_id": "r1"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hello", {"id": "7", "funct": "hello", "payload": {}}),
        ("hello name=Ada n=3", {"id": "7", "funct": "hello", "payload": {"name": "Ada", "n": 3}}),
        ("hello name='Ada L'", {"id": "7", "funct": "hello", "payload": {"name": "Ada L"}}),
        ('hello  {"a": [1]}', {"id": "7", "funct": "hello", "payload": {"a": [1]}}),
        ('{"funct": "hello"}', {"funct": "hello"}),
    ],
)
def test_a_line_becomes_a_message(line: str, message: dict[str, Any]) -> None:
    """A line holds names and values, an object, or the whole message."""
    assert read_line(line, "7") == message


@pytest.mark.parametrize("line", ["hello Ada", "hello 'Ada", "{oops", 'hello {"a"'])
def test_a_malformed_line_is_refused(line: str) -> None:
    """The error is raised before anything is sent."""
    with pytest.raises(ValueError, match=r"\w"):
        read_line(line, "7")


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        ({"id": "1", "funct": "f", "data": {"ü": None}}, '1 {"ü": null}'),
        ({"id": "1", "funct": "f", "data": "text"}, "1 text"),
        ({"id": "1", "funct": "f", "error": PROBLEM}, "1 404 No such function  request r1"),
        ({"error": PROBLEM}, "404 No such function  request r1"),
        (
            {"error": {**PROBLEM, "details": [FAULT]}},
            f"404 No such function  request r1\n{json.dumps([FAULT])}",
        ),
        ({"id": "1", "seq": 3, "data": 0}, "1 #3 0"),
        ({"id": "1", "seq": 3, "items": ["a", "b"]}, "1 #3 a\n#4 b"),
        ({"id": "1", "seq": 5, "done": True}, "1 done, 5 items"),
        ({"said": "hi"}, 'push {"said": "hi"}'),
        (["data"], 'push ["data"]'),
    ],
)
def test_each_kind_of_frame_is_shown(frame: Any, shown: str) -> None:
    """Every frame of the grammar has a form of its own; anything else is a push."""
    assert render(json.dumps(frame)).plain == shown


@given(st.text() | st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps))
def test_nothing_that_comes_moves_the_cursor(text: str) -> None:
    """Any client of the tenant may push any text, and it is an operator's terminal that shows it."""
    shown = render(text).plain
    assert not [char for char in shown if (ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160]
