"""The double's rules: for each, that the engine alone is kinder than AWS, and that with the double it is not.

A test that fails in its first half after an upgrade of the engine is good news: drop the rule.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from silvaengine_cli import AwsClient
from silvaengine_cli.deploy import restore_functions, zip_files
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine, local_engine
from silvaengine_cli.strict import Double, Fault, Script, failed, throttled

from .probe import Probe, deploy_probe

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
CODE = zip_files(
    {
        "main.py": b"""
from botocore.session import Session

def handler(event, context):
    print("called", event)
    if event.get("fail"):
        raise ValueError("no")
    if "table" in event:
        tables = Session().create_client("dynamodb", "us-east-1")
        return tables.get_item(TableName=event["table"], Key={"id": {"S": "1"}}).get("Item")
    if "invoke" in event:
        functions = Session().create_client("lambda", "us-east-1")
        return functions.invoke(InvocationType="Event", **event["invoke"])["StatusCode"]
    return event.get("size", 0) * "x"
"""
    }
)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class World:
    """An engine, as it is and behind the double."""

    double: Double
    alone: LocalEngine
    behind: LocalEngine
    probe: Probe

    @property
    def sides(self) -> tuple[AwsClient, AwsClient]:
        """Lambda's clients that repeat nothing, of the engine and of the double."""
        return client(self.alone, "lambda"), client(self.behind, "lambda")

    def make_role(self) -> str:
        """Make a role, past the double; return its ARN."""
        name = f"role-{next(_numbers)}"
        roles = client(self.alone, "iam")
        arn: str = roles.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        return arn

    def make_function(self, side: LocalEngine | None = None, **members: Any) -> str:
        """Make a function, past the double unless at a side; return its name."""
        name = f"function-{next(_numbers)}"
        settings = {"Role": self.make_role()} if "Role" not in members else {}
        client(side or self.alone, "lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="main.handler",
            Code={"ZipFile": CODE},
            **settings,
            **members,
        )
        return name


@pytest.fixture(scope="module")
def world(engine_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An engine of this module's own; what passes by itself passes after one call, and never by time."""
    script = Script(calls=1, seconds=3600, stale_seconds=3600, throttle_every=0)
    state = tmp_path_factory.mktemp("strict") / "state"
    double = Double(script)
    with local_engine(engine_program, state, double=double) as behind:
        alone = replace(behind, port=int((state / "port").read_text()))
        yield World(double, alone, behind, deploy_probe(alone))


def client(engine: LocalEngine, service: str) -> AwsClient:
    """Return a client that repeats nothing."""
    options: Any = {"config": Config(retries={"total_max_attempts": 1}, parameter_validation=False)}
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
    return boto3.client(service, region_name=REGION, endpoint_url=engine.url, **keys, **options)  # type: ignore[call-overload]


def invoke(functions: AwsClient, name: str, payload: bytes = b"{}", **options: Any) -> Any:
    """Invoke a function; return Lambda's response with its payload read."""
    response = functions.invoke(FunctionName=name, Payload=payload, **options)
    return {**response, "Payload": response["Payload"].read()}


def code_of(error: ClientError) -> tuple[int, str]:
    """Return an error's status and code."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def refusal(call: Any, **members: Any) -> tuple[int, str]:
    """Return status and code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    return code_of(caught.value)


def test_pending_functions(world: World) -> None:
    """A function, and a version, that was just made can't be invoked until it is Active."""
    alone, behind = world.sides
    assert invoke(alone, world.make_function())["StatusCode"] == 200
    name = world.make_function(world.behind)
    assert refusal(behind.invoke, FunctionName=name) == (409, "ResourceConflictException")
    assert invoke(behind, name)["StatusCode"] == 200
    version = behind.publish_version(FunctionName=name)["Version"]
    seen = behind.get_function_configuration(FunctionName=name, Qualifier=version)
    assert (seen["State"], invoke(behind, name, Qualifier=version)["StatusCode"]) == ("Pending", 200)
    alone.update_function_code(FunctionName=name, ZipFile=zip_files({"main.py": b"handler = print"}))
    other = behind.publish_version(FunctionName=name)["Version"]
    alone.create_alias(FunctionName=name, Name="live", FunctionVersion=other)
    assert refusal(behind.invoke, FunctionName=f"{name}:live") == (409, "ResourceConflictException")


def test_inactive_functions(world: World) -> None:
    """A function that rested is refused once as not ready, then as Pending, then it runs."""
    alone, behind = world.sides
    name = world.make_function()
    world.double.make_inactive(name)
    assert alone.get_function(FunctionName=name)["Configuration"]["State"] != "Inactive"
    assert behind.get_function(FunctionName=name)["Configuration"]["State"] == "Inactive"
    assert refusal(behind.invoke, FunctionName=name) == (502, "ResourceNotReadyException")
    assert refusal(behind.invoke, FunctionName=name) == (409, "ResourceConflictException")
    assert invoke(behind, name)["StatusCode"] == 200


def test_updates_in_progress(world: World) -> None:
    """A function whose update is in progress takes no other one, and runs meanwhile."""
    alone, behind = world.sides
    name = world.make_function()
    alone.update_function_configuration(FunctionName=name, Timeout=4)
    assert alone.update_function_configuration(FunctionName=name, Timeout=5)["Timeout"] == 5
    done = behind.update_function_code(FunctionName=name, ZipFile=CODE)
    assert done["LastUpdateStatus"] == "InProgress"
    assert invoke(behind, name)["StatusCode"] == 200
    again = {"FunctionName": name, "Timeout": 6}
    assert refusal(behind.update_function_configuration, **again) == (409, "ResourceConflictException")
    assert behind.update_function_configuration(**again)["Timeout"] == 6


def test_control_plane_throttles(world: World) -> None:
    """Every so manieth call of the control plane is a 429, which boto3 repeats; GetFunction isn't."""
    with Double(Script(throttle_every=2)).before(world.alone) as behind:
        functions, missing = client(behind, "lambda"), {"FunctionName": "nobody"}
        functions.list_functions()
        assert refusal(functions.get_account_settings) == (429, "TooManyRequestsException")
        assert {refusal(functions.get_function, **missing)[0] for _ in range(3)} == {404}
        for _ in range(3):
            behind.client("lambda").list_functions()


def test_payloads(world: World) -> None:
    """What is larger than Lambda takes is refused, and a larger result is an error."""
    alone, behind = world.sides
    name, large, event = world.make_function(), b'"%s"' % (b"x" * 7_000_000), b'"%s"' % (b"x" * 1_100_000)
    assert invoke(alone, name, b"{}" + b" " * 7_000_000)["StatusCode"] == 200
    assert refusal(behind.invoke, FunctionName=name, Payload=large) == (413, "RequestTooLargeException")
    as_event = {"FunctionName": name, "Payload": event, "InvocationType": "Event"}
    assert alone.invoke(**as_event)["StatusCode"] == 202
    assert refusal(behind.invoke, **as_event) == (413, "RequestTooLargeException")
    assert "FunctionError" not in invoke(alone, name, b'{"size": 7000000}')
    result = invoke(behind, name, b'{"size": 7000000}')
    error = json.loads(result["Payload"])["errorType"]
    assert (result["FunctionError"], error) == ("Unhandled", "Function.ResponseSizeTooLarge")


def test_contents(world: World) -> None:
    """A payload that isn't JSON is refused; what is in one that is, is nobody's business."""
    alone, behind = world.sides
    name = world.make_function()
    assert invoke(alone, name, b"{not json")["StatusCode"] == 200
    refused = refusal(behind.invoke, FunctionName=name, Payload=b"{not json")
    assert refused == (400, "InvalidRequestContentException")
    assert invoke(behind, name, b'{"Publish": true, "TableName": 1}')["StatusCode"] == 200


def test_environments(world: World) -> None:
    """Environment variables of more than 4 KB are refused."""
    alone, behind = world.sides
    change = {"FunctionName": world.make_function(), "Environment": {"Variables": {"X": "x" * 4096}}}
    assert alone.update_function_configuration(**change)["Environment"]["Variables"]["X"]
    refused = refusal(behind.update_function_configuration, **change)
    assert refused == (400, "InvalidParameterValueException")


def test_tenant_ids(world: World) -> None:
    """A tenant's id is demanded where tenants are isolated, and refused elsewhere."""
    alone, behind = world.sides
    isolated = world.make_function(TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    plain = world.make_function()
    tenant: dict[str, Any] = {"TenantId": "acme"}
    assert invoke(alone, isolated)["StatusCode"] == invoke(alone, plain, **tenant)["StatusCode"] == 200
    assert refusal(behind.invoke, FunctionName=isolated) == (400, "InvalidParameterValueException")
    assert refusal(behind.invoke, FunctionName=plain, **tenant) == (400, "InvalidParameterValueException")
    of_stack = world.probe.outputs["Isolated"]
    assert refusal(behind.invoke, FunctionName=of_stack) == (400, "InvalidParameterValueException")
    assert invoke(behind, isolated, **tenant)["StatusCode"] == invoke(behind, plain)["StatusCode"] == 200


def test_qualified_events(world: World) -> None:
    """An Event of a version is retried as that version's own configuration says, and sent on at last."""
    alone, behind = world.sides
    sqs, name = client(world.alone, "sqs"), world.make_function()
    queue = sqs.create_queue(QueueName="failed-events")["QueueUrl"]
    version = alone.publish_version(FunctionName=name)["Version"]
    alone.put_function_event_invoke_config(
        FunctionName=name,
        Qualifier=version,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:000000000000:failed-events"}},
    )
    event = {"FunctionName": name, "Qualifier": version, "InvocationType": "Event"}
    alone.invoke(**event, Payload=b'{"fail": "alone"}')
    assert behind.invoke(**event, Payload=b'{"fail": "behind"}')["StatusCode"] == 202
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestPayload"] == {"fail": "behind"}
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert "errorMessage" in record["responsePayload"]
    assert calls_logged(world.alone, name, "alone", 3) == 3
    assert calls_logged(world.alone, name, "behind", 1) == 1


def test_a_role_may_send_qualified_events(world: World) -> None:
    """Who may not invoke a version is refused; who may needs nothing that the role hasn't got."""
    alone = world.sides[0]
    called, caller = world.make_function(), world.make_function()
    version = alone.publish_version(FunctionName=called)["Version"]
    event = {"invoke": {"FunctionName": called, "Qualifier": version, "Payload": '{"fail": "asked"}'}}
    payload = json.dumps(event).encode()
    assert b"AccessDenied" in invoke(alone, caller, payload)["Payload"]
    allow(world.alone, caller, "lambda:InvokeFunction")
    assert invoke(alone, caller, payload)["Payload"] == b"202"
    assert calls_logged(world.alone, called, "asked", 3) == 3


def allow(engine: LocalEngine, function: str, action: str) -> None:
    """Let a function's role do something, as said at a side."""
    role = client(engine, "lambda").get_function_configuration(FunctionName=function)["Role"]
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client(engine, "iam").put_role_policy(
        RoleName=role.rpartition("/")[2], PolicyName="allowed", PolicyDocument=document
    )


def calls_logged(engine: LocalEngine, function: str, what: str, wanted: int) -> int:
    """Return how often a function has logged a word, once that is so often as wanted, or after a while."""
    logs, end, found = client(engine, "logs"), time.monotonic() + 10, 0
    while time.monotonic() < end and found < wanted:
        with suppress(ClientError):  # there is no such group yet
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
            found = len([event for event in events if f"called {{'fail': '{what}'" in event["message"]])
    return found


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


def make_table(engine: LocalEngine) -> str:
    """Make a table whose key is `id`; return its name."""
    name = f"table-{next(_numbers)}"
    client(engine, "dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return name


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


def test_a_deployment_waits_for_updates(world: World, tmp_path: Path) -> None:
    """Code that is updated twice at once is updated twice: the second update waits for the first."""
    name = world.make_function()
    for path, text in (
        ("services/x/lambdas.toml", "[Only]"),
        (".aws-sam/build/Only/main.py", "handler = id"),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    outputs: Any = SimpleNamespace(function_arns={"Only": name})
    for _ in range(2):
        restore_functions(tmp_path, world.behind, outputs)
    state = world.sides[1].get_function(FunctionName=name)["Configuration"]
    assert state["LastUpdateStatus"] == "Successful"


def test_functions_call_through_the_double(world: World) -> None:
    """A function without an endpoint of its own calls AWS at the double's."""
    table, name = make_table(world.alone), world.make_function()
    allow(world.alone, name, "dynamodb:*")
    client(world.behind, "dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}})
    payload = json.dumps({"table": table}).encode()
    seen = [json.loads(invoke(world.sides[0], name, payload)["Payload"]) for _ in range(2)]
    assert seen == [None, {"id": {"S": "1"}}]
