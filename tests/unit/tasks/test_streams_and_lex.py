"""Streams go on from the chunk that failed; a dialog always gets an answer of its own form."""

from typing import Any

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.telemetry import InvocationLog
from silvaengine_tasks.lex import APOLOGY, Bots, is_turn
from silvaengine_tasks.streams import Streams, chunks, is_batch

from .test_events import World

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026"


def change(number: int, size: int = 1) -> dict[str, Any]:
    """Give a record in the form of DynamoDB Streams."""
    return {
        "eventSource": "aws:dynamodb", "eventSourceARN": ARN, "eventID": str(number), "eventName": "INSERT",
        "dynamodb": {"SequenceNumber": str(number), "NewImage": {"text": {"S": "x" * size}}},
    }  # fmt: skip


class Tables(World):
    """A world whose registry binds the table to functions."""

    def __init__(self, *functions: str) -> None:
        super().__init__()
        self.functions = functions

    def settings(self, setting_id: str) -> dict[str, Any]:
        """Stand for the registry."""
        assert setting_id == "dynamodb_stream_config"
        if not self.functions:
            raise ConfigurationError("no rows")
        return {"orders": [{"endpoint_id": "acme", "funct": name} for name in self.functions]}

    def stream(self, *records: Any, endpoint_id: str | None = None) -> list[str]:
        """Deliver records; give what goes back."""
        assert is_batch({"Records": list(records)})
        streams = Streams(self.caller, endpoint_id)
        answer = streams.serve({"Records": list(records)}, self, InvocationLog("tasks"))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_chunks_keep_the_order_and_fit() -> None:
    """Nothing is lost or moved, and no chunk of several is larger than a call takes."""
    records = [change(n, 150_000) for n in range(7)]
    split = list(chunks(records))
    assert [record for chunk in split for record in chunk] == records
    assert [len(chunk) for chunk in split] == [2, 2, 2, 1]


def test_every_bound_function_gets_the_records_once() -> None:
    """Two functions of one table get the same records; a redelivery runs neither again."""
    world = Tables("f", "g")
    assert world.stream(change(1), change(2)) == []
    assert world.stream(change(1), change(2)) == []
    assert [[record["eventID"] for record in params["records"]] for params in world.ran] == [["1", "2"]] * 2


def test_a_failure_names_the_first_record_of_its_chunk() -> None:
    """What came before isn't delivered again, what comes after waits."""
    world = Tables("f")
    world.refuses = True
    assert world.stream(change(7), change(8)) == ["7"]


def test_an_unbound_table_is_the_default_functions_or_a_failure() -> None:
    """Without a binding the deployment's stream endpoint serves it; without one it fails."""
    world = Tables()
    assert world.stream(change(1), endpoint_id="acme") == []
    with pytest.raises(ConfigurationError, match="No function is bound"):
        world.stream(change(2))


@pytest.mark.parametrize("version", [1, 2])
def test_a_dialog_is_answered_even_when_its_function_fails(version: int) -> None:
    """The function's value is the answer; a failure closes the intent and says nothing of its cause."""
    turn: dict[str, Any] = {"bot": {"id": "acme", "name": "Order"}, "currentIntent": {"name": "Buy"}}
    if version == 2:
        turn = {"bot": turn["bot"], "sessionState": {"intent": {"name": "Buy"}}}
    assert is_turn(turn)
    world = World()
    bots = Bots(world.caller)
    assert bots.serve(turn, world, InvocationLog("tasks"))["got"] == turn
    world.dies = True
    answer = bots.serve(turn, world, InvocationLog("tasks"))
    assert APOLOGY in str(answer)
    closed = (
        answer["sessionState"]["intent"]["state"]
        if version == 2
        else answer["dialogAction"]["fulfillmentState"]
    )
    assert closed == "Failed"
