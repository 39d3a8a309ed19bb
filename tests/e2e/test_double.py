"""The double's rules for Lambda: for each, that the engine alone is kinder than AWS and behind it isn't.

A test that fails in its first half after an upgrade of the engine is good news: drop the rule.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from silvaengine_cli.deploy import restore_functions, zip_files
from silvaengine_cli.engine import REGION, LocalEngine
from silvaengine_cli.strict import Double, Script

from .strict_world import CODE, World, allow, client, invoke, open_world, refusal


@pytest.fixture(scope="module")
def world(engine_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An engine of this module's own."""
    with open_world(engine_program, tmp_path_factory.mktemp("strict") / "state") as world:
        yield world


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


def test_inactive_versions(world: World) -> None:
    """Each version rests by itself: another one, and the unpublished code, are as they were."""
    alone, behind = world.sides
    name = world.make_function()
    version = alone.publish_version(FunctionName=name)["Version"]
    world.double.make_inactive(name, version)
    assert behind.get_function(FunctionName=name, Qualifier=version)["Configuration"]["State"] == "Inactive"
    assert invoke(behind, name)["StatusCode"] == 200
    assert refusal(behind.invoke, FunctionName=name, Qualifier=version) == (502, "ResourceNotReadyException")
    assert refusal(behind.invoke, FunctionName=f"{name}:{version}") == (409, "ResourceConflictException")
    assert invoke(behind, name, Qualifier=version)["StatusCode"] == 200


def test_unchanged_versions(world: World) -> None:
    """Code that is published again without a change is the version that it was."""
    alone, behind = world.sides
    name = world.make_function()

    def publish(side: Any) -> str:
        side.get_waiter("function_updated_v2").wait(FunctionName=name)
        version: str = side.update_function_code(FunctionName=name, ZipFile=CODE, Publish=True)["Version"]
        return version

    assert [publish(alone), publish(alone)] == ["1", "2"]
    assert [publish(behind), publish(behind)] == ["2", "2"]
    alone.update_function_configuration(FunctionName=name, MemorySize=256)
    assert publish(behind) not in ("1", "2")


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


def calls_logged(engine: LocalEngine, function: str, what: str, wanted: int) -> int:
    """Return how often a function has logged a word, once that is so often as wanted, or after a while."""
    logs, end, found = client(engine, "logs"), time.monotonic() + 10, 0
    while time.monotonic() < end and found < wanted:
        with suppress(ClientError):  # there is no such group yet
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
            found = len([event for event in events if f"called {{'fail': '{what}'" in event["message"]])
    return found


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
