"""Events on a real deployment: a queue's messages, a bucket's objects, a direct call."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli import dead_letters, deploy
from silvaengine_cli.events import SOURCES, sample
from silvaengine_cli.main import cli

from .conftest import REFRESH_SECONDS, Deployment
from .registry_rows import API_KEY, ENDPOINT


@pytest.fixture(scope="module")
def events(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment, whose test functions events may call: they have the contract's default key."""
    tables, prefix = deployment.engine.client("dynamodb"), deployment.outputs.table_prefix
    key = {"endpoint_id": {"S": ENDPOINT}, "api_key": {"S": API_KEY}}
    row = tables.get_item(TableName=f"{prefix}connections", Key=key, ConsistentRead=True)["Item"]
    tables.put_item(TableName=f"{prefix}connections", Item={**row, "api_key": {"S": "#####"}})
    yield deployment
    tables.delete_item(TableName=f"{prefix}connections", Key={**key, "api_key": {"S": "#####"}})


def resource(events: Deployment, name: str) -> str:
    """Return a resource's physical id."""
    found = events.engine.client("cloudformation").describe_stack_resource(
        StackName=deploy.LOCAL_STACK, LogicalResourceId=name
    )
    identifier: str = found["StackResourceDetail"]["PhysicalResourceId"]
    return identifier


def entry(number: int, path: Path, wrong: str = "", **params: Any) -> dict[str, Any]:
    """Return an entry of SendMessageBatch."""
    given = {"path": str(path), "call": f"n{number}", "wrong": wrong, **params}
    return {
        "Id": str(number),
        "MessageBody": json.dumps({"params": given}),
        "MessageAttributes": {
            "endpoint_id": {"DataType": "String", "StringValue": ENDPOINT},
            "funct": {"DataType": "String", "StringValue": "effect"},
        },
    }


def lines(path: Path) -> list[str]:
    """Return the calls that had an effect, in order."""
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def notes_in(path: Path) -> list[Any]:
    """Return the notes that were written."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def eventually[T](look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 60.0) -> T:
    """Look until it is as wanted, or the time is over; return what was seen last."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return seen


def wait_for_lines(path: Path, count: int) -> list[str]:
    """Return the calls that had an effect, once there are so many."""
    return eventually(lambda: lines(path), lambda seen: len(seen) >= count)


class Early(NamedTuple):
    """Where the messages that were sent first leave their effects, and what mends the poisoned one."""

    effects: Path
    mended: Path
    vanished: Path


@pytest.fixture(scope="module", autouse=True)
def early(events: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Early:
    """Send what takes most of a minute; the other tests run meanwhile."""
    folder, sqs = tmp_path_factory.mktemp("early"), events.engine.client("sqs")
    early = Early(*(folder / name for name in Early._fields))
    batch = [entry(n, early.effects, "until" if n == 4 else "", mended=str(early.mended)) for n in range(10)]
    for entries in (batch, [entry(1, early.vanished, "crash")]):
        sqs.send_message_batch(QueueUrl=resource(events, "EventQueue"), Entries=entries)
    return early


@pytest.fixture
def bind(events: Deployment) -> Iterator[Callable[..., None]]:
    """Bind sources to the function `received` as `silvaengine apply` does, as long as a test lasts."""
    tables, name = events.engine.client("dynamodb"), f"{events.outputs.table_prefix}configdata"
    before: list[Any] = []

    def put(setting_id: str, *variables: str, **options: Any) -> None:
        for variable in variables:
            key = {"setting_id": {"S": setting_id}, "variable": {"S": variable}}
            item = tables.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")
            before.append(item or key)
            value = [{"endpoint_id": ENDPOINT, "funct": "received", **options}]
            events.rows.put("configdata", setting_id=setting_id, variable=variable, value=value)
        seen(events)

    yield put
    for item in before:
        tables.put_item(TableName=name, Item=item)
    seen(events)


def seen(events: Deployment) -> None:
    """Let every instance know that the registry has changed: each looks once in a while."""
    changed = time.time_ns()
    events.rows.put("configdata", setting_id="silvaengine", variable="generation", value=changed)
    time.sleep(REFRESH_SECONDS)


def hexadecimal(path: Path) -> str:
    """Return a path as `received` and `stored` take it."""
    return str(path).encode().hex()


def command(events: Deployment, *arguments: str) -> Result:
    """Run the command line against the deployment."""
    target = ("--stack", deploy.LOCAL_STACK, "--endpoint-url", events.engine.url, "--region", "us-east-1")
    return CliRunner().invoke(cli, ["events", *arguments, *target])


def test_a_fifo_group_keeps_its_order_over_a_failure(events: Deployment, tmp_path: Path) -> None:
    """The third of a group fails once: the later ones wait for it, another group doesn't."""
    sqs = events.engine.client("sqs")
    paths = {group: tmp_path / group for group in "ab"}
    for n in range(6):
        for group, path in paths.items():
            sent = entry(n, path, "raise" if (group, n) == ("a", 2) else "")
            del sent["Id"]
            sqs.send_message(QueueUrl=resource(events, "FifoQueue"), MessageGroupId=group, **sent)
    for path in paths.values():
        assert wait_for_lines(path, 6) == [f"n{n}" for n in range(6)]


@pytest.fixture(params=[1, 10], ids=["singly", "in batches"])
def mapping_of_fifo(events: Deployment, request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Changes the FIFO queue's mapping, whose batches have this size; a failed message soon comes again."""
    sqs, url = events.engine.client("sqs"), resource(events, "FifoQueue")
    functions, identifier = events.engine.client("lambda"), resource(events, "FifoQueueMapping")

    def change(**members: Any) -> None:
        functions.update_event_source_mapping(UUID=identifier, **members)

    for size, seconds in ((request.param, "3"), (1, events.parameters["EventQueueVisibilityTimeout"])):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": seconds})
        change(BatchSize=size)
        if seconds == "3":
            yield change


def test_the_messages_behind_a_poisoned_one_are_done_in_order(
    events: Deployment, mapping_of_fifo: Callable[..., None], tmp_path: Path
) -> None:
    """It fails at each of its receives and is dead then, alone; those behind it run once, none is lost."""
    path, sqs = tmp_path / "effects", events.engine.client("sqs")
    mapping_of_fifo(Enabled=False)  # so that they come together
    for n in range(5):
        sent = entry(n, path, "always" if n == 0 else "")
        del sent["Id"]
        sqs.send_message(QueueUrl=resource(events, "FifoQueue"), MessageGroupId=path.parent.name, **sent)
    mapping_of_fifo(Enabled=True)
    assert wait_for_lines(path, 4) == ["n1", "n2", "n3", "n4"]
    dead = eventually(lambda: drained(events, "FifoDeadLetterQueue"), bool)
    assert [json.loads(each["Body"])["params"]["call"] for each in dead] == ["n0"]


def test_objects_with_odd_names_arrive_as_they_were_stored(events: Deployment, tmp_path: Path) -> None:
    """Spaces, plus, unicode, percent signs and a second colon come through the notification of the bucket."""
    path, s3 = tmp_path / "notes", events.engine.client("s3")
    names = ["a b", "a+b", "ü", "100%", "plain"]
    folder = f"{ENDPOINT}/stored/at:{hexadecimal(path)}/when:10:30"
    for name in names:
        s3.put_object(Bucket="e2e-inbox", Key=f"{folder}/{name}.csv", Body=b"x")
    told = eventually(lambda: notes_in(path), lambda seen: len(seen) == len(names))
    assert sorted((note["id"], note["key"], note["bucket"], note["when"]) for note in told) == sorted(
        (name, f"{folder}/{name}.csv", "e2e-inbox", "10:30") for name in names
    )


def test_topic_rule_and_stream_of_the_stack_arrive(
    events: Deployment, bind: Callable[..., None], tmp_path: Path
) -> None:
    """What the template's parameters brought calls the functions that are bound to it."""
    heard, ruled, streamed = (tmp_path / name for name in ("heard", "ruled", "streamed"))
    bind("silvaengine_events", "rule:stack")
    bind("dynamodb_stream_config", "orders")
    events.engine.client("sns").publish(
        TopicArn=events.parameters["EventTopicArn"],
        Message=json.dumps({"params": {"at": hexadecimal(heard), "n": 1}}),
        MessageAttributes={
            "endpoint_id": {"DataType": "String", "StringValue": ENDPOINT},
            "funct": {"DataType": "String", "StringValue": "stored"},
        },
    )
    detail = json.dumps({"at": hexadecimal(ruled)})
    events.engine.client("events").put_events(
        Entries=[{"Source": "shop", "DetailType": "Order", "Detail": detail}]
    )
    for n in range(3):
        item = {"id": {"S": "one"}, "n": {"N": str(n)}, "at": {"S": hexadecimal(streamed)}}
        events.engine.client("dynamodb").put_item(TableName="orders", Item=item)
    assert eventually(lambda: notes_in(heard), bool) == [{"n": 1}]
    (note,) = eventually(lambda: notes_in(ruled), bool)
    assert (note["source"], note["detail-type"]) == ("shop", "Order")
    changes = eventually(lambda: notes_in(streamed), lambda seen: len(seen) == 3)
    assert [change["n"] for change in changes] == ["0", "1", "2"]


def test_a_bound_queues_messages_come_together(
    events: Deployment, bind: Callable[..., None], tmp_path: Path
) -> None:
    """Messages that name no function reach the one that wants many of them, each once."""
    url, path = resource(events, "EventQueue"), tmp_path / "notes"
    bind("silvaengine_events", f"queue:{url.rpartition('/')[2]}", batch=True)
    entries = [
        {"Id": str(n), "MessageBody": json.dumps({"at": hexadecimal(path), "n": n})} for n in range(10)
    ]
    events.engine.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    notes = eventually(lambda: notes_in(path), lambda seen: len(seen) == 10)
    assert sorted(note["n"] for note in notes) == list(range(10))
    assert max(note["together"] for note in notes) > 1


def test_a_user_pools_trigger_decides(events: Deployment) -> None:
    """A real sign-up passes where the pool's hook lets it, and is refused with the hook's own words."""
    cognito = events.engine.client("cognito-idp")
    triggers = {"PreSignUp": events.outputs.tasks_events_arn}
    pool = cognito.create_user_pool(PoolName="people", LambdaConfig=triggers)["UserPool"]["Id"]
    app = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
    hook = {"module_name": "e2e_functions", "class_name": "Hooks", "function_name": "pre_sign_up"}
    for name, value in hook.items():
        events.rows.put("configdata", setting_id="e2e-pool", variable=f"cognito_hooks_{name}", value=value)
    events.rows.put("configdata", setting_id="e2e-pool", variable="domain", value="example.com")
    events.rows.put("configdata", setting_id="general", variable=pool, value="e2e-pool")
    seen(events)
    cognito.sign_up(ClientId=app, Username="ada@example.com", Password="Passw0rd!")
    with pytest.raises(cognito.exceptions.ClientError, match="Only example"):
        cognito.sign_up(ClientId=app, Username="eve@evil.com", Password="Passw0rd!")


@pytest.mark.parametrize("source", SOURCES)
def test_each_sample_event_is_served_by_the_demo(events: Deployment, source: str) -> None:
    """What `silvaengine events send` ships reaches a function of the demo."""
    sent = command(events, "send", source)
    assert sent.exit_code == 0, sent.output
    expected = {"direct": "order", "cognito": "tenant", "lex": "in the oven"}
    assert expected.get(source, "") in sent.output


def test_an_internal_function_is_called_by_functions_and_not_by_clients(events: Deployment) -> None:
    """To a client it is missing; a direct invoke, as functions send it, calls it as events do."""
    assert events.api.get("/core/demo/heard").status == 404
    direct = json.dumps({"endpoint_id": "demo", "funct": "heard", "params": {"n": 1}})
    done = events.engine.client("lambda").invoke(FunctionName=events.outputs.tasks_arn, Payload=direct)
    assert "endpoint_id" in json.loads(done["Payload"].read())["heard"]


def test_an_event_that_fails_says_so(events: Deployment, tmp_path: Path) -> None:
    """An event of a function that doesn't exist exits with 1, in the form of its source."""
    for source, told in (("sqs", "batchItemFailures"), ("direct", "does not exist")):
        path = tmp_path / source
        path.write_text(json.dumps(sample(source)).replace("heard", "nowhere"))
        sent = command(events, "send", source, "--file", str(path))
        assert sent.exit_code == 1
        assert told in sent.output


def test_nine_messages_are_done_once_and_the_poisoned_one_is_dead(
    events: Deployment, early: Early, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fourth of ten fails at every receive: after exactly five it is dead, and the operator reads why.

    Replayed, once it is mended, it is done.
    """
    monkeypatch.setattr(dead_letters, "HOLD_SECONDS", 2)

    def dead() -> list[Any]:
        found: list[Any] = json.loads(command(events, "dead", "--json").output)
        return found

    (told,) = eventually(dead, bool, 120)
    assert (told["function"], told["attempts"], told["cause"]) == ("effect", 5, "RuntimeError")
    assert Counter(lines(early.effects)) == {f"n{n}": 1 for n in range(10) if n != 4}
    early.mended.touch()
    replayed = "sent back to its queue"  # once what was looked at is back in its own
    assert replayed in eventually(
        lambda: command(events, "replay", "--dlq", "--yes").output, lambda said: replayed in said
    )
    assert Counter(wait_for_lines(early.effects, 10)) == {f"n{n}": 1 for n in range(10)}


def test_a_worker_that_vanished_costs_no_message(early: Early) -> None:
    """Its message is hidden until the lease ends, and so has receives left for the second attempt."""
    assert eventually(lambda: lines(early.vanished), bool, 90) == ["n1"]
    assert early.vanished.read_text().split()[2] == "2"


def test_a_warm_batch_of_ten_takes_three_calls_a_record(events: Deployment, tmp_path: Path) -> None:
    """Ten claims, ten Invokes, ten settlements; of the registry only the look once in a while."""
    record, path = sample("sqs")["Records"][0], tmp_path / "effects"
    named = {"endpoint_id": {"stringValue": ENDPOINT}, "funct": {"stringValue": "effect"}}
    wanted = {"DynamoDB.PutItem": 10, "Lambda.Invoke": 10, "DynamoDB.UpdateItem": 10}
    for attempt in range(10):  # until one finds everything read, and no other message comes
        body = [json.dumps({"params": {"path": str(path), "call": f"{attempt}.{n}"}}) for n in range(10)]
        batch = [
            {**record, "messageId": f"{attempt}.{n}", "body": body[n], "messageAttributes": named}
            for n in range(10)
        ]
        with events.proxy.recorded() as calls:
            response = events.engine.client("lambda").invoke(
                FunctionName=events.outputs.tasks_events_arn, Payload=json.dumps({"Records": batch}).encode()
            )
        assert json.loads(response["Payload"].read()) == {"batchItemFailures": []}
        counted = Counter(calls)
        looks = counted.pop("DynamoDB.GetItem", 0)
        if looks <= 1 and counted == wanted:
            break
    assert (counted, looks <= 1) == (wanted, True)


@pytest.fixture
def two_readers(events: Deployment) -> Iterator[None]:
    """The queue's mapping with two batches at a time: twenty workers are what this machine has room for."""
    functions, queue = events.engine.client("lambda"), resource(events, "EventQueue").rpartition("/")[2]
    mappings = functions.list_event_source_mappings(FunctionName=events.outputs.tasks_events_arn)
    (mapping,) = (
        each["UUID"]
        for each in mappings["EventSourceMappings"]
        if each["EventSourceArn"].rpartition(":")[2] == queue
    )
    for batches in (2, 10):
        functions.update_event_source_mapping(UUID=mapping, ScalingConfig={"MaximumConcurrency": batches})
        if batches == 2:
            yield


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("two_readers")
@pytest.mark.parametrize("messages", [100, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_of_many_messages_each_is_done_once_or_dead(
    events: Deployment, early: Early, tmp_path: Path, messages: int
) -> None:
    """A fifth goes wrong, before or after the effect, and a few fail for good: none is lost, none is both.

    Who fails after the effect has it twice: that is what the fencing token is for.
    """
    early.mended.touch()  # by day another test has; else one of those is dead, too
    path, sqs = tmp_path / "effects", events.engine.client("sqs")
    wrong = {n: {1: "raise", 2: "late"}.get(n % 10, "") for n in range(messages)}
    wrong |= dict.fromkeys(range(0, messages, 50), "always")
    for start in range(0, messages, 10):
        entries = [entry(n, path, wrong[n]) for n in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=resource(events, "EventQueue"), Entries=entries)
    hopeless = {f"n{n}" for n, fault in wrong.items() if fault == "always"}

    def dead() -> int:
        response = sqs.get_queue_attributes(
            QueueUrl=resource(events, "EventDeadLetterQueue"), AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(response["Attributes"]["ApproximateNumberOfMessages"])

    assert eventually(dead, lambda count: count == len(hopeless), 240) == len(hopeless)
    done = Counter(
        eventually(lambda: lines(path), lambda seen: len(set(seen)) == messages - len(hopeless), 180)
    )
    twice = {f"n{n}" for n, fault in wrong.items() if fault == "late"}
    assert set(done) == {f"n{n}" for n in range(messages)} - hopeless
    assert {call for call, times in done.items() if times > 1} <= twice
    letters = [json.loads(each["Body"])["params"]["call"] for each in drained(events)]
    assert sorted(letters) == sorted(hopeless)


def drained(events: Deployment, queue: str = "EventDeadLetterQueue") -> list[Any]:
    """Take everything out of a dead-letter queue."""
    sqs, url, taken = events.engine.client("sqs"), resource(events, queue), list[Any]()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            taken.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return taken
