"""Which of the subprotocols that a client asks for is answered: RFC 6455, section 4.2.2."""

from typing import Any

import pytest

from .conftest import World, event

ASKED = "graphql-transport-ws, v2.shop , v1.shop"


def answer(world: World, **members: Any) -> Any:
    """Return the response to `$connect`."""
    return world.handler(event("$connect", world.enter(), **members), None)


def chosen(response: dict[str, Any]) -> str | None:
    """Return the subprotocol that a response answers; it has no other header."""
    assert response["statusCode"] == 200
    headers: dict[str, str] = response.get("headers", {})
    assert headers.keys() <= {"Sec-WebSocket-Protocol"}
    return headers.get("Sec-WebSocket-Protocol")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, "graphql-transport-ws"),
        (["v1.shop", "v2.shop"], "v2.shop"),
        (["v1.shop"], "v1.shop"),
        (["V1.shop"], None),
        (["mqtt"], None),
        ([], None),
        ("v1.shop", None),
        ({"v1.shop": 1}, None),
    ],
)
def test_one_is_answered_that_the_client_asked_for(world: World, listed: Any, expected: str | None) -> None:
    """The client's first that the settings list, without a setting its first; never one it didn't ask for."""
    world.registry.area_settings = {} if listed is None else {"subprotocols": listed}
    assert chosen(answer(world, headers={"Sec-WebSocket-Protocol": ASKED})) == expected


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"headers": None},
        {"headers": {"Sec-WebSocket-Protocol": None}},
        {"multiValueHeaders": {"Sec-WebSocket-Protocol": None}},
        {"multiValueHeaders": {"Sec-WebSocket-Protocol": [None]}},
        {"headers": {"Sec-WebSocket-Protocol": ""}},
        {"headers": {"Sec-WebSocket-Protocol": " , ,"}},
    ],
)
def test_none_is_answered_to_a_client_that_asks_for_none(world: World, members: dict[str, Any]) -> None:
    """A client that gets an answer that it didn't ask for would fail the connection."""
    assert chosen(answer(world, **members)) is None


def test_all_lines_of_the_header_count(world: World) -> None:
    """It may be sent several times (RFC 6455, section 11.3.4); `headers` has the last of them alone."""
    world.registry.area_settings = {"subprotocols": ["v1.shop"]}
    lines = {"sec-websocket-protocol": ["mqtt, v1.shop", "other"]}
    response = answer(world, headers={"sec-websocket-protocol": "other"}, multiValueHeaders=lines)
    assert chosen(response) == "v1.shop"


@pytest.mark.parametrize(
    "sent", ["a b", "a\r\nSet-Cookie: x=1", "\x00", "a;b", '"a"', "ä", "a\n", "\ud800", "x=1", "a/b"]
)
@pytest.mark.parametrize("is_listed", [True, False])
def test_what_is_no_token_is_not_sent_back(world: World, sent: str, is_listed: bool) -> None:
    """A name is a token of RFC 9110: nothing else that a client sends gets into the response's headers."""
    world.registry.area_settings = {"subprotocols": [sent, "v1.shop"]} if is_listed else {}
    response = answer(world, headers={"Sec-WebSocket-Protocol": f"{sent}, v1.shop"})
    assert chosen(response) == "v1.shop"


def test_a_refused_handshake_answers_none(world: World) -> None:
    """Without a connection there is no protocol to agree on."""
    said = world.enter() | {"connection_id": "c2"}
    refused = event("$connect", said, headers={"Sec-WebSocket-Protocol": "v1.shop"})
    assert world.handler(refused, None) == {"statusCode": 403}


@pytest.mark.parametrize("route", ["$disconnect", "$default"])
def test_only_the_handshake_is_answered(world: World, route: str) -> None:
    """Later events carry no handshake."""
    sent = event(route, world.enter(), headers={"Sec-WebSocket-Protocol": "v1.shop"}, body="ping")
    assert world.handler(sent, None) == {"statusCode": 200}
