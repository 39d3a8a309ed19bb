"""Streams go on from the chunk that failed; a dialog always gets a response of its own form."""

from typing import Any

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.sources.lex import APOLOGY, LexSource
from silvaengine_tasks.sources.streams import split_chunks

from .world import World

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026"


def change(number: int, size: int = 1) -> dict[str, Any]:
    """Return a record in the form of DynamoDB Streams."""
    return {
        "eventSource": "aws:dynamodb", "eventSourceARN": ARN, "eventID": str(number), "eventName": "INSERT",
        "dynamodb": {"SequenceNumber": str(number), "NewImage": {"text": {"S": "x" * size}}},
    }  # fmt: skip


def tables(*functions: str) -> World:
    """Return a world whose registry binds the table to functions."""
    world = World()
    targets = [{"endpoint_id": "acme", "funct": name} for name in functions]
    world.bound["dynamodb_stream_config"] = {"orders": targets}
    return world


def test_chunks_keep_the_order_and_fit() -> None:
    """Nothing is lost or moved, and no chunk of several is larger than a call takes."""
    records = [change(n, 150_000) for n in range(7)]
    split = list(split_chunks(records))
    assert [record for chunk in split for record in chunk] == records
    assert [len(chunk) for chunk in split] == [2, 2, 2, 1]


def test_every_bound_function_gets_the_records_once() -> None:
    """Two functions of one table get the same records; a redelivery runs neither again."""
    world = tables("f", "g")
    assert world.stream(change(1), change(2)) == []
    assert world.stream(change(1), change(2)) == []
    assert [[record["eventID"] for record in params["records"]] for params in world.ran] == [["1", "2"]] * 2


def test_a_failure_names_the_first_record_of_its_chunk() -> None:
    """Records before it aren't delivered again, records after it wait."""
    world = tables("f")
    world.refuses = True
    assert world.stream(change(7), change(8)) == ["7"]


def test_a_function_names_the_record_at_which_it_stopped() -> None:
    """Lambda resumes there, and the function never gets the records before it again."""
    world = tables("f")
    world.response = ["3"]
    assert world.stream(*(change(n) for n in range(1, 6))) == ["3"]
    assert world.stream(*(change(n) for n in range(1, 6))) == ["3"]
    assert len(world.ran) == 1
    world.response = None
    assert world.stream(*(change(n) for n in range(3, 8))) == []
    assert [record["eventID"] for record in world.ran[-1]["records"]] == ["3", "4", "5", "6", "7"]


def test_where_one_function_stopped_the_next_one_stops_too() -> None:
    """So both go on from the same record, and neither gets one twice."""
    world = tables("f", "g")
    world.responses = {"f": ["3"]}
    assert world.stream(*(change(n) for n in range(1, 6))) == ["3"]
    assert [len(params["records"]) for params in world.ran] == [5, 2]


def test_a_redelivery_with_more_records_runs_the_new_ones() -> None:
    """A chunk that was done is skipped, whatever follows it; so is a shorter part of it."""
    world = tables("f")
    assert world.stream(change(1), change(2)) == []
    assert world.stream(change(1), change(2), change(3)) == []
    assert world.stream(change(1)) == []
    assert [[record["eventID"] for record in params["records"]] for params in world.ran] == [
        ["1", "2"],
        ["3"],
    ]


def test_a_stream_waits_for_the_delivery_in_progress() -> None:
    """Lambda's retries of a shard are bounded: they aren't used up while another worker has the records."""
    world = tables("f")
    world.dies = True
    assert world.stream(change(1)) == ["1"]
    world.dies = False
    assert world.stream(change(1), change(2)) == ["1"]
    (slept,) = world.slept
    assert 0 <= slept <= 315
    world.now += 316
    assert world.stream(change(1), change(2)) == []


def test_an_answer_that_names_other_records_is_a_failure() -> None:
    """It fails the chunk, at each delivery."""
    world = tables("f")
    world.response = ["9"]
    assert world.stream(change(1), change(2)) == ["1"]
    assert world.stream(change(1), change(2)) == ["1"]


def test_an_unbound_table_is_the_default_functions_or_a_failure() -> None:
    """Without a binding the deployment's stream endpoint serves it; without one it fails."""
    world = tables()
    assert world.stream(change(1), endpoint_id="acme") == []
    with pytest.raises(ConfigurationError, match="No function is bound"):
        world.stream(change(2))


@pytest.mark.parametrize("version", [1, 2])
def test_a_dialog_is_answered_even_when_its_function_fails(version: int) -> None:
    """The function's value is the response; a failure closes the intent without its cause."""
    turn: dict[str, Any] = {"bot": {"id": "acme", "name": "Order"}, "currentIntent": {"name": "Buy"}}
    if version == 2:
        turn = {"bot": turn["bot"], "sessionState": {"intent": {"name": "Buy"}}}
    assert LexSource.matches(turn)
    world = World()
    bots = LexSource(world.functions)
    assert bots.serve(turn, world, InvocationLog("tasks")) == {"got": turn}
    world.dies = True
    response: Any = bots.serve(turn, world, InvocationLog("tasks"))
    assert APOLOGY in str(response)
    closed = (
        response["sessionState"]["intent"]["state"]
        if version == 2
        else response["dialogAction"]["fulfillmentState"]
    )
    assert closed == "Failed"
