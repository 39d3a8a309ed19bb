"""Events on a real deployment: a queue's messages, a bucket's objects, a direct call."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli import deploy

from .conftest import Deployment
from .registry_rows import API_KEY, ENDPOINT


@pytest.fixture(scope="module")
def events(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment, whose test functions events may call: they have the contract's default key."""
    tables, prefix = deployment.engine.client("dynamodb"), deployment.outputs.table_prefix
    key = {"endpoint_id": {"S": ENDPOINT}, "api_key": {"S": API_KEY}}
    row = tables.get_item(TableName=f"{prefix}connections", Key=key)["Item"]
    tables.put_item(TableName=f"{prefix}connections", Item={**row, "api_key": {"S": "#####"}})
    yield deployment
    tables.delete_item(TableName=f"{prefix}connections", Key={**key, "api_key": {"S": "#####"}})


def resource(events: Deployment, name: str) -> str:
    """Give a resource's physical id."""
    found = events.engine.client("cloudformation").describe_stack_resource(
        StackName=deploy.LOCAL_STACK, LogicalResourceId=name
    )
    identifier: str = found["StackResourceDetail"]["PhysicalResourceId"]
    return identifier


def entry(number: int, path: Path, wrong: str = "") -> dict[str, Any]:
    """Give an entry of SendMessageBatch."""
    return {
        "Id": str(number),
        "MessageBody": json.dumps({"params": {"path": str(path), "call": f"n{number}", "wrong": wrong}}),
        "MessageAttributes": {
            "endpoint_id": {"DataType": "String", "StringValue": ENDPOINT},
            "funct": {"DataType": "String", "StringValue": "effect"},
        },
    }


def lines(path: Path) -> Counter[str]:
    """Count the effects of each call."""
    return Counter(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else Counter()


def test_nine_messages_are_done_once_and_the_poisoned_one_is_dead(events: Deployment, tmp_path: Path) -> None:
    """Of a batch of ten the fourth fails at every receive; it lies in the dead-letter queue after five."""
    path, sqs = tmp_path / "effects", events.engine.client("sqs")
    batch = [entry(n, path, "always" if n == 4 else "") for n in range(10)]
    sqs.send_message_batch(QueueUrl=resource(events, "EventQueue"), Entries=batch)
    dead: list[Any] = []
    deadline = time.monotonic() + 60
    while not dead and time.monotonic() < deadline:
        dead = sqs.receive_message(
            QueueUrl=resource(events, "EventDeadLetterQueue"), WaitTimeSeconds=1, AttributeNames=["All"]
        ).get("Messages", [])
    assert [json.loads(message["Body"])["params"]["call"] for message in dead] == ["n4"]
    assert lines(path) == {f"n{n}": 1 for n in range(10) if n != 4}
    sqs.delete_message(
        QueueUrl=resource(events, "EventDeadLetterQueue"), ReceiptHandle=dead[0]["ReceiptHandle"]
    )


def test_objects_with_odd_names_arrive_as_they_were_stored(events: Deployment, tmp_path: Path) -> None:
    """Spaces, plus, unicode, percent signs and a second colon come through a real notification."""
    path, s3 = tmp_path / "notes", events.engine.client("s3")
    s3.create_bucket(Bucket="inbox")
    notify = {"LambdaFunctionArn": events.outputs.tasks_arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="inbox", NotificationConfiguration={"LambdaFunctionConfigurations": [notify]}
    )
    names = ["a b", "a+b", "ü", "100%", "plain"]
    folder = f"{ENDPOINT}/stored/at:{str(path).encode().hex()}/when:10:30"
    for name in names:
        s3.put_object(Bucket="inbox", Key=f"{folder}/{name}.csv", Body=b"x")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len(notes_in(path)) < len(names):
        time.sleep(0.2)
    told = sorted((note["id"], note["key"], note["bucket"], note["when"]) for note in notes_in(path))
    assert told == sorted((name, f"{folder}/{name}.csv", "inbox", "10:30") for name in names)


def notes_in(path: Path) -> list[Any]:
    """Give the notes that were written."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_direct_call_gives_the_result_or_fails(events: Deployment) -> None:
    """Packages that invoke the tasks Lambda get the function's JSON text, and an error as one."""
    answers = []
    for funct in ("settings", "nowhere"):
        call = json.dumps({"endpoint_id": ENDPOINT, "funct": funct}).encode()
        answers.append(
            events.engine.client("lambda").invoke(FunctionName=events.outputs.tasks_arn, Payload=call)
        )
    assert "greeting" in json.loads(json.loads(answers[0]["Payload"].read()))
    assert answers[1]["FunctionError"] == "Unhandled"
    assert "does not exist" in json.loads(answers[1]["Payload"].read())["errorMessage"]


def told(path: Path, count: int, seconds: float = 30.0) -> list[Any]:
    """Wait for so many notes; give them."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and len(notes_in(path)) < count:
        time.sleep(0.2)
    return notes_in(path)


def bind(events: Deployment, variable: str, **options: Any) -> None:
    """Bind a source to the function `received`, as `silvaengine apply` does."""
    value = [{"endpoint_id": ENDPOINT, "funct": "received", **options}]
    events.rows.put("configdata", setting_id="silvaengine_events", variable=variable, value=value)
    events.rows.put("configdata", setting_id="silvaengine", variable="generation", value=variable)


def test_a_topics_messages_arrive(events: Deployment, tmp_path: Path) -> None:
    """A message that names its function comes through a real subscription."""
    sns, path = events.engine.client("sns"), tmp_path / "notes"
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=events.outputs.tasks_arn)
    sns.publish(
        TopicArn=topic,
        Message=json.dumps({"params": {"at": str(path).encode().hex(), "n": 1}}),
        MessageAttributes={
            "endpoint_id": {"DataType": "String", "StringValue": ENDPOINT},
            "funct": {"DataType": "String", "StringValue": "stored"},
        },
    )
    assert told(path, 1) == [{"n": 1}]


def test_a_rules_event_arrives_with_the_rules_name(events: Deployment, tmp_path: Path) -> None:
    """A bound function gets an event through a real rule, whose input transformer says which one it is."""
    bus, path = events.engine.client("events"), tmp_path / "notes"
    bind(events, "rule:orders")
    bus.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"]}))
    template = '{"rule": "<aws.events.rule-name>", "event": <aws.events.event.json>}'
    transformer = {"InputTemplate": template, "InputPathsMap": {}}
    target = {"Id": "tasks", "Arn": events.outputs.tasks_arn, "InputTransformer": transformer}
    bus.put_targets(Rule="orders", Targets=[target])
    detail = json.dumps({"at": str(path).encode().hex()})
    time.sleep(5)  # until every instance has looked at the registry's generation
    bus.put_events(Entries=[{"Source": "shop", "DetailType": "Order", "Detail": detail}])
    (note,) = told(path, 1)
    assert (note["source"], note["detail-type"]) == ("shop", "Order")


def test_a_user_pools_trigger_decides(events: Deployment) -> None:
    """A real sign-up passes where the pool's hook lets it, and is refused with the hook's own words."""
    cognito = events.engine.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people", LambdaConfig={"PreSignUp": events.outputs.tasks_arn})[
        "UserPool"
    ]["Id"]
    app = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
    hook = {"module_name": "e2e_functions", "class_name": "Hooks", "function_name": "pre_sign_up"}
    events.rows.put("configdata", setting_id="general", variable=pool, value="e2e-pool")
    for name, value in hook.items():
        events.rows.put("configdata", setting_id="e2e-pool", variable=f"cognito_hooks_{name}", value=value)
    events.rows.put("configdata", setting_id="e2e-pool", variable="domain", value="example.com")
    events.rows.put("configdata", setting_id="silvaengine", variable="generation", value="pool")
    time.sleep(5)  # as above
    cognito.sign_up(ClientId=app, Username="ada@example.com", Password="Passw0rd!")
    with pytest.raises(cognito.exceptions.ClientError, match="Only example"):
        cognito.sign_up(ClientId=app, Username="eve@evil.com", Password="Passw0rd!")
