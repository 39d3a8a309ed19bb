"""Pushes from anywhere: to one connection, to all of a tenant, by a socket, over HTTP and by an operator."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.main import cli

from .conftest import Deployment
from .http_client import Api
from .registry_rows import ADMIN_KEY, API_KEY, ENDPOINT, OTHER_ENDPOINT
from .socket_client import Socket

KEY = {"x-api-key": API_KEY}
MANY = 200

type Connect = Callable[..., Socket]


@pytest.fixture
def connect(deployment: Deployment) -> Iterator[Connect]:
    """Open a connection of a tenant; all are closed at the end, and their rows gone."""
    with ExitStack() as sockets:

        def open_socket(endpoint_id: str = ENDPOINT, key: str = API_KEY, area: str = "core") -> Socket:
            query = urlencode({"endpointId": endpoint_id, "area": area})
            return sockets.enter_context(
                Socket(f"{deployment.outputs.websocket_url}?{query}", {"x-api-key": key})
            )

        wait_until_nobody(deployment)
        yield open_socket
    wait_until_nobody(deployment)


def wait_until_nobody(deployment: Deployment) -> None:
    """Wait until the connections of the test before are over: the engine ends one after the other."""
    deadline = time.monotonic() + 60
    while rows(deployment) and time.monotonic() < deadline:
        time.sleep(0.2)


def rows(deployment: Deployment, endpoint_id: str = ENDPOINT) -> dict[str, Any]:
    """Return a tenant's connection rows by their ids."""
    response = deployment.engine.client("dynamodb").query(
        TableName=f"{deployment.outputs.table_prefix}wss-connections",
        KeyConditionExpression="endpoint_id = :e",
        ExpressionAttributeValues={":e": {"S": endpoint_id}},
        ConsistentRead=True,
    )
    return {item["connection_id"]["S"]: item for item in response["Items"]}


def id_of(socket: Socket) -> str:
    """Ask for a connection's id."""
    socket.send({"id": "who", "funct": "show"})
    return str(socket.json()["data"]["connectionId"])


def test_a_socket_tells_all_of_its_tenant(connect: Connect) -> None:
    """Everybody of the tenant hears it, the sender too, and nobody of another; the response counts them."""
    one, two = connect(), connect()
    other = connect(OTHER_ENDPOINT, ADMIN_KEY)
    one.send({"id": "1", "funct": "push", "payload": {"data": {"news": 1}}})
    heard = [one.json(), one.json()]
    assert {"news": 1} in heard
    assert {"id": "1", "funct": "push", "data": {"sent": 2, "gone": 0, "failed": 0}} in heard
    assert two.json() == {"news": 1}
    other.send("ping")
    assert other.receive() == "pong"


def test_http_tells_two_hundred(api: Api, connect: Connect) -> None:
    """A function that was called over HTTP reaches every connection of its tenant."""
    sockets = [connect() for _ in range(MANY)]
    for _ in range(5):  # until no push takes more than its two seconds on this machine
        counts = api.post("/core/e2e/push", {"data": "hello"}, KEY).json()
        assert (counts["sent"] + counts["failed"], counts["gone"]) == (MANY, 0)
        if not counts["failed"]:
            break
    assert counts == {"sent": MANY, "gone": 0, "failed": 0}
    assert {socket.receive() for socket in sockets} == {"hello"}


def test_another_tenants_connection_is_out_of_reach(api: Api, connect: Connect) -> None:
    """Whoever knows another tenant's connection id still can't have the broadcaster post to it."""
    mine, theirs = connect(), connect(OTHER_ENDPOINT, ADMIN_KEY)
    own, foreign = id_of(mine), id_of(theirs)
    assert api.post("/core/e2e/push", {"data": "hi", "to": own}, KEY).status == 200
    assert mine.receive() == "hi"
    assert api.post("/core/e2e/push", {"data": "hi", "to": foreign}, KEY).status == 404
    assert api.post("/core/e2e/push", {"data": "hi", "to": "nonsense"}, KEY).status == 404
    theirs.send("ping")
    assert theirs.receive() == "pong"


def test_an_operator_tells_a_tenant(deployment: Deployment, connect: Connect) -> None:
    """`silvaengine ws broadcast` needs no grant: whoever may invoke the gateway may."""
    socket, whole = connect(), connect(area="whole")
    command = ["ws", "broadcast", "maintenance", "--endpoint", ENDPOINT, "--area", "core"]
    options = ["--endpoint-url", deployment.engine.url, "--stack", deploy.LOCAL_STACK, "--json"]
    told = CliRunner().invoke(cli, [*command, *options])
    assert json.loads(told.output) == {"sent": 1, "gone": 0, "failed": 0}
    assert socket.receive() == "maintenance"
    refused = CliRunner().invoke(cli, [*command, "--where", "nonsense", *options])
    assert (refused.exit_code, "NAME=VALUE" in refused.output) == (2, True)
    whole.send("ping")
    assert whole.receive() == "pong"
