"""API keys from their making to their end, by the command line and the deployed gateway."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.main import cli

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY, ENDPOINT
from .socket_client import RefusedError, Socket

PATH = f"/core/{ENDPOINT}/tenant"


class Operator:
    """Runs the command line on the deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._options = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]

    def __call__(self, *arguments: str, status: int = 0) -> Any:
        """Run a command and give its JSON; fails when it doesn't exit as it should."""
        done = CliRunner().invoke(cli, [*arguments, "--json", *self._options])
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def operate(deployment: Deployment) -> Operator:
    """Return the command line."""
    return Operator(deployment)


@pytest.fixture
def made(operate: Operator) -> Iterator[dict[str, str]]:
    """A key for two functions of the endpoint, revoked in the end."""
    made = operate("keys", "create", "--endpoint", ENDPOINT, "--function", "tenant", "--label", "shop")
    yield made
    rows = operate("keys", "list", "--endpoint", ENDPOINT)
    if next(row for row in rows if row["key"] == made["key_id"])["state"] != "revoked":
        operate("keys", "revoke", made["key_id"], "--endpoint", ENDPOINT)


def listed(operate: Operator, key_id: str) -> Any:
    """Return what the list says of a key."""
    (found,) = (row for row in operate("keys", "list") if row["key"] == key_id)
    return found


def wait_for(api: Api, key: str, status: int, *, seconds: float = 10.0) -> None:
    """Wait until a key is answered so: running instances look at the registry once in 5 seconds."""
    deadline = time.monotonic() + seconds
    while (found := api.get(PATH, {"x-api-key": key}).status) != status:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{found}, not {status}")
        time.sleep(0.2)


def test_the_command_line_calls_by_a_key(operate: Operator, made: dict[str, str]) -> None:
    """`show` and `invoke`, over HTTP and straight in the worker, take a key as clients do."""
    as_client = ("--api-key", made["api_key"])
    assert operate("show", ENDPOINT, "tenant", *as_client)["url"] == f"/core/{ENDPOINT}/tenant"
    tenant = {"channel": ENDPOINT, "area": "core"}
    assert operate("invoke", ENDPOINT, "tenant", *as_client)["body"] == tenant
    direct = operate("invoke", ENDPOINT, "tenant", "--direct", *as_client)
    assert (direct["status"], direct["value"]) == (200, tenant)


def test_a_key_opens_what_it_was_made_for(api: Api, made: dict[str, str]) -> None:
    """Its functions at its endpoint, by header or query; a changed secret opens nothing."""
    key = made["api_key"]
    assert api.get(PATH, {"x-api-key": key}).json() == {"channel": ENDPOINT, "area": "core"}
    assert api.get(f"{PATH}?x-api-key={key}").status == 200
    assert api.get(f"/core/{ENDPOINT}/settings", {"x-api-key": key}).status == 404
    assert api.get(PATH, {"x-api-key": f"{key}x"}).status == 404


def test_no_table_holds_a_secret(deployment: Deployment, made: dict[str, str]) -> None:
    """A copy of all tables has the id and a digest, which opens nothing either."""
    secret = made["api_key"].partition(".")[2]
    client = deployment.engine.client("dynamodb")
    text = ""
    for name in ("connections", "configdata", "endpoints", "functions"):
        table = deployment.outputs.table_prefix + name
        text += json.dumps(client.scan(TableName=table, ConsistentRead=True)["Items"])
    assert made["key_id"] in text
    assert secret not in text


def test_a_use_is_shown_in_the_list_of_keys(api: Api, operate: Operator, made: dict[str, str]) -> None:
    """The list tells when a key was used last; of one that wasn't, nothing."""
    assert listed(operate, made["key_id"])["last_used_at"] is None
    assert api.get(PATH, {"x-api-key": made["api_key"]}).status == 200
    assert listed(operate, made["key_id"])["last_used_at"] > 1_700_000_000


def test_a_socket_is_opened_by_a_key_and_ends_with_it(
    deployment: Deployment, operate: Operator, made: dict[str, str]
) -> None:
    """Its row holds the key's id and no secret; the first message after a revocation is refused."""

    def connect(key: str) -> Socket:
        return Socket(f"{deployment.outputs.websocket_url}?{urlencode(query)}", {"x-api-key": key})

    query = {"endpointId": ENDPOINT, "area": "core"}
    with pytest.raises(RefusedError):
        connect(f"{made['api_key']}x")
    with connect(made["api_key"]) as socket:
        socket.send({"funct": "tenant", "id": "1"})
        assert socket.json()["data"] == {"channel": ENDPOINT, "area": "core"}
        rows = deployment.engine.client("dynamodb").scan(
            TableName=f"{deployment.outputs.table_prefix}wss-connections", ConsistentRead=True
        )
        assert made["key_id"] in json.dumps(rows["Items"])
        assert made["api_key"].partition(".")[2] not in json.dumps(rows["Items"])
        operate("keys", "revoke", made["key_id"], "--endpoint", ENDPOINT)
        deadline = time.monotonic() + 10
        while "error" not in (frame := said(socket)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert frame["error"]["status"] == 404


def said(socket: Socket) -> Any:
    """Send a message and give its response."""
    socket.send({"funct": "tenant", "id": "1"})
    return socket.json()


def test_a_rotation_leaves_the_old_secret_its_time(api: Api, operate: Operator, made: dict[str, str]) -> None:
    """Old and new secret both open; a rotation without overlap ends all before."""
    rotated = operate("keys", "rotate", made["key_id"], "--endpoint", ENDPOINT, "--overlap", "24")
    keys = [made["api_key"], rotated["api_key"]]
    wait_for(api, keys[1], 200)
    assert listed(operate, made["key_id"])["state"] == "rotating"
    assert api.get(PATH, {"x-api-key": keys[0]}).status == 200
    last = operate("keys", "rotate", made["key_id"], "--endpoint", ENDPOINT, "--overlap", "0")["api_key"]
    wait_for(api, last, 200)
    assert [api.get(PATH, {"x-api-key": key}).status for key in keys] == [404, 404]


def test_a_revoked_key_is_dead(api: Api, operate: Operator, made: dict[str, str]) -> None:
    """A revoked key opens nothing within seconds, for good, and the list says when."""
    wait_for(api, made["api_key"], 200)
    operate("keys", "revoke", made["key_id"], "--endpoint", ENDPOINT)
    wait_for(api, made["api_key"], 404)
    assert listed(operate, made["key_id"])["state"] == "revoked"


def test_a_key_that_was_granted_jobs_alone_calls_nothing(api: Api, operate: Operator) -> None:
    """A key that was granted something else alone calls nothing."""
    made = operate("keys", "create", "--endpoint", ENDPOINT, "--like", API_KEY, "--grant", "jobs")
    response = api.get(PATH, {"x-api-key": made["api_key"]})
    assert (response.status, response.json()["error"]) == (
        403,
        "This API key is not allowed to call 'tenant'",
    )
    operate("keys", "revoke", made["key_id"], "--endpoint", ENDPOINT)


def test_a_common_key_is_good_for_named_endpoints(api: Api, operate: Operator) -> None:
    """It opens no other endpoint; the doctor names keys that open them all."""
    made = operate("keys", "create", "--only", "demo", "--like", "#####")
    key = {"x-api-key": made["api_key"]}
    assert api.get("/core/demo/whoami", key).json()["endpoint_id"] == "demo"
    assert api.get("/core/0/whoami", key).status == 404
    assert operate("doctor", "--keys") == []
    operate("keys", "revoke", made["key_id"])


def test_the_doctor_names_keys_that_open_everything(deployment: Deployment, operate: Operator) -> None:
    """A key of the common key row without endpoints is one; only its beginning is shown."""
    deployment.rows.put("connections", endpoint_id="1", api_key="everywhere", functions=[])
    (complaint,) = operate("doctor", "--keys", status=1)
    assert complaint.startswith("connections 1 / eve… opens every endpoint")
    deployment.engine.client("dynamodb").delete_item(
        TableName=f"{deployment.outputs.table_prefix}connections",
        Key={"endpoint_id": {"S": "1"}, "api_key": {"S": "everywhere"}},
    )
