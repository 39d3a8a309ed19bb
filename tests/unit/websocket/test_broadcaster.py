"""Fan-out: who hears a frame, who is gone, and for whom it may be asked."""

import json
import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.aws.errors import BusyError
from silvaengine.errors import ConfigurationError, NotFoundError, RequestError, UnavailableError
from silvaengine.ledger.digests import Digests
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine.websocket.broadcast_tokens import HOUR, BroadcastTokens, broadcast_token_issuer
from silvaengine.websocket.broadcasts import Broadcast
from silvaengine.websocket.pushing import Pusher
from silvaengine_websocket.broadcaster import Broadcaster

from .conftest import NOW, World


def connected(world: World, connection_id: str, **changes: Any) -> None:
    """Put a connection's row."""
    row = {
        "endpoint_id": "acme",
        "connection_id": connection_id,
        "area": "core",
        "data": {"user_id": "ada"},
        "status": "active",
        "expires_at": int(NOW) + 86_400,
    }
    world.writer.put(WSS_CONNECTIONS, row | changes)


def counts(world: World, **asked: Any) -> tuple[int, ...]:
    """Broadcast and give what was counted."""
    return world.broadcaster.broadcast(Broadcast("acme", "hello", **asked), NOW + 20)


def test_all_of_a_tenant_hear_it(world: World) -> None:
    """Page by page, and nobody of another tenant."""
    for number in range(10):
        connected(world, f"c{number}")
    connected(world, "other", endpoint_id="globex")
    assert counts(world) == (10, 0, 0)
    assert sorted(world.api.posts) == [(f"c{number}", "hello") for number in range(10)]


@pytest.mark.parametrize(
    ("row", "asked", "hears"),
    [
        ({"status": "inactive"}, {}, False),
        ({"expires_at": int(NOW) + 86_400 - 7_200}, {}, False),
        ({"expires_at": int(NOW) + 86_400 - 7_199}, {}, True),
        ({"area": "admin"}, {"area": "core"}, False),
        ({"area": "admin"}, {"area": "admin"}, True),
        ({}, {"where": {"user_id": "ada"}}, True),
        ({}, {"where": {"user_id": "bob"}}, False),
        ({}, {"where": {"user_id": "ada", "role": "x"}}, False),
        ({"data": {}}, {"where": {"user_id": "ada"}}, False),
        ({}, {"where": {}}, True),
    ],
)
def test_only_those_who_are_meant_hear_it(
    world: World, row: dict[str, Any], asked: dict[str, Any], hears: bool
) -> None:
    """Only connections that can still be open, in the area, of whom all of this was said."""
    connected(world, "c1", **row)
    assert counts(world, **asked) == (int(hears), 0, 0)


def test_a_client_that_is_gone_loses_its_row(world: World) -> None:
    """The others hear it all the same, and keep theirs."""
    for connection_id in ("c1", "c2"):
        connected(world, connection_id)
    world.api.gone.add("c1")
    assert counts(world) == (1, 1, 0)
    assert [row["connection_id"] for row in world.rows()] == ["c2"]


def test_a_failure_is_counted_and_stops_nobody(world: World) -> None:
    """Nobody knows whether that client has it."""
    for number in range(4):
        connected(world, f"c{number}")
    world.api.failures = [UnavailableError("no response")]
    assert counts(world) == (3, 0, 1)


def test_a_busy_client_is_tried_until_the_deadline(world: World) -> None:
    """Then it counts as failed."""
    connected(world, "c1")
    world.api.failures = [BusyError("slow")] * 100
    assert counts(world) == (0, 0, 1)
    assert world.now < NOW + 20


def test_a_push_ends_before_its_deadline(world: World) -> None:
    """No attempt begins after it."""
    world.api.failures = [BusyError("slow")] * 100
    with pytest.raises(BusyError):
        world.pusher.push("c1", "x", NOW + 0.3)
    assert world.now < NOW + 0.3


def test_whose_turn_comes_too_late_counts_as_failed(world: World) -> None:
    """The Lambda must still be able to answer."""
    connected(world, "c1")
    assert world.broadcaster.broadcast(Broadcast("acme", "hello"), NOW) == (0, 0, 1)
    assert world.api.posts == []


@pytest.mark.parametrize(
    "row",
    [
        {"endpoint_id": "globex"},
        {"status": "inactive"},
        {"connection_id": "c2"},
        {"expires_at": int(NOW) + 1},
    ],
)
def test_one_connection_is_the_tenants_or_none(world: World, row: dict[str, Any]) -> None:
    """Whoever knows another tenant's id gets the response of one that never was."""
    connected(world, **({"connection_id": "c1"} | row))
    with pytest.raises(NotFoundError, match="Connection not found"):
        counts(world, connection_id="c1")
    assert world.api.posts == []


def test_one_connection_that_is_there_hears_it(world: World) -> None:
    """The named connection hears it, and no other."""
    connected(world, "c1")
    connected(world, "c2")
    assert counts(world, connection_id="c1") == (1, 0, 0)
    assert world.api.posts == [("c1", "hello")]


def test_a_frame_that_is_too_large_reaches_nobody(world: World) -> None:
    """It is refused before the first push."""
    connected(world, "c1")
    with pytest.raises(RequestError) as caught:
        world.broadcaster.broadcast(Broadcast("acme", "x" * 131_073), NOW + 20)
    assert caught.value.status == 413


def test_memory_is_a_page_s(world: World) -> None:
    """Ten thousand connections take no more memory than a page of them."""

    class Pages:
        def query_pages(self, *_: Any, **__: Any) -> Iterator[list[dict[str, Any]]]:
            row = {"area": "core", "status": "active", "expires_at": int(NOW) + 86_400, "data": {}}
            for page in range(100):
                yield [{**row, "connection_id": f"{page}-{number}" * 4} for number in range(100)]

    class Nobody:
        def post(self, connection_id: str, data: bytes) -> None:
            pass

    tables: Any = Pages()
    broadcaster = Broadcaster(tables, world.connections, Pusher(Nobody), lambda: NOW)
    tracemalloc.start()
    try:
        assert broadcaster.broadcast(Broadcast("acme", "x"), NOW + 20) == (10_000, 0, 0)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "asked",
    [
        {"frame": "x"},
        {"endpoint_id": "acme"},
        {"endpoint_id": "", "frame": "x"},
        {"endpoint_id": "acme", "frame": {"a": 1}},
        {"endpoint_id": "acme", "frame": "x", "where": ["a"]},
        {"endpoint_id": "acme", "frame": "x", "where": {"a": 1}},
        {"endpoint_id": "acme", "frame": "x", "area": 7},
        {"endpoint_id": "acme", "frame": "x", "connection_id": 7},
    ],
)
def test_a_request_is_what_it_may_be(asked: dict[str, Any]) -> None:
    """Anything else is refused by name."""
    with pytest.raises(RequestError):
        Broadcast.decode(asked)


def door(world: World) -> Any:
    """Return the Lambda that workers invoke, with 20 s left."""
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
    return lambda **asked: world.broadcast(asked, context)


def test_a_worker_needs_its_tenant_s_grant(world: World) -> None:
    """With it the response counts; without it, nothing happens."""
    connected(world, "c1")
    ask = door(world)
    grant = world.tokens.issue("acme")
    response = ask(endpoint_id="acme", frame="x", grant=grant)
    assert (response["kind"], response["value"]) == ("json", {"sent": 1, "gone": 0, "failed": 0})
    for refused in ({"endpoint_id": "globex", "grant": grant}, {"endpoint_id": "acme"}):
        assert ask(frame="x", **refused)["status"] == 403
    assert ask(endpoint_id="acme", frame="", grant=grant)["status"] == 400
    assert len(world.api.posts) == 1


def test_a_fault_of_ours_is_an_answer_of_the_worker_s_form(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function hears the status of a fault of ours."""

    def fail(**_: object) -> None:
        raise UnavailableError("busy", detail="secret")

    monkeypatch.setattr(world.dynamodb, "query", fail)
    response = door(world)(endpoint_id="acme", frame="x", grant=world.tokens.issue("acme"))
    assert response["status"] == 503
    assert "secret" not in json.dumps(response)


@given(st.text(), st.text(), st.integers(0, 10 * HOUR))
def test_a_grant_is_one_tenants_for_an_hour(tenant: str, other: str, later: int) -> None:
    """No other tenant's, and not for longer than two."""
    now = NOW
    tokens = BroadcastTokens(Digests(lambda: b"secret"), lambda: now)
    grant = tokens.issue(tenant)
    now += later
    if later < HOUR:
        tokens.check(tenant, grant)
    if later > 2 * HOUR:
        with pytest.raises(RequestError):
            tokens.check(tenant, grant)
    if tenant != other:
        with pytest.raises(RequestError):
            tokens.check(other, grant)


@given(st.text())
def test_a_grant_can_not_be_made_up(grant: str) -> None:
    """Neither a token's end nor its digest can be made up."""
    tokens = BroadcastTokens(Digests(lambda: b"secret"), lambda: NOW)
    good = tokens.issue("acme")
    _, _, digest = good.partition(".")
    for forged in (grant, f"{int(NOW) + 10**6}.{digest}", f"{grant}.{digest}", good[:-1], good + "0"):
        if forged != good:
            with pytest.raises(RequestError):
                tokens.check("acme", forged)


def test_most_functions_have_no_grant(world: World) -> None:
    """Only a row that says so has one made, and nothing is opened before."""
    world.add("tell", config={"broadcasts": True})
    world.add("loud", config={"broadcasts": "yes"})
    for name, has_grant in (("greet", False), ("loud", False), ("tell", True)):
        world.say({"id": "1", "funct": name})
        assert ("grant" in world.invoker.sent[-1].payload["invocation"]) is has_grant
    issue_token = broadcast_token_issuer(Settings())
    with pytest.raises(ConfigurationError):
        issue_token("acme")
