"""The double's rules for other services, as those for Lambda in test_double; faults, and whom it serves."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from silvaengine_cli import AwsClient
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.strict import Double, Fault, Script, failed, throttled

from .socket_client import RefusedError, Socket
from .strict_world import TRUST, World, allow, client, code_of, invoke, make_table, open_world, refusal


@pytest.fixture(scope="module")
def world(engine_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An engine of this module's own."""
    with open_world(engine_program, tmp_path_factory.mktemp("strict") / "state") as world:
        yield world


def test_new_roles(world: World) -> None:
    """A role that was just made can't be a function's."""
    alone, behind = client(world.alone, "iam"), client(world.behind, "iam")
    of_engine = alone.create_role(RoleName="of-engine", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    assert world.make_function(world.alone, Role=of_engine)
    new = behind.create_role(RoleName="of-double", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    with pytest.raises(ClientError, match="cannot be assumed by Lambda") as caught:
        world.make_function(world.behind, Role=new)
    assert code_of(caught.value) == (400, "InvalidParameterValueException")
    assert world.make_function(world.behind, Role=new)


def test_new_policies(world: World) -> None:
    """What a policy newly allows is denied at first; what the same policy had allowed before, is not."""
    payload = json.dumps({"table": make_table(world.alone)}).encode()
    functions = world.sides[0]
    at_once, later = world.make_function(), world.make_function()
    allow(world.alone, at_once, "dynamodb:GetItem")
    assert "FunctionError" not in invoke(functions, at_once, payload)
    allow(world.behind, later, "dynamodb:GetItem")
    assert b"AccessDenied" in invoke(functions, later, payload)["Payload"]
    assert "FunctionError" not in invoke(functions, later, payload)
    allow(world.behind, later, "dynamodb:GetItem")
    assert "FunctionError" not in invoke(functions, later, payload)


def test_new_stacks(world: World) -> None:
    """What the roles of a stack that was just made may do is denied at first, whoever made them."""
    payload = json.dumps({"table": make_table(world.alone)}).encode()
    functions = world.sides[0]
    assert "FunctionError" not in invoke(functions, make_stack(world.alone, "of-engine"), payload)
    name = make_stack(world.behind, "of-double")
    assert b"AccessDenied" in invoke(functions, name, payload)["Payload"]
    assert "FunctionError" not in invoke(functions, name, payload)


def make_stack(engine: LocalEngine, stack: str) -> str:
    """Make a stack of a function that may read tables, by a change set; return the function's name."""
    allowed = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}
    policy = {"PolicyName": "reads", "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]}}
    role = {"AssumeRolePolicyDocument": json.loads(TRUST), "Policies": [policy]}
    function = {
        "FunctionName": f"{stack}-function",
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": Path(__file__).with_name("strict_function.py").read_text()},
    }
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
    }
    stacks = client(engine, "cloudformation")
    change = stacks.create_change_set(
        StackName=stack,
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": resources}),
        Capabilities=["CAPABILITY_IAM"],
    )["Id"]
    stacks.execute_change_set(ChangeSetName=change)
    stacks.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    return f"{stack}-function"


def test_eventual_reads(world: World) -> None:
    """The first read after a write that doesn't ask for consistency sees the row before it."""
    alone, behind = client(world.alone, "dynamodb"), client(world.behind, "dynamodb")
    table, key = make_table(world.alone), {"id": {"S": "1"}}
    read: dict[str, Any] = {"TableName": table, "Key": key}

    def put(tables: AwsClient, value: str) -> None:
        tables.put_item(TableName=table, Item={**key, "value": {"S": value}})

    def values(items: list[Any]) -> list[str]:
        return [item["value"]["S"] for item in items]

    put(alone, "0")
    assert values([alone.get_item(**read)["Item"]]) == ["0"]
    put(behind, "1")
    assert values([behind.get_item(**read, ConsistentRead=True)["Item"]]) == ["1"]
    assert values([behind.get_item(**read)["Item"] for _ in range(2)]) == ["0", "1"]
    put(behind, "2")
    batch = {"RequestItems": {table: {"Keys": [key]}}}
    assert values([behind.batch_get_item(**batch)["Responses"][table][0] for _ in range(2)]) == ["1", "2"]
    put(behind, "3")
    assert [values(behind.scan(TableName=table)["Items"]) for _ in range(2)] == [["2"], ["3"]]
    behind.delete_item(**read)
    assert values([behind.get_item(**read)["Item"]]) == ["3"]
    assert "Item" not in behind.get_item(**read)
    behind.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {**key, "value": {"S": "4"}}}}]})
    query = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "1"}}}
    assert [behind.query(TableName=table, **query)["Count"] for _ in range(2)] == [0, 1]
    with pytest.raises(ClientError, match="conditional"):
        behind.put_item(TableName=table, Item=key, ConditionExpression="attribute_not_exists(id)")
    assert values([behind.get_item(**read)["Item"]]) == ["4"]  # nothing was written
    assert refusal(behind.put_item, TableName=table) == (400, "ValidationException")  # it has no Item


def test_connection_messages(world: World) -> None:
    """A message of more than 128 KB is refused as too large, whoever the connection is."""
    url = f"/_aws/execute-api/{world.probe.outputs['SocketId']}/probe"
    large = {"ConnectionId": "nobody", "Data": b"x" * 140_000}
    statuses = []
    for engine in (world.alone, world.behind):
        posts = client(replace_url(engine, url), "apigatewaymanagementapi")
        statuses.append(refusal(posts.post_to_connection, **large)[0])
    assert statuses == [410, 413]


@dataclass(frozen=True, slots=True)
class _At:
    """What `client` needs of an engine, below a path."""

    url: str


def replace_url(engine: LocalEngine, path: str) -> Any:
    """Return the engine as one below a path."""
    return _At(engine.url + path)


def test_handshakes(world: World) -> None:
    """A handshake has the status with which `$connect` refuses it; a crash is a 502."""
    for action, status in (("none", 401), ("own 502", 502), ("fail", 502)):
        assert refused_handshake(world.alone, world, action) == 403
        assert refused_handshake(world.behind, world, action) == status
    world.double.strike(Fault("Connect", throttled))
    assert refused_handshake(world.behind, world, "none") == 429


def refused_handshake(engine: LocalEngine, world: World, action: str) -> int:
    """Return the status with which the probe's `$connect` refuses a client at a side."""
    with pytest.raises(RefusedError) as refused:
        open_socket(engine, world, action)
    return refused.value.status


def open_socket(engine: LocalEngine, world: World, action: str) -> Socket:
    """Open a connection at a side; `$connect` does what it is told, and a message gets its size."""
    path = f"/_aws/execute-api/{world.probe.outputs['SocketId']}/probe?action={quote(action)}"
    return Socket(engine.url + path)


@pytest.mark.parametrize(
    ("fragments", "code"),
    [
        ([32_769], 1009),
        ([100_000], 1009),
        ([32_768] * 4 + [1], 1009),
        ([32_768] * 4, None),
        ([32_768, 0, 32_768], None),
    ],
    ids=["a frame", "a longer one", "a message", "neither", "an empty frame"],
)
def test_frames(world: World, fragments: list[int], code: int | None) -> None:
    """A frame above 32 KB and a message above 128 KB end the connection with 1009, below they arrive."""
    for engine, expected in ((world.alone, None), (world.behind, code)):
        with open_socket(engine, world, "event") as socket:
            for _ in range(2):  # a message doesn't count for the next one
                socket.send_fragments([b"x" * size for size in fragments], ping=True)
                if expected:
                    with pytest.raises(EOFError) as ended:
                        socket.receive()
                    assert ended.value.args == (expected.to_bytes(2),)
                    break
                assert socket.receive() == str(sum(fragments))


def test_api_headers(world: World) -> None:
    """Headers of more than 10,240 bytes together are refused."""
    behind, headers = replace(world.probe, engine=world.behind), {f"X-{n}": "x" * 5000 for n in "ab"}
    assert behind.get("/named?action=event", headers).status == 200
    headers["X-c"] = "x" * 500
    assert world.probe.get("/named?action=event", headers).status == 200
    response = behind.get("/named?action=event", headers)
    assert (response.status, response.json()) == (431, {"message": "Request Header Fields Too Large"})


def test_api_requests(world: World) -> None:
    """A request of more than 10 MB is refused."""
    body, behind = b"x" * 10_500_000, replace(world.probe, engine=world.behind)
    path = "/named?action=none"
    assert world.probe.api.request("GET", path, body=body).status == 401
    assert behind.api.request("GET", path, body=body).status == 413


def test_api_failures(world: World) -> None:
    """A crash, and a response above 6 MB, are 502s that tell nothing."""
    behind = replace(world.probe, engine=world.behind)
    assert "a class of its own" in world.probe.get("/named?action=fail").text
    assert world.probe.get("/named?action=large").status == 200
    for action in ("fail", "large"):
        response = behind.get(f"/named?action={action}")
        assert (response.status, response.json()) == (502, {"message": "Internal server error"})
    own = behind.get("/named?action=own%20502")
    assert (own.status, own.text) == (502, "my own")


def test_api_timeouts(world: World) -> None:
    """A response that takes longer than an API waits, here one second, is a 504."""
    path = "/named?action=event&seconds=2"
    assert world.probe.get(path).status == 200
    with Double(Script(api_seconds=1)).before(world.alone) as behind:
        response = replace(world.probe, engine=behind).get(path)
    assert (response.status, response.json()) == (504, {"message": "Endpoint request timed out"})


def test_events_of_apis(world: World) -> None:
    """With the double the engine makes events with the last of repeated values, and paths with the stage."""
    behind = replace(world.probe, engine=world.behind)
    fields = [("X-Twice", "1"), ("X-Twice", "2"), ("X-Once", "3, 4")]
    event = behind.api.get_repeating("/named?action=event&x=1&x=2", fields).json()
    assert (event["headers"]["x-twice"], event["multiValueHeaders"]["x-twice"]) == ("2", ["1", "2"])
    assert (event["headers"]["x-once"], event["multiValueHeaders"]["x-once"]) == ("3, 4", ["3, 4"])
    assert event["queryStringParameters"]["x"] == "2"
    assert behind.http_api.get("/a/b?action=event").json()["rawPath"] == "/probe/a/b"


def test_faults(world: World) -> None:
    """A call fails by script: before it has an effect or after, so often, and each so manieth."""
    _, behind = world.sides
    name, table = world.make_function(), make_table(world.alone)
    tables, key = client(world.behind, "dynamodb"), {"id": {"S": "1"}}
    world.double.strike(
        Fault("Lambda.Invoke", throttled),
        Fault("DynamoDB.PutItem", failed, after=True),
        Fault("Api", throttled, every=2),
    )
    assert refusal(behind.invoke, FunctionName=name) == (429, "TooManyRequestsException")
    assert invoke(behind, name)["StatusCode"] == 200
    assert refusal(tables.put_item, TableName=table, Item=key) == (500, "InternalServerError")
    assert client(world.alone, "dynamodb").get_item(TableName=table, Key=key)["Item"] == key
    api = replace(world.probe, engine=world.behind)
    assert [api.get("/named?action=event").status for _ in range(4)] == [200, 429, 200, 200]


def test_functions_call_through_the_double(world: World) -> None:
    """A function without an endpoint of its own calls AWS at the double's."""
    table, name = make_table(world.alone), world.make_function()
    allow(world.alone, name, "dynamodb:*")
    client(world.behind, "dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}})
    payload = json.dumps({"table": table}).encode()
    seen = [json.loads(invoke(world.sides[0], name, payload)["Payload"]) for _ in range(2)]
    assert seen == [None, {"id": {"S": "1"}}]
