"""Sockets against the deployed stack: who gets in, what comes back, and what is left when they go."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from .conftest import Deployment, wait_for_status
from .registry_rows import API_KEY, ENDPOINT, LARGE_SETTINGS
from .socket_client import RefusedError, Socket

type Connect = Callable[..., Socket]
type Mine = Callable[[], Socket]


@pytest.fixture
def connect(deployment: Deployment) -> Connect:
    """Open a connection with these query parameters and headers."""

    def open_socket(headers: dict[str, str] | None = None, **query: str) -> Socket:
        return Socket(f"{deployment.outputs.websocket_url}?{urlencode(query)}", headers)

    return open_socket


@pytest.fixture
def mine(connect: Connect) -> Mine:
    """Open a connection of the tests' tenant."""
    return lambda: connect({"x-api-key": API_KEY}, endpointId=ENDPOINT, area="core")


def rows(deployment: Deployment, endpoint_id: str) -> list[dict[str, Any]]:
    """Return a tenant's connection rows."""
    response = deployment.engine.client("dynamodb").query(
        TableName=f"{deployment.outputs.table_prefix}wss-connections",
        KeyConditionExpression="endpoint_id = :e",
        ExpressionAttributeValues={":e": {"S": endpoint_id}},
        ConsistentRead=True,
    )
    found: list[dict[str, Any]] = response["Items"]
    return found


def until[T](ask: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 10.0) -> T:
    """Ask until the response is as wanted; return the last one."""
    deadline = time.monotonic() + seconds
    while not wanted(response := ask()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return response


def frames_of(socket: Socket) -> Iterator[Any]:
    """Return a stream's frames up to its end."""
    while True:
        frame = socket.json()
        yield frame
        if "done" in frame or "error" in frame:
            return


def items_of(frames: list[Any]) -> list[Any]:
    """Return a stream's items, having seen that they are numbered without a hole."""
    items: list[Any] = []
    for frame in frames:
        assert frame["seq"] == len(items)
        items += frame.get("items", [frame["data"]] if "data" in frame else [])
    return items


def test_large_settings_go_by_the_bucket(mine: Mine) -> None:
    """The gateway may store what an event has no room for."""
    with mine() as socket:
        socket.send({"funct": "settings_size", "payload": "{}"})
        assert socket.json() == LARGE_SETTINGS


def test_the_specifications_example_gets_a_bare_answer(connect: Connect) -> None:
    """The endpoint's open connection admits a browser without a key; its message gets a bare response."""
    with connect(endpointId="demo", area="core") as socket:
        socket.send({"funct": "hello", "payload": json.dumps({"name": "Ada"})})
        assert socket.json() == {"message": "Hello, Ada!"}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({"endpointId": ENDPOINT, "area": "core"}, {}),
        ({"endpointId": ENDPOINT, "area": "core"}, {"x-api-key": "demo-key-acme"}),
        ({"endpointId": "nobody", "area": "core"}, {}),
    ],
    ids=["no key", "another's key", "no such endpoint"],
)
def test_a_doubt_refuses_the_handshake(
    connect: Connect, deployment: Deployment, query: dict[str, str], headers: dict[str, str]
) -> None:
    """Whoever isn't known to be allowed gets no socket and leaves no row."""
    tenant = query.get("endpointId") or "nobody"
    assert until(lambda: rows(deployment, tenant), lambda found: not found) == []  # of the test before
    with pytest.raises(RefusedError) as refused:
        connect(headers, **query)
    assert refused.value.status in {401, 403}
    assert not rows(deployment, tenant)


@pytest.fixture
def talk(deployment: Deployment, connect: Connect) -> Connect:
    """Open a connection with a token, in an area that has an authorizer and hooks."""
    settings = {
        "authorizer_module_name": "socket_authorizer",
        "on_connect": "socket_authorizer:on_connect",
        "on_message": "socket_authorizer:on_message",
    }
    for variable, value in settings.items():
        deployment.rows.put("configdata", setting_id=f"beta_talks_{ENDPOINT}", variable=variable, value=value)
    return lambda **query: connect({"x-api-key": API_KEY}, endpointId=ENDPOINT, area="talks", **query)


def test_an_authorizer_says_who_it_is(talk: Connect) -> None:
    """What it said at the handshake comes with each message, and it permits each message or not."""
    with talk(token="ada") as socket:
        socket.send({"id": "1", "funct": "show_guarded"})
        assert socket.json()["data"]["authorizer"]["user_id"] == "ada"
        socket.send({"id": "2", "funct": "show_guarded", "payload": {"forbidden": 1}})
        assert socket.json()["error"]["status"] == 403
        socket.send({"id": "swearword", "funct": "show_guarded"})
        assert socket.json()["error"]["status"] == 403


@pytest.mark.parametrize("token", ["wrong", "banned"])
def test_an_authorizer_or_a_hook_refuses(deployment: Deployment, talk: Connect, token: str) -> None:
    """A no of the authorizer and a raise in the hook are both a refused handshake, without a row."""
    assert until(lambda: rows(deployment, ENDPOINT), lambda found: not found) == []  # of the test before
    with pytest.raises(RefusedError) as refused:
        talk(token=token)
    assert refused.value.status in {401, 403}
    assert rows(deployment, ENDPOINT) == []


def test_a_key_opens_by_header_and_by_query(connect: Connect, mine: Mine) -> None:
    """Browsers can't set a header, so the key may stand in the query, too."""
    with mine(), connect(endpointId=ENDPOINT, area="core", **{"x-api-key": API_KEY}) as socket:
        socket.send({"funct": "echo", "id": "1"})
        assert socket.json()["data"]["endpoint_id"] == ENDPOINT


def test_a_connection_is_a_row_that_ends_with_it(deployment: Deployment, mine: Mine) -> None:
    """The row is the contract's, and both a clean and an abrupt end delete it, but nobody else's."""
    assert until(lambda: rows(deployment, ENDPOINT), lambda found: not found) == []  # of the test before
    with mine() as stays:
        stays.send({"funct": "show", "id": "1"})
        kept = stays.json()["data"]["connectionId"]
        clean, abrupt = mine(), mine()
        assert len(rows(deployment, ENDPOINT)) == 3
        clean.close()
        abrupt.abort()
        (row,) = until(lambda: rows(deployment, ENDPOINT), lambda found: len(found) == 1)
    assert row["connection_id"] == {"S": kept}
    assert row["area"] == {"S": "core"}
    assert row["api_key"] == {"S": API_KEY}
    assert row["status"] == {"S": "active"}
    assert int(row["expires_at"]["N"]) - time.time() == pytest.approx(86_400, abs=60)
    assert row["data"]["M"]["key_id"]["S"].startswith("key-")
    assert until(lambda: rows(deployment, ENDPOINT), lambda found: not found) == []


def test_a_message_can_not_end_its_connection(deployment: Deployment, mine: Mine) -> None:
    """A message that names a route of the connection's own is a call like any other, and the row stays."""
    with mine() as socket:
        before = len(rows(deployment, ENDPOINT))
        socket.send({"action": "$disconnect", "id": "1", "funct": "echo", "payload": {"n": 1}})
        assert socket.json()["data"]["n"] == 1
        assert len(rows(deployment, ENDPOINT)) == before


def test_a_message_may_come_the_instant_the_socket_opens(mine: Mine) -> None:
    """What a message needs comes with it, so that none is too early for the row."""
    for _ in range(5):
        with mine() as socket:
            socket.send({"id": "1", "funct": "echo", "payload": {"n": 1}})
            assert socket.json()["data"]["n"] == 1


@pytest.mark.parametrize(
    ("message", "status", "named"),
    [("{", 400, {}), ({"id": "7", "funct": "fail"}, 500, {"id": "7", "funct": "fail"})],
)
def test_an_error_is_a_frame_and_the_socket_stays(
    mine: Mine, message: object, status: int, named: dict[str, str]
) -> None:
    """Whatever goes wrong with a message, its sender is told what, and may send the next one."""
    with mine() as socket:
        socket.send(message)
        frame = socket.json()
        problem = frame.pop("error")
        assert (problem["status"], frame) == (status, named)
        assert problem["request_id"]
        assert problem["message"]
        socket.send("ping")
        assert socket.receive() == "pong"


def test_a_functions_refusal_is_an_error_for_programs_too(mine: Mine) -> None:
    """By its code and details, or unpacked of a whole response."""
    with mine() as socket:
        socket.send({"id": "1", "funct": "explain"})
        problem = socket.json()["error"]
        assert (problem["status"], problem["code"], problem["details"]) == (409, "out_of_stock", {"left": 2})
        socket.send({"id": "2", "funct": "explain", "payload": {"proxy": True}})
        problem = socket.json()["error"]
        assert (problem["status"], problem["message"]) == (409, "Only 2 are left")
        assert problem["details"]["left"] == 2


def test_a_typed_functions_context_is_the_same_by_every_way_in(mine: Mine, deployment: Deployment) -> None:
    """A message, a request, a job and a direct call have the same members of the same kinds."""
    with mine() as socket:
        socket.send({"id": "1", "funct": "show_context"})
        found = {"message": socket.json()["data"]}
    key = {"x-api-key": API_KEY}
    found["request"] = deployment.api.get("/core/e2e/show_context", key).json()
    accepted = deployment.api.get("/core/e2e/show_context", {**key, "prefer": "respond-async"})
    found["job"] = wait_for_status(deployment.api, accepted.json()["job_id"], {"succeeded"})["result"]
    with open_without_key(deployment, "e2e-context", "show_context"):
        direct = json.dumps({"endpoint_id": "e2e-context", "funct": "show_context", "params": {}})
        tasks = deployment.outputs.tasks_arn
        done = deployment.engine.client("lambda").invoke(FunctionName=tasks, Payload=direct)
        found["direct"] = json.loads(done["Payload"].read())
    kinds = found["direct"]
    assert sorted(kinds.values()) == ["NoneType", *["dict"] * 5, "str", "str"]
    assert [kind for kind in (way.pop("connectionId") for way in found.values()) if kind == "str"] == ["str"]
    assert {way: kinds.items() <= context.items() for way, context in found.items()} == dict.fromkeys(
        found, True
    )


@contextmanager
def open_without_key(deployment: Deployment, endpoint_id: str, function: str) -> Iterator[None]:
    """Let a tenant of the test's own call one function without a key, meanwhile."""
    worker, rows = deployment.outputs.worker_arn, deployment.rows
    entry = {"aws_lambda_arn": worker, "function": function, "setting": ""}
    rows.put("endpoints", endpoint_id=endpoint_id, special_connection=True)
    rows.put("connections", endpoint_id=endpoint_id, api_key="#####", functions=[entry])
    yield
    tables, prefix = deployment.engine.client("dynamodb"), deployment.outputs.table_prefix
    key = {"endpoint_id": {"S": endpoint_id}}
    tables.delete_item(TableName=f"{prefix}endpoints", Key=key)
    tables.delete_item(TableName=f"{prefix}connections", Key={**key, "api_key": {"S": "#####"}})


def test_two_tenants_see_only_their_own(connect: Connect, mine: Mine) -> None:
    """Each socket gets the responses of its own tenant's functions, and none of the other's."""
    with mine() as ours, connect({"x-api-key": "demo-key-acme"}, endpointId="acme", area="core") as theirs:
        for number in range(5):
            ours.send({"id": str(number), "funct": "echo", "payload": {"n": number}})
            theirs.send({"id": str(number), "funct": "whoami"})
        assert {ours.json()["data"]["endpoint_id"] for _ in range(5)} == {ENDPOINT}
        assert {theirs.json()["data"]["endpoint_id"] for _ in range(5)} == {"acme"}
        theirs.send({"id": "x", "funct": "echo"})
        assert theirs.json()["error"]["status"] == 404


def test_a_stream_of_a_thousand_items(mine: Mine) -> None:
    """All items come, in order, without a hole in their numbers, and then the end."""
    with mine() as socket:
        socket.send({"id": "s", "funct": "count", "payload": {"to": 1000}})
        frames = list(frames_of(socket))
        assert items_of(frames) == list(range(1000))
        assert frames[-1] == {"id": "s", "seq": 1000, "done": True}
        assert {frame["id"] for frame in frames} == {"s"}


def test_a_stream_ends_with_its_socket(deployment: Deployment, mine: Mine, tmp_path: Path) -> None:
    """The function is stopped when the client is gone; whoever comes back can see what is missing."""
    ended = tmp_path / "ended"
    socket = mine()
    socket.send(
        {"id": "s", "funct": "count_slowly", "payload": {"to": 100, "seconds": 0.2, "path": str(ended)}}
    )
    seen = items_of([socket.json(), socket.json()])
    socket.abort()
    assert until(ended.exists, bool)
    with mine() as again:
        again.send({"id": "r", "funct": "count", "payload": {"to": 1}})
        assert [frame["id"] for frame in frames_of(again)] == ["r", "r"]
    assert seen == [0, 1]


def test_a_call_with_once_that_is_sent_again_runs_once(mine: Mine, tmp_path: Path) -> None:
    """A call that is sent again runs once, on whatever connection, and its response is given again."""
    effects = tmp_path / "effects"
    payload = {"path": str(effects)}
    call = {"id": tmp_path.name, "once": True, "funct": "note_effect", "payload": payload}
    with mine() as socket:
        socket.send(call)
        first = socket.json()
        assert first["data"] == {"noted": True}
        socket.send(call)
        assert socket.json() == first
    with mine() as another:
        another.send(call)
        assert another.json() == first
        another.send({**call, "payload": {"path": "elsewhere"}})
        assert another.json()["error"]["status"] == 422
        another.send({**call, "once": False})
        another.json()
    assert effects.read_text() == "once\n" * 2
