"""The frames that go to a client follow the grammar, whatever they contain."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.aws.backoff import Backoff
from silvaengine.aws.errors import BusyError
from silvaengine.errors import RequestError
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.websocket import frames
from silvaengine.websocket.pushing import ATTEMPTS, FIRST_PAUSE, Pusher

TEXT = st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@given(TEXT, TEXT, VALUES)
def test_a_result_holds_the_answer(message_id: str, function: str, value: Any) -> None:
    """A JSON value and the same value as JSON text become the same data."""
    expected = {"id": message_id, "funct": function, "data": value}
    as_value = frames.data_text(WorkerResponse("json", value))
    assert json.loads(frames.result(message_id, function, as_value)) == expected
    text = json.dumps(value)
    as_text = frames.data_text(WorkerResponse("text", text))
    assert as_text == text
    assert json.loads(frames.result(message_id, function, as_text)) == expected


@given(TEXT)
def test_text_that_isnt_json_becomes_a_string(text: str) -> None:
    """It can't break the frame."""
    data = json.loads(frames.data_text(WorkerResponse("text", f"x{text}")))
    assert data == f"x{text}"


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", "[" * 100_000])
def test_json_that_only_python_reads_becomes_a_string(text: str) -> None:
    """Other parsers refuse it."""
    assert json.loads(frames.data_text(WorkerResponse("text", text))) == text


@given(TEXT, st.integers(0), st.lists(VALUES, min_size=1))
def test_one_item_is_data_and_more_are_items(message_id: str, seq: int, values: list[Any]) -> None:
    """Both say the number of the first."""
    frame = json.loads(frames.items(message_id, seq, [json.dumps(value) for value in values]))
    assert (frame["id"], frame["seq"]) == (message_id, seq)
    assert (frame["items"] if len(values) > 1 else [frame["data"]]) == values
    assert json.loads(frames.done(message_id, seq)) == {"id": message_id, "seq": seq, "done": True}


@given(st.none() | TEXT, st.none() | TEXT, TEXT, st.none() | st.integers(0))
def test_an_error_leaves_out_unknown_members(
    message_id: str | None, function: str | None, message: str, seq: int | None
) -> None:
    """A member that is None isn't in the frame."""
    problem = {"status": 400, "message": message, "request_id": "r"}
    frame = json.loads(frames.error(message_id, function, seq=seq, **problem))  # type: ignore[arg-type]
    known = {"id": message_id, "funct": function, "seq": seq}
    assert frame == {name: value for name, value in known.items() if value is not None} | {"error": problem}


def test_a_push_ends_after_eight_attempts() -> None:
    """Its pauses grow up to a bound, with jitter."""
    pauses: list[float] = []
    posts: list[str] = []

    class Busy:
        def post(self, connection_id: str, data: bytes) -> None:
            posts.append(connection_id)
            raise BusyError("slow")

    pusher = Pusher(Busy, Backoff(FIRST_PAUSE, ATTEMPTS, clock=lambda: 0.0, sleep=pauses.append))
    with pytest.raises(BusyError):
        pusher.push("c", "x", 1000.0)
    assert len(posts) == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1
    for attempt, pause in enumerate(pauses):
        longest = min(2.0, 0.05 * 2**attempt)
        assert longest / 2 <= pause <= longest


def test_a_frame_over_the_limit_is_not_sent() -> None:
    """Bytes count, not characters."""
    with pytest.raises(RequestError) as caught:
        Pusher(lambda: None).push("c", "ü" * 65_537, 1.0)  # type: ignore[arg-type, return-value]
    assert caught.value.status == 413
