"""Rows that other tools write announce themselves by the tables' streams."""

from typing import Any

import pytest

from silvaengine.errors import UnavailableError
from silvaengine.observability.logging import InvocationLog
from silvaengine.settings import Settings
from silvaengine_tasks.app import create_sources
from silvaengine_tasks.sources.registry import RegistrySource
from silvaengine_tasks.sources.streams import StreamSource

from .world import World


def change(table: str, **key: str) -> dict[str, Any]:
    """Return a record of a stream that shows keys alone."""
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/2026"
    keys = {name: {"S": value} for name, value in key.items()}
    return {"eventSource": "aws:dynamodb", "eventSourceARN": arn, "dynamodb": {"Keys": keys}}


class Announced:
    """Counts announcements."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        """Announce."""
        self.times += 1


def announcements(*records: dict[str, Any]) -> int:
    """Return how often a batch announces rows."""
    announced = Announced()
    source = RegistrySource("se-", announced)
    assert source.matches({"Records": list(records)})
    source.serve({"Records": list(records)}, World(), InvocationLog("tasks"))
    return announced.times


def test_a_batch_announces_its_rows_once() -> None:
    """However many rows of an endpoint a batch has, the registry has changed once."""
    rows = [change("se-connections", endpoint_id="acme", api_key=str(n)) for n in range(100)]
    assert announcements(*rows) == 1


@pytest.mark.parametrize(
    "table", ["se-endpoints", "se-connections", "se-functions", "se-hooks", "se-configdata"]
)
def test_a_row_of_each_table_is_announced(table: str) -> None:
    """A record without keys, or with others, is a row like any other."""
    assert announcements(change(table)) == 1
    assert announcements(change(table, setting_id="silvaengine_events", variable="queue:orders")) == 1


@pytest.mark.parametrize(
    ("setting_id", "variable"),
    [("silvaengine", "generation"), ("silvaengine:keys", "acme:sek_1"), ("silvaengine:cache:method", "acme")],
)
def test_the_frameworks_own_rows_announce_nothing(setting_id: str, variable: str) -> None:
    """Else the generation's own row would announce the next one, without end."""
    own = change("se-configdata", setting_id=setting_id, variable=variable)
    assert announcements(own) == 0
    assert announcements(own, change("se-configdata", setting_id="beta_core_acme", variable="cors")) == 1


@pytest.mark.parametrize("table", ["orders", "se-executions", "se-wss-connections", "other-se-endpoints"])
def test_other_tables_call_their_functions(table: str) -> None:
    """Only the registry's own tables are announced."""
    assert not RegistrySource("se-", Announced()).matches({"Records": [change(table)]})


@pytest.mark.parametrize("streams", ["", "own"])
def test_the_tables_are_announced_where_the_stack_says_so(streams: str) -> None:
    """Without the parameter a stream of the registry calls what is bound to it."""
    world, settings = World(), Settings.from_environment({"REGISTRY_STREAMS": streams, "EVENTS_BY_NAME": "1"})
    sources = create_sources(world.functions, world.bindings, world.queues, settings)
    event = {"Records": [change("se-endpoints", endpoint_id="acme")]}
    found = next(source for source in sources if source.matches(event))
    assert type(found) is (RegistrySource if streams else StreamSource)


def test_a_batch_that_can_not_be_announced_comes_again() -> None:
    """The failure reaches Lambda, which keeps the records."""

    def fail() -> None:
        raise UnavailableError("DynamoDB can't be reached")

    with pytest.raises(UnavailableError):
        RegistrySource("se-", fail).serve(
            {"Records": [change("se-endpoints")]}, World(), InvocationLog("tasks")
        )
