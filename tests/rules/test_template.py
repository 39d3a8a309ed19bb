"""What the local engine drops or does not enforce is read off the template after its transforms."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.ledger.large_payloads import PREFIX
from silvaengine.ledger.store import Ledger
from silvaengine.protocol.messages import ExecutionRef
from silvaengine.tables import DUE_INDEX, TABLES, WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX, Table
from silvaengine_cli.deploy import lambdas
from silvaengine_cli.preflight.template import Resources
from silvaengine_tasks.sources import EVENTS_ALIAS
from silvaengine_tasks.sources.eventbridge import EventBridgeSource
from silvaengine_tasks.usage import log_events

from .conftest import ALWAYS, LAMBDAS, PROJECT, TEMPLATE

EXECUTIONS = "arn:aws:dynamodb:eu-central-1:111122223333:table/se-executions"
FUNCTION_ARN = "arn:aws:lambda:eu-central-1:111122223333:function:"
INVOKED = {f"{FUNCTION_ARN}silvaengine-Worker", f"{FUNCTION_ARN}silvaengine-pkg-*"}
TOPIC = "arn:aws:sns:eu-central-1:111122223333:failures"
NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


def test_a_lambda_is_declared_in_its_folder_and_in_the_template() -> None:
    """Packaging and the development server know the Lambdas of the template, and its outputs their ARNs."""
    declared = lambdas(PROJECT)
    sources = {name: function["Properties"]["CodeUri"].rstrip("/") for name, function in LAMBDAS.items()}
    assert {name: source.folder for name, source in declared.items()} == sources
    assert {f"{name}Arn" for name in LAMBDAS} <= TEMPLATE["Outputs"].keys()
    for name, source in declared.items():
        package = PROJECT / source.folder / LAMBDAS[name]["Properties"]["Handler"].partition(".")[0]
        assert list(package.parent.glob("silvaengine_*/")) == [package]


def of_type(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    """Select the resources of one CloudFormation type, without those of an HTTP API: see test_http_api.py."""
    found = {name: resource for name, resource in resources.items() if resource["Type"] == kind}
    return {name: resource for name, resource in found.items() if resource.get("Condition") != "IsHttpApi"}


def table(resources: Resources, name: str) -> dict[str, Any]:
    """Find a table by its full name."""
    tables = of_type(resources, "AWS::DynamoDB::Table").values()
    (found,) = (each for each in tables if each["Properties"]["TableName"] == name)
    return found


def as_list(value: Any) -> list[Any]:
    """Take one thing or a list of them, as IAM does."""
    return value if isinstance(value, list) else [value]


def statements(resources: Resources, function: str) -> list[dict[str, Any]]:
    """Collect the statements of a function's role."""
    role = f"{function}Role"
    documents = [policy["PolicyDocument"] for policy in resources[role]["Properties"]["Policies"]]
    documents += [
        policy["Properties"]["PolicyDocument"]
        for policy in of_type(resources, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
    ]
    return [statement for document in documents for statement in document["Statement"]]


def rights(resources: Resources, function: str) -> dict[str, set[str]]:
    """Collect the resources that a function's role reaches, by action."""
    found: dict[str, set[str]] = {}
    for statement in statements(resources, function):
        condition = f" if {statement['Condition']}" if "Condition" in statement else ""
        for action in as_list(statement["Action"]):
            arns = (
                arn.get("Fn::Sub", arn) if isinstance(arn, dict) else arn
                for arn in as_list(statement["Resource"])
            )
            reached = {f"{arn}{condition}" for arn in arns}
            found.setdefault(action, set()).update(reached)
    return found


def bucket(folder: str) -> str:
    """Name a folder of the bucket, as a policy does."""
    return f"arn:aws:s3:::{{'Ref': 'PayloadBucket'}}/{folder}/*"


# What was cleared in the caches lies in rows of its own; no role that functions share reads another one.
KEY_USES = (
    "arn:aws:dynamodb:eu-central-1:111122223333:table/se-configdata if "
    "{'ForAllValues:StringEquals': {'dynamodb:LeadingKeys': ['silvaengine:keys']}}"
)
CLEARS = (
    "arn:aws:dynamodb:eu-central-1:111122223333:table/se-configdata if "
    "{'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['silvaengine:cache:*']}}"
)
REPORTS = (
    "arn:aws:dynamodb:eu-central-1:111122223333:table/se-configdata if "
    "{'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['silvaengine:outcomes:silvaengine-pkg-*']}}"
)
GENERATION = (
    "arn:aws:dynamodb:eu-central-1:111122223333:table/se-configdata if "
    "{'ForAllValues:StringEquals': {'dynamodb:LeadingKeys': ['silvaengine']}}"
)
PACKAGES_TABLE = "arn:aws:dynamodb:eu-central-1:111122223333:table/se-packages"
ATTRIBUTES = [
    *("function_arn", "item", "release", "left", "previous", "canary", "revision", "changed_at", "by"),
    *("started_at", "looked_at", "notice"),
]
PACKAGES_OF_THE_STACK = "arn:aws:lambda:eu-central-1:111122223333:function:silvaengine-pkg-*"
ITS_POINTERS = {
    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["canaries", PACKAGES_OF_THE_STACK]},
    "ForAllValues:StringEquals": {"dynamodb:Attributes": ATTRIBUTES},
}
TURNS = f"{PACKAGES_TABLE} if {ITS_POINTERS}"
MARKS = f"{PACKAGES_TABLE} if {{'ForAllValues:StringEquals': {{'dynamodb:LeadingKeys': ['canaries']}}}}"


def logs(function: str) -> dict[str, set[str]]:
    """Return the rights that every function has."""
    group = f"arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/silvaengine-{function}:*"
    return {"logs:CreateLogStream": {group}, "logs:PutLogEvents": {group}}


@pytest.mark.parametrize("declared", TABLES, ids=lambda declared: declared.name)
def test_a_table_is_what_the_code_declares(resources: Resources, declared: Table) -> None:
    """Names and keys of the template are those of silvaengine.tables."""
    properties = table(resources, f"se-{declared.name}")["Properties"]
    keys = {key["KeyType"]: key["AttributeName"] for key in properties["KeySchema"]}
    assert keys == {"HASH": declared.hash_key} | ({"RANGE": declared.range_key} if declared.range_key else {})
    types = {each["AttributeName"]: each["AttributeType"] for each in properties["AttributeDefinitions"]}
    assert {types[name] for name in declared.key_names} == {"S"}


@pytest.mark.parametrize("declared", TABLES, ids=lambda declared: declared.name)
def test_a_table_is_encrypted_restorable_and_outlives_the_stack(
    resources: Resources, declared: Table
) -> None:
    """Every table can be restored, is encrypted, and stays when the stack goes."""
    found = table(resources, f"se-{declared.name}")
    assert found["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert found["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_connections_expire(resources: Resources) -> None:
    """A WebSocket connection's row ends by itself, and is found by its connection id."""
    properties = table(resources, f"se-{WSS_CONNECTIONS.name}")["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    (index,) = properties["GlobalSecondaryIndexes"]
    assert index["IndexName"] == WSS_CONNECTIONS_INDEX
    assert index["KeySchema"] == [{"AttributeName": "connection_id", "KeyType": "HASH"}]
    assert index["Projection"] == {"ProjectionType": "ALL"}


def test_tables_go_with_the_stack_on_demand(resources_with: Callable[..., Resources]) -> None:
    """TablesDeletionPolicy=Delete deletes every table with the stack."""
    tables = of_type(resources_with(TablesDeletionPolicy="Delete"), "AWS::DynamoDB::Table").values()
    assert {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in tables} == {
        ("Delete", "Delete")
    }


def test_adopting_tables_changes_no_right(resources_with: Callable[..., Resources]) -> None:
    """CreateTables=false makes none of the predecessor's tables; every role reaches what it did before."""
    own, adopted = resources_with(), resources_with(CreateTables="false")
    conditions = {
        each["Properties"]["TableName"]: each["Condition"]
        for each in of_type(adopted, "AWS::DynamoDB::Table").values()
    }
    ours = {conditions.pop(f"se-{name}") for name in ("executions", "packages", "usage")}
    assert ours == {"MakesExecutions"}
    assert set(conditions.values()) == {"MakesTables"}
    assert [rights(own, name) for name in ALWAYS] == [rights(adopted, name) for name in ALWAYS]


def test_a_prefix_keeps_stages_apart(resources_with: Callable[..., Resources]) -> None:
    """TablePrefix is in every table's name and in every right on a table."""
    resources = resources_with(TablePrefix="test-")
    names = [each["Properties"]["TableName"] for each in of_type(resources, "AWS::DynamoDB::Table").values()]
    assert sorted(names) == sorted(f"test-{declared.name}" for declared in TABLES)
    assert all("table/test-" in arn for arn in rights(resources, "HttpGateway")["dynamodb:GetItem"])


def test_the_http_gateway_reads_the_registry_and_invokes_the_worker(resources: Resources) -> None:
    """The gateway's role has these rights and no other."""
    here = "eu-central-1:111122223333"
    tables = {
        f"arn:aws:dynamodb:{here}:table/se-{name}"
        for name in ("endpoints", "connections", "functions", "configdata", "packages")
    }
    assert rights(resources, "HttpGateway") == logs("HttpGateway") | {
        "dynamodb:BatchGetItem": tables,
        "dynamodb:GetItem": {*tables, EXECUTIONS},
        "dynamodb:PutItem": {EXECUTIONS, CLEARS, REPORTS},
        "dynamodb:UpdateItem": {EXECUTIONS, CLEARS, KEY_USES},
        "dynamodb:Query": tables,
        "s3:GetObject": {bucket("calls"), bucket("results")},
        "s3:PutObject": {bucket("calls")},
        "ssm:GetParameter": {f"arn:aws:ssm:{here}:parameter/silvaengine/beta/*"},
        "secretsmanager:GetSecretValue": {
            f"arn:aws:secretsmanager:{here}:secret:silvaengine/beta/*",
            f"arn:aws:secretsmanager:{here}:secret:silvaengine-ledger-key-??????",
            f"arn:aws:secretsmanager:{here}:secret:silvaengine-key-pepper-??????",
        },
        "lambda:InvokeFunction": INVOKED,
    }


def test_stacks_on_the_same_tables_may_share_a_pepper(resources_with: Callable[..., Resources]) -> None:
    """KeyPepperSecret names another stack's: this one makes none, and its gateways read that one alone."""
    given = resources_with(KeyPepperSecret="blue-key-pepper")
    assert given["KeyPepper"]["Condition"] == "MakesKeyPepper"
    for gateway in ("HttpGateway", "WebsocketGateway"):
        read = rights(given, gateway)["secretsmanager:GetSecretValue"]
        peppers = {arn.rpartition(":secret:")[2] for arn in read if "key-pepper" in arn}
        assert peppers == {"blue-key-pepper-??????"}
        assert given[gateway]["Properties"]["Environment"]["Variables"]["KEY_PEPPER"] == "blue-key-pepper"


def test_stacks_on_the_same_executions_may_share_their_secret_and_bucket(
    resources_with: Callable[..., Resources],
) -> None:
    """Given another stack's, this one makes none, and reaches that one's alone."""
    given = resources_with(LedgerKeySecret="blue-ledger-key", PayloadBucketName="blue-bucket")
    assert given["LedgerSecret"]["Condition"] == "MakesLedgerKey"
    assert given["PayloadBucket"]["Condition"] == "MakesPayloadBucket"
    for name in ("HttpGateway", "WebsocketGateway", "Broadcaster", "Tasks", "Sweeper"):
        variables = given[name]["Properties"]["Environment"]["Variables"]
        assert variables["LEDGER_SECRET"] == "blue-ledger-key"
        read = rights(given, name)["secretsmanager:GetSecretValue"]
        assert {arn.rpartition(":")[2] for arn in read if "ledger" in arn} == {"blue-ledger-key-??????"}
        assert variables.get("PAYLOAD_BUCKET", "blue-bucket") == "blue-bucket"
    for name in ("HttpGateway", "Tasks", "Sweeper", "Worker"):
        reached = {arn for action, arns in rights(given, name).items() if action[:3] == "s3:" for arn in arns}
        assert {arn.partition("/")[0] for arn in reached} == {"arn:aws:s3:::blue-bucket"}


def test_the_ledgers_secret_goes_with_the_tables(resources_with: Callable[..., Resources]) -> None:
    """A stack that is made again on its tables knows the keys that were used before."""
    for policy in ("Retain", "Delete"):
        secret = resources_with(TablesDeletionPolicy=policy)["LedgerSecret"]
        assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == (policy, policy)


def test_who_accepts_and_who_sweeps_knows_the_stack(resources: Resources) -> None:
    """Executions name it, so that another stack's sweeper leaves them alone."""
    for name in ("HttpGateway", "WebsocketGateway", "Tasks", "Sweeper"):
        stack = resources[name]["Properties"]["Environment"]["Variables"]["STACK_NAME"]
        assert stack in ("silvaengine", {"Ref": "AWS::StackName"})


def test_the_http_gateway_invokes_other_workers_by_name(resources_with: Callable[..., Resources]) -> None:
    """Adopted rows and tenants' own workers name other Lambdas: those of OtherWorkerArns and no more."""
    others = {f"{FUNCTION_ARN}acme-Worker", f"{FUNCTION_ARN}old_*"}
    given = resources_with(OtherWorkerArns=",".join(sorted(others)))
    assert rights(given, "HttpGateway")["lambda:InvokeFunction"] == INVOKED | others


def test_the_worker_may_move_executions_and_read_nothing(
    resources: Resources, resources_with: Callable[..., Resources]
) -> None:
    """Beside its log, and the rows about clears without Redis, the worker moves executions and pushes.

    It invokes the tasks Lambda alone, through which functions call one another. Which attributes it may name,
    and that it is told none back, stands in the policy's conditions; they are all that the code's transitions
    of a worker name.
    """
    (policy,) = (each for each in statements(resources, "Worker") if each["Action"] == "dynamodb:UpdateItem")
    assert policy["Condition"]["StringEqualsIfExists"] == {"dynamodb:ReturnValues": "NONE"}
    update = f"{EXECUTIONS} if {policy['Condition']}"
    untold = "{'StringEqualsIfExists': {'dynamodb:ReturnValues': 'NONE'}}"
    lambdas = "arn:aws:lambda:eu-central-1:111122223333:function:silvaengine"
    moves = (
        logs("Worker")
        | PUSHES
        | {
            "dynamodb:UpdateItem": {update},
            "s3:PutObject": {bucket("results")},
            "lambda:InvokeFunction": {f"{lambdas}-Broadcaster", f"{lambdas}-Tasks"},
            "dynamodb:DeleteItem": {f"{ROWS} if {untold}"},
        }
    )
    assert rights(resources_with(RedisHost="redis.internal"), "Worker") == moves
    clears = {f"dynamodb:{action}": {CLEARS} for action in ("BatchGetItem", "GetItem", "PutItem")}
    assert rights(resources, "Worker") == moves | clears | {"dynamodb:UpdateItem": {update, CLEARS}}
    allowed = set(policy["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])
    assert allowed == attributes_of_a_worker()


def test_no_worker_moves_the_executions_of_published_packages(resources: Resources) -> None:
    """Their ids begin with a package's name and a hyphen, which no other has; their own roles may."""
    (policy,) = (each for each in statements(resources, "Worker") if each["Action"] == "dynamodb:UpdateItem")
    assert policy["Condition"]["ForAllValues:StringNotLike"] == {"dynamodb:LeadingKeys": ["*-*"]}


def test_only_the_sweeper_changes_which_release_serves(
    resources_with: Callable[..., Resources],
) -> None:
    """Gateways, tasks and sweeper read pointers and releases; publishers and judged canaries turn them."""
    resources = resources_with(IsolatedWorker="true", RegistryStreams="own")
    roles = [name for name in LAMBDAS if f"{name}Role" in resources]
    reached = {
        (role, action)
        for role in roles
        for action, arns in rights(resources, role).items()
        if any(PACKAGES_TABLE in arn for arn in arns)
    }
    readers = ("HttpGateway", "WebsocketGateway", "Tasks", "Sweeper")
    reads = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
    turns = ("dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem")
    read = {(reader, action) for reader in readers for action in reads}
    assert reached == read | {("Sweeper", action) for action in turns}


def test_a_publisher_begins_canaries_and_sees_how_they_do(resources: Resources) -> None:
    """A canary's mark is written with the pointer; what is reported of it is read alone."""
    given = resources["PublisherPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    by_keys = {
        key: set(each["Action"]) if isinstance(each["Action"], list) else {each["Action"]}
        for each in given
        for test in each.get("Condition", {}).values()
        for key in test.get("dynamodb:LeadingKeys", ())
    }
    assert {"dynamodb:PutItem", "dynamodb:UpdateItem"} <= by_keys["canaries"]
    assert by_keys["silvaengine:outcomes:silvaengine-pkg-*"] == {"dynamodb:Query"}


def test_no_worker_puts_a_row_into_the_sweepers_index(resources_with: Callable[..., Resources]) -> None:
    """It may not write the index's partition key, but for an update's time: 0.2's workers remove it."""
    assert DUE_INDEX.hash_key not in allowed_attributes(resources_with())
    assert DUE_INDEX.hash_key in allowed_attributes(resources_with(EarlierWorkers="true"))


def test_only_an_update_takes_events_by_the_name_of_tasks(resources_with: Callable[..., Resources]) -> None:
    """0.2's event sources invoke it: an event between the update of tasks and theirs is served, too."""

    def by_name(**parameters: str) -> str:
        tasks = resources_with(**parameters)["Tasks"]["Properties"]
        return str(tasks["Environment"]["Variables"]["EVENTS_BY_NAME"])

    assert (by_name(), by_name(EarlierWorkers="true")) == ("", "true")


def allowed_attributes(resources: Resources) -> set[str]:
    """Collect the attributes of an execution that the worker may name."""
    (policy,) = (
        each
        for each in statements(resources, "Worker")
        if "ForAllValues:StringEquals" in each.get("Condition", {})
    )
    return set(policy["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])


def test_the_worker_may_have_a_redis_user_of_its_own(resources_with: Callable[..., Resources]) -> None:
    """Then the gateway knows that registry rows may lie in Redis: no function can read them there."""

    def variables(function: str, **parameters: str) -> dict[str, Any]:
        found = resources_with(RedisHost="redis.internal", **parameters)[function]["Properties"]
        return dict(found["Environment"]["Variables"])

    assert variables("HttpGateway")["REDIS_WORKER_USERNAME"] == ""
    assert variables("Worker", RedisUsername="gateways")["REDIS_USERNAME"] == "gateways"
    own = {"RedisUsername": "gateways", "RedisWorkerUsername": "worker"}
    assert variables("HttpGateway", **own)["REDIS_WORKER_USERNAME"] == "worker"
    assert variables("HttpGateway", **own)["REDIS_USERNAME"] == "gateways"
    assert variables("Worker", **own)["REDIS_USERNAME"] == "worker"


def attributes_of_a_worker() -> set[str]:
    """Collect what a worker's transitions name: claim, settle, retry later, mark dead."""
    named: set[str] = set()

    class Noted(TableWriter):
        def update(self, table: Table, key: Any, change: str, *, condition: str = "", **_: Any) -> Any:
            named.update(key, re.findall(r"#(\w+)", change + condition))
            return {}

    def client() -> Any:
        raise NotImplementedError

    ledger = Ledger(TableReader(client, "se-"), Noted(client, "se-"))
    job = ExecutionRef(
        job_id="a", owner="o", effect="e", fence=1, attempt=1, max_attempts=1, on_lost="fail", keep_seconds=1,
        backoff_seconds=1,
    )  # fmt: skip
    ledger.begin(job, 1)
    ledger.settle(job, "o", "succeeded", {"result": "1"})
    ledger.settle(job, "o", "failed", {"result_at": "1"})
    ledger.retry_later(job, "o", "cause", 1)
    ledger.mark_dead("a", "o", "cause", {"result": "1"})
    return named


PACKAGE_STREAMS = "table/silvaengine-pkg-*/stream/*"


def test_the_tasks_reach_what_a_record_needs(resources: Resources) -> None:
    """The tasks Lambda claims records, reads functions and settings, invokes workers, receives events."""
    here = "eu-central-1:111122223333"
    registry = {
        f"arn:aws:dynamodb:{here}:table/se-{name}"
        for name in ("endpoints", "connections", "functions", "configdata", "packages")
    }
    receiving = (
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
    )
    key = f"arn:aws:secretsmanager:{here}:secret:silvaengine-ledger-key-??????"
    hooks = f"arn:aws:dynamodb:{here}:table/se-hooks"
    assert rights(resources, "Tasks") == logs("Tasks") | {
        "dynamodb:BatchGetItem": registry,
        "dynamodb:GetItem": {*registry, EXECUTIONS},
        "dynamodb:Query": {*registry, hooks},
        "dynamodb:PutItem": {EXECUTIONS, REPORTS},
        "dynamodb:UpdateItem": {EXECUTIONS},
        "s3:GetObject": {bucket("calls"), bucket("results")},
        "s3:PutObject": {bucket("calls")},
        "ssm:GetParameter": {f"arn:aws:ssm:{here}:parameter/silvaengine/beta/*"},
        "secretsmanager:GetSecretValue": {key, f"arn:aws:secretsmanager:{here}:secret:silvaengine/beta/*"},
        "lambda:InvokeFunction": INVOKED,
        "sqs:SendMessage": {str({"Fn::GetAtt": ["EventDeadLetterQueue", "Arn"]})},
        **{
            f"dynamodb:{action}": {f"arn:aws:dynamodb:{here}:{PACKAGE_STREAMS}"}
            for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        },
    } | {
        f"sqs:{action}": {
            str({"Fn::GetAtt": ["EventQueue", "Arn"]}),
            f"arn:aws:sqs:{here}:silvaengine-pkg-*",
        }
        for action in receiving
    }


def test_the_sweeper_reaches_what_retries_and_canaries_need(resources: Resources) -> None:
    """It moves executions, reads functions and settings, invokes workers, tells the queue, turns pointers.

    Of its stack's packages, by attributes that no release has a say of; and no more.
    """
    tasks = rights(resources, "Tasks")
    registry = tasks["dynamodb:BatchGetItem"]
    assert rights(resources, "Sweeper") == logs("Sweeper") | {
        "dynamodb:BatchGetItem": {*registry, EXECUTIONS},
        "dynamodb:GetItem": registry,
        "dynamodb:Query": {*registry, f"{EXECUTIONS}/index/due-index"},
        "dynamodb:ConditionCheckItem": {TURNS},
        "dynamodb:DeleteItem": {MARKS, REPORTS},
        "dynamodb:UpdateItem": {EXECUTIONS, GENERATION, TURNS},
        "s3:GetObject": {bucket("calls")},
        "s3:PutObject": {bucket("calls")},
        "ssm:GetParameter": tasks["ssm:GetParameter"],
        "secretsmanager:GetSecretValue": tasks["secretsmanager:GetSecretValue"],
        "lambda:InvokeFunction": INVOKED,
        "sqs:SendMessage": {str({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})},
    }


def test_an_event_is_dead_only_after_it_had_its_chances(resources: Resources) -> None:
    """The worker ends 30 s before the tasks Lambda, which ends long before a message comes again."""
    worker, tasks = (int(resources[name]["Properties"]["Timeout"]) for name in ("Worker", "Tasks"))
    queue = resources["EventQueue"]["Properties"]
    assert worker + 30 <= tasks
    assert int(queue["VisibilityTimeout"]) >= 6 * tasks
    assert int(queue["RedrivePolicy"]["maxReceiveCount"]) >= 5
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    streams = ("HasEventStream", "AnnouncesRows")
    queues = [mapping for mapping in mappings if mapping.get("Condition") not in streams]
    assert len(queues) == 3
    for mapping in queues:
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["Properties"]["ScalingConfig"]["MaximumConcurrency"] >= 2
    kept = resources["TasksEventInvokeConfig"]["Properties"]
    assert kept["MaximumRetryAttempts"] == 2
    assert "EventDeadLetterQueue" in str(kept["DestinationConfig"]["OnFailure"])


def test_queues_and_buckets_that_exist_can_be_served(resources_with: Callable[..., Resources]) -> None:
    """A queue gets a mapping and the rights for it alone, a bucket the permission to notify."""
    queue = "arn:aws:sqs:eu-central-1:111122223333:orders"
    resources = resources_with(EventQueueArn=queue, EventBucketName="inbox", TasksFunctionName="agenttask")
    assert resources["OtherQueueMapping"]["Properties"]["EventSourceArn"] == queue
    assert queue in rights(resources, "Tasks")["sqs:ReceiveMessage"]
    assert resources["BucketPermission"]["Properties"]["SourceArn"] == "arn:aws:s3:::inbox"
    assert resources["Tasks"]["Properties"]["FunctionName"] == "agenttask"


def test_a_stream_that_exists_can_be_served(resources_with: Callable[..., Resources]) -> None:
    """Its mapping names failed records, bisects, gives up in the end and keeps what it gave up."""
    table = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/stream"
    resources = resources_with(EventStreamArn=f"{table}/2026-11-24T00:00:00.000")
    mapping = resources["StreamMapping"]["Properties"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert 1 <= mapping["MaximumRetryAttempts"] <= 100
    assert 3600 <= mapping["MaximumRecordAgeInSeconds"] < 86_400
    assert "EventDeadLetterQueue" in str(mapping["DestinationConfig"]["OnFailure"])
    given, packages = rights(resources, "Tasks"), f"{table.partition('table/')[0]}{PACKAGE_STREAMS}"
    assert given["dynamodb:GetRecords"] == {f"{table}/2026-11-24T00:00:00.000", packages}
    assert given["dynamodb:ListStreams"] == {f"{table}/*", packages}
    alarm = resources["StreamAgeAlarm"]["Properties"]
    assert (alarm["MetricName"], alarm["Dimensions"][0]["Value"]) == ("IteratorAge", {"Ref": "Tasks"})


ORDERS = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/stream/2026-11-24T00:00:00.000"
REGISTRY = ("Endpoints", "Connections", "Functions", "Hooks", "ConfigData")


def test_rows_that_other_tools_write_are_announced_on_demand(
    resources_with: Callable[..., Resources],
) -> None:
    """The tables' streams show keys alone; tasks may read them, and write the generation's row."""
    resources = resources_with(RegistryStreams="own", EventStreamArn=ORDERS)
    for name in REGISTRY:
        stream = resources[f"{name}Table"]["Properties"]["StreamSpecification"]
        assert stream == {"StreamViewType": "KEYS_ONLY"}
        mapping = resources[f"{name}StreamMapping"]["Properties"]
        assert mapping.pop("EventSourceArn") == {"Fn::GetAtt": [f"{name}Table", "StreamArn"]}
        filters = mapping.pop("FilterCriteria")["Filters"]
        assert mapping | {"EventSourceArn": ORDERS} == resources["StreamMapping"]["Properties"]
    keys = [json.loads(each["Pattern"])["dynamodb"]["Keys"] for each in filters]
    assert {name for pattern in keys for name in pattern} <= {key for t in TABLES for key in t.key_names}
    assert {"setting_id": {"S": [{"anything-but": ["silvaengine", "silvaengine:keys"]}]}} in keys
    tables = f"{EXECUTIONS.rpartition('/')[0]}/se-"
    given = rights(resources, "Tasks")
    streams = {f"{tables}{name.lower()}/stream/*" for name in REGISTRY}
    streams.add(f"{EXECUTIONS.partition('table/')[0]}{PACKAGE_STREAMS}")
    assert given["dynamodb:GetRecords"] == {ORDERS, *streams}
    assert given["dynamodb:ListStreams"] == {f"{ORDERS.rpartition('/')[0]}/*", *streams}
    generation = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["silvaengine"]}}
    assert given["dynamodb:UpdateItem"] == {EXECUTIONS, f"{tables}configdata if {generation}"}
    assert resources["StreamAgeAlarm"]["Condition"] == "HasStream"


def test_streams_of_adopted_tables_are_announced(resources_with: Callable[..., Resources]) -> None:
    """The parameter names them in an order that its pattern checks, or CloudFormation refuses it."""
    arns = [f"arn:aws:dynamodb:eu-central-1:1:table/se-{name.lower()}/stream/2026" for name in REGISTRY]
    pattern = TEMPLATE["Parameters"]["RegistryStreams"]["AllowedPattern"]
    assert re.fullmatch(pattern, ",".join(arns))
    assert not re.fullmatch(pattern, ",".join(reversed(arns)))
    assert not re.fullmatch(pattern, arns[0])
    resources = resources_with(CreateTables="false", RegistryStreams=",".join(arns))
    for name, arn in zip(REGISTRY, arns, strict=True):
        assert resources[f"{name}StreamMapping"]["Properties"]["EventSourceArn"] == arn


def test_topic_rule_and_schedule_reach_the_tasks_function(resources_with: Callable[..., Resources]) -> None:
    """Each may invoke it and none else, says what the code reads, and keeps what never reached Lambda."""
    topic = "arn:aws:sns:eu-central-1:111122223333:news"
    resources = resources_with(
        EventTopicArn=topic, EventRuleSources="shop,stock", EventSchedule="rate(1 hour)",
        EventSchedules="nightly=cron(0 3;4 * * ? *),hourly=rate(1 hour)",
    )  # fmt: skip
    assert resources["TopicSubscription"]["Properties"]["TopicArn"] == topic
    assert "EventDeadLetterQueue" in str(resources["TopicSubscription"]["Properties"]["RedrivePolicy"])
    schedules = {
        "EventScheduleRule": ("stack", "rate(1 hour)"),
        "EventSchedulesnightlycron034Rule": ("nightly", "cron(0 3,4 * * ? *)"),
        "EventScheduleshourlyrate1hourRule": ("hourly", "rate(1 hour)"),
    }
    for name, says in (
        ("EventRule", {"rule", "event"}),
        *((each, {"schedule", "time"}) for each in schedules),
    ):
        (target,) = resources[name]["Properties"]["Targets"]
        assert "EventDeadLetterQueue" in str(target["DeadLetterConfig"])
        sent = re.sub("<[^>]+>", '{"id": "1"}', target["InputTransformer"]["InputTemplate"])
        assert json.loads(sent).keys() == says
        assert EventBridgeSource.matches(json.loads(sent))
    assert resources["EventRule"]["Properties"]["EventPattern"] == {"source": ["shop", "stock"]}
    for name, (called, expression) in schedules.items():
        (target,) = resources[name]["Properties"]["Targets"]
        assert f'"schedule": "{called}"' in target["InputTransformer"]["InputTemplate"]
        assert resources[name]["Properties"]["ScheduleExpression"] == expression
    allowed = {
        str(each["Properties"]["SourceArn"])
        for name, each in of_type(resources, "AWS::Lambda::Permission").items()
        if each.get("Condition") in {"HasEventTopic", "HasEventRule"} or name == "EventSchedulePermission"
    }
    schedule_rules = "arn:aws:events:eu-central-1:111122223333:rule/silvaengine-EventSchedule*"
    assert allowed == {topic, str({"Fn::GetAtt": ["EventRule", "Arn"]}), schedule_rules}
    policy = resources["EventDeadLetterPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (packages, *allows) = (each for each in policy if each["Effect"] == "Allow")
    own, *of_packages = packages["Condition"]["ArnLike"]["aws:SourceArn"]
    assert own == schedule_rules
    assert all("silvaengine-pkg-*" in arn for arn in of_packages)
    assert all(each["Condition"]["ArnEquals"]["aws:SourceArn"] for each in allows)
    assert len(allows) == 2


def test_a_fifo_queue_and_a_bucket_are_made_on_demand(resources_with: Callable[..., Resources]) -> None:
    """The FIFO queue's dead go to a FIFO queue with an alarm; the bucket is private and notifies."""
    resources = resources_with(MakeFifoQueue="true", NewEventBucketName="inbox")
    for name in ("FifoQueue", "FifoDeadLetterQueue"):
        assert resources[name]["Properties"]["FifoQueue"] is True
        assert resources[name]["Properties"]["SqsManagedSseEnabled"] is True
        assert resources[name]["Properties"]["DeduplicationScope"] == "messageGroup"
    assert "FifoDeadLetterQueue" in str(resources["FifoQueue"]["Properties"]["RedrivePolicy"])
    assert {"FifoDeadLetterAlarm", "FifoAgeAlarm"} <= resources.keys()
    assert str({"Fn::GetAtt": ["FifoQueue", "Arn"]}) in rights(resources, "Tasks")["sqs:ReceiveMessage"]
    bucket = resources["EventBucket"]
    assert bucket["DependsOn"] == "NewBucketPermission"
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    (notified,) = bucket["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
    assert notified["Function"] == {"Ref": "TasksEvents"}


def test_event_sources_invoke_an_alias_that_functions_may_not(
    resources_with: Callable[..., Resources],
) -> None:
    """The workers' roles may invoke the name, and no qualifier of it; no source does.

    A policy on a name does not allow its aliases (Lambda guide, versioning-aliases.html).
    """
    resources = resources_with(
        EventQueueArn="arn:q", MakeFifoQueue="true", EventBucketName="inbox", NewEventBucketName="new",
        EventStreamArn="arn:aws:dynamodb:eu-central-1:111122223333:table/orders/stream/1",
        EventTopicArn="arn:t", EventRuleSources="shop", EventSchedule="rate(1 hour)",
        IsolatedWorker="true", TasksFunctionName="tasks",
    )  # fmt: skip
    references = (str({"Ref": "Tasks"}), str({"Fn::GetAtt": ["Tasks", "Arn"]}))
    naming = {
        name
        for name, resource in resources.items()
        if any(reference in str(resource) for reference in references)
        and resource["Type"] != "AWS::CloudWatch::Alarm"
    }
    # The last is what CloudFormation maps packages' queues and streams with.
    own = {"TasksEvents", "TasksEventInvokeConfig", "TasksEventsInvokeConfig", "PackageServiceRole"}
    assert naming == own
    assert resources["TasksEvents"]["Properties"]["Name"] == EVENTS_ALIAS
    by_name, by_alias = (resources[f"TasksEvent{s}InvokeConfig"]["Properties"] for s in ("", "s"))
    assert by_alias.pop("Qualifier") == EVENTS_ALIAS
    assert "EventDeadLetterQueue" in str(by_alias["DestinationConfig"])
    for retries in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds"):
        assert by_alias[retries] == by_name[retries]
    for worker in ("Worker", "WorkerIsolated"):
        names = "tasks", "silvaengine-Broadcaster"
        lambdas = "arn:aws:lambda:eu-central-1:111122223333:function:"
        assert {arn.partition(" if ")[0] for arn in rights(resources, worker)["lambda:InvokeFunction"]} == {
            f"{lambdas}{name}" for name in names
        }


def test_the_sweeper_comes_every_minute(resources: Resources) -> None:
    """It has a Lambda of its own; its lag and its dead raise alarms, as does silence."""
    rules = of_type(resources, "AWS::Events::Rule")
    (rule,) = (rules[name] for name in rules if name.startswith("Sweeper"))
    assert rule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Properties"]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["Sweeper", "Arn"]}
    assert resources["SweeperEventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 0
    lag, dead = (resources[name]["Properties"] for name in ("SweeperLagAlarm", "DeadJobsAlarm"))
    assert (lag["TreatMissingData"], dead["TreatMissingData"]) == ("breaching", "notBreaching")


def test_usage_is_rolled_up_each_hour_by_a_role_that_reads_logs_alone(
    resources_with: Callable[..., Resources],
) -> None:
    """It reads those of all Lambdas of the stack and of its packages, and writes the table of usage."""
    resources = resources_with(IsolatedWorker="true")
    groups = "arn:aws:logs:eu-central-1:111122223333:log-group:"
    table = "arn:aws:dynamodb:eu-central-1:111122223333:table/se-usage"
    assert rights(resources, "Usage") == logs("Usage") | {
        "logs:DescribeLogGroups": {f"{groups}*"},
        "logs:FilterLogEvents": {
            f"{groups}/aws/lambda/silvaengine-{each}"
            for each in ("pkg-*", *LAMBDAS, *(f"{name}:*" for name in LAMBDAS))
        },
        **{f"dynamodb:{action}": {table} for action in ("GetItem", "PutItem", "Query")},
    }
    assert {*log_events.SERVICES} == LAMBDAS.keys()
    for metering, state in (("true", "ENABLED"), ("false", "DISABLED")):
        rules = of_type(resources_with(UsageMetering=metering), "AWS::Events::Rule")
        (rule,) = (rules[name]["Properties"] for name in rules if name.startswith("Usage"))
        assert (rule["ScheduleExpression"], rule["State"]) == ("cron(5 * * * ? *)", state)


def test_the_due_index_is_what_the_code_declares(resources: Resources) -> None:
    """Its keys and the table's time to live are those of silvaengine.tables and of the rows."""
    properties = table(resources, "se-executions")["Properties"]
    (index,) = properties["GlobalSecondaryIndexes"]
    names = [key["AttributeName"] for key in index["KeySchema"]]
    assert (index["IndexName"], *names) == (DUE_INDEX.name, DUE_INDEX.hash_key, DUE_INDEX.range_key)
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_large_values_are_private_and_end(resources: Resources) -> None:
    """The bucket is encrypted, closed to the public, and outlives no row."""
    properties = resources["PayloadBucket"]["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    *rules, payloads = properties["LifecycleConfiguration"]["Rules"]
    assert {each["Prefix"] for each in rules} == {"calls/", "results/"}, "packages/ stays"
    assert all(each["ExpirationInDays"] > 30 + 14 for each in rules)
    assert (payloads["ExpirationInDays"], payloads["Prefix"]) == (1, PREFIX), "they hold settings"
    assert properties["BucketEncryption"]


ROWS = "arn:aws:dynamodb:eu-central-1:111122223333:table/se-wss-connections"
PUSHES = {
    "execute-api:ManageConnections": {
        "arn:aws:execute-api:eu-central-1:111122223333:${WebsocketApi}/beta/POST/@connections/*"
    }
}


def test_the_websocket_gateway_keeps_rows_and_invokes_the_worker(resources: Resources) -> None:
    """It reads the registry, keeps connections and claims, invokes the worker, pushes; and no more."""
    here = "eu-central-1:111122223333"
    registry = rights(resources, "HttpGateway")["dynamodb:Query"]
    assert rights(resources, "WebsocketGateway") == logs("WebsocketGateway") | PUSHES | {
        "dynamodb:BatchGetItem": registry,
        "dynamodb:GetItem": {*registry, EXECUTIONS, ROWS},
        "dynamodb:Query": {*registry, ROWS},
        "dynamodb:PutItem": {EXECUTIONS, ROWS},
        "dynamodb:UpdateItem": {EXECUTIONS, KEY_USES},
        "dynamodb:DeleteItem": {ROWS},
        "s3:GetObject": {bucket("calls")},
        "s3:PutObject": {bucket("calls")},
        "ssm:GetParameter": {f"arn:aws:ssm:{here}:parameter/silvaengine/beta/*"},
        "secretsmanager:GetSecretValue": {
            f"arn:aws:secretsmanager:{here}:secret:silvaengine/beta/*",
            f"arn:aws:secretsmanager:{here}:secret:silvaengine-ledger-key-??????",
            f"arn:aws:secretsmanager:{here}:secret:silvaengine-key-pepper-??????",
        },
        "lambda:InvokeFunction": INVOKED,
    }


def test_the_broadcaster_lists_connections_and_pushes(resources: Resources) -> None:
    """It reads and ends rows, checks grants and pushes; it invokes nobody."""
    key = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:silvaengine-ledger-key-??????"
    assert rights(resources, "Broadcaster") == logs("Broadcaster") | PUSHES | {
        "dynamodb:GetItem": {ROWS},
        "dynamodb:Query": {ROWS},
        "dynamodb:DeleteItem": {ROWS},
        "secretsmanager:GetSecretValue": {key},
    }


def test_every_handshake_is_authorized(resources: Resources) -> None:
    """`$connect` has the gateway's authorizer, whose identity is the endpoint; every route is there."""
    routes = {
        each["Properties"]["RouteKey"]: each["Properties"]
        for each in of_type(resources, "AWS::ApiGatewayV2::Route").values()
    }
    assert routes.keys() == {"$connect", "$disconnect", "$default", "stream"}
    assert routes["$connect"]["AuthorizationType"] == "CUSTOM"
    (authorizer,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["Properties"]["AuthorizerType"] == "REQUEST"
    assert authorizer["Properties"]["IdentitySource"] == ["route.request.querystring.endpointId"]
    assert "WebsocketGateway" in str(authorizer["Properties"]["AuthorizerUri"])


def test_sockets_are_throttled_and_logged(resources_with: Callable[..., Resources]) -> None:
    """The stage has limits; with AccessLogs it tells of each request without what it said."""
    (stage,) = of_type(resources_with(AccessLogs="true"), "AWS::ApiGatewayV2::Stage").values()
    limits = stage["Properties"]["DefaultRouteSettings"]
    assert 0 < int(limits["ThrottlingRateLimit"]) <= int(limits["ThrottlingBurstLimit"])
    logged = set(json.loads(stage["Properties"]["AccessLogSettings"]["Format"]).values())
    assert logged == {
        "$context.requestId",
        "$context.identity.sourceIp",
        "$context.routeKey",
        "$context.connectionId",
        "$context.status",
        "$context.integrationLatency",
    }


def test_a_topic_is_told_of_failures(resources_with: Callable[..., Resources]) -> None:
    """With SnsTopicArn the alarms, the gateways, the tasks and the worker publish to that topic alone."""
    resources = resources_with(SnsTopicArn=TOPIC)
    told = {name: rights(resources, name).get("sns:Publish") for name in ALWAYS}
    assert (told.pop("Broadcaster"), told.pop("Usage")) == (None, None)
    assert list(told.values()) == [{TOPIC}] * len(told)
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    assert [each["Properties"]["AlarmActions"] for each in alarms] == [[TOPIC]] * len(alarms)


@pytest.mark.parametrize("function", [name for name in ALWAYS if name != "Usage"])
def test_memory_time_and_concurrency_are_parameters(
    resources_with: Callable[..., Resources], function: str
) -> None:
    """Each function's limits can be set, and its concurrency is not reserved unless one says so."""
    assert "ReservedConcurrentExecutions" not in resources_with()[function]["Properties"]
    limits = {"MemorySize": "1024", "Timeout": "77", "ReservedConcurrency": "5"}
    given = resources_with(**{f"{function}{name}": value for name, value in limits.items()})
    properties = given[function]["Properties"]
    assert (properties["MemorySize"], properties["Timeout"]) == ("1024", "77")
    assert properties["ReservedConcurrentExecutions"] == "5"


def operands(condition: Any) -> Iterator[Any]:
    """Return both sides of every comparison in a condition."""
    if isinstance(condition, dict):
        yield from condition.get("Fn::Equals", ())
        condition = list(condition.values())
    if isinstance(condition, list):
        for each in condition:
            yield from operands(each)


def test_conditions_compare_strings() -> None:
    """To AWS::LanguageExtensions, other than to CloudFormation itself, -1 is not equal to "-1"."""
    sides = list(operands(TEMPLATE["Conditions"]))
    named = [side["Ref"] for side in sides if isinstance(side, dict) and "Ref" in side]
    assert {TEMPLATE["Parameters"][name]["Type"] for name in named} == {"String"}
    assert {type(side) for side in sides if not isinstance(side, dict)} == {str}


def test_a_loop_begins_with_a_type() -> None:
    """AWS::LanguageExtensions fails where `Condition` is the first key inside Fn::ForEach."""
    first = [next(iter(resource)) for resource in looped(TEMPLATE["Resources"], within=False)]
    assert first == ["Type"] * len(first) != []


def looped(resources: Resources, *, within: bool) -> Iterator[dict[str, Any]]:
    """Yield the resources that are written inside of a loop."""
    for name, resource in resources.items():
        if name.startswith("Fn::ForEach::"):
            yield from looped(resource[2], within=True)  # type: ignore[index]
        elif within:
            yield resource


def test_the_gateway_outlives_the_deadline_it_sets(resources: Resources) -> None:
    """API Gateway waits 29 s, the gateway's deadline is 27 s: its own limit must not come first."""
    assert resources["HttpGateway"]["Properties"]["Timeout"] == 29


@pytest.mark.parametrize("function", ALWAYS)
def test_a_function_writes_to_a_log_that_ends(
    resources_with: Callable[..., Resources], function: str
) -> None:
    """Every function has a log group of its own, kept as long as the parameter says."""
    resources = resources_with(LogRetentionDays="7")
    logging = resources[function]["Properties"]["LoggingConfig"]
    assert logging["LogGroup"] == {"Ref": f"{function}Logs"}
    assert resources[f"{function}Logs"]["Properties"] == {
        "LogGroupName": f"/aws/lambda/silvaengine-{function}",
        "RetentionInDays": "7",
    }


def test_the_worker_is_not_retried_behind_our_back(resources: Resources) -> None:
    """The ledger's sweeper alone tries again; what it gives up lies in an encrypted queue with an alarm.

    Lambda keeps no event itself: that would be one with settings in it.
    """
    properties = resources["WorkerEventInvokeConfig"]["Properties"]
    assert (properties["MaximumRetryAttempts"], properties["MaximumEventAgeInSeconds"]) == (0, 60)
    assert properties["DestinationConfig"] == {}
    assert resources["DeadLetterQueue"]["Properties"]["SqsManagedSseEnabled"] is True
    assert resources["DeadLetterAlarm"]["Properties"]["Threshold"] == 0


def test_the_api_names_its_methods(resources: Resources) -> None:
    """One path takes the seven methods by name: the engine drops a method that stands for all."""
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    (path,) = api["Properties"]["Body"]["paths"].items()
    assert path[0] == "/{area}/{endpoint_id}/{proxy+}"
    assert set(path[1]) == {"get", "post", "put", "patch", "delete", "head", "options"}
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert stage["Properties"]["StageName"] == "beta"
    assert api["Properties"]["Body"]["x-amazon-apigateway-binary-media-types"] == ["*/*"]


def test_what_api_gateway_refuses_carries_cors(resources: Resources) -> None:
    """A page may read API Gateway's own errors as it may read ours, with credentials, too."""
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    responses = api["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"]
    assert responses.keys() == {"DEFAULT_4XX", "DEFAULT_5XX"}
    for response in responses.values():
        assert response["responseParameters"] == {
            "gatewayresponse.header.Access-Control-Allow-Credentials": "'true'",
            "gatewayresponse.header.Access-Control-Allow-Origin": "method.request.header.Origin",
            "gatewayresponse.header.Access-Control-Expose-Headers": "'x-amzn-ErrorType, x-amzn-RequestId'",
            "gatewayresponse.header.Vary": "'Origin'",
        }
        body = response["responseTemplates"]["application/json"]
        assert body == '{"error": $context.error.messageString, "request_id": "$context.requestId"}'


def test_access_logs_are_asked_for(resources_with: Callable[..., Resources]) -> None:
    """Access logs need a role that an account may lack, so that nobody has them by default."""
    (silent,) = of_type(resources_with(), "AWS::ApiGateway::Stage").values()
    (stage,) = of_type(resources_with(AccessLogs="true"), "AWS::ApiGateway::Stage").values()
    assert "AccessLogSetting" not in silent["Properties"]
    assert stage["Properties"]["AccessLogSetting"]["DestinationArn"] == {
        "Fn::GetAtt": ["AccessLogGroup", "Arn"]
    }


def test_xray_is_asked_for(resources_with: Callable[..., Resources]) -> None:
    """It costs, so that nobody has it by default; without it no role may send it anything."""
    assert TEMPLATE["Parameters"]["XRayTracing"]["Default"] == "false"
    for wish, allowed in (("false", None), ("true", {"*"})):
        resources = resources_with(XRayTracing=wish)
        for name in ALWAYS:
            mode = resources[name]["Properties"]["TracingConfig"]["Mode"]
            assert mode == {"Fn::If": ["TracesByXRay", "Active", "PassThrough"]}
            assert rights(resources, name).get("xray:PutTraceSegments") == allowed


def test_a_layer_is_its_stacks_own(resources: Resources) -> None:
    """Two stacks of an account do not publish under one layer name, SAM's default."""
    (layer,) = of_type(resources, "AWS::Lambda::LayerVersion").values()
    assert layer["Properties"]["LayerName"] == "silvaengine-SharedLayer"
    assert layer["DeletionPolicy"] == "Retain", "releases of packages have it"


def test_subnets_put_every_function_into_the_vpc(resources_with: Callable[..., Resources]) -> None:
    """With subnets every function is in the VPC and may have network interfaces; without, none is."""
    inside = resources_with(SubnetIds="subnet-1,subnet-2", SecurityGroupIds="sg-1")
    network = {name: {"Ref": name} for name in ("SubnetIds", "SecurityGroupIds")}
    for function in ALWAYS:
        # Globals are no concern of AWS::LanguageExtensions: CloudFormation itself decides this one.
        choice = {"Fn::If": ["InVpc", network, {"Ref": "AWS::NoValue"}]}
        assert inside[function]["Properties"]["VpcConfig"] == choice
        added = rights(inside, function).keys() - rights(resources_with(), function).keys()
        assert added == NETWORK


def values_of_environment() -> Iterator[tuple[str, Any]]:
    """Return each variable of each function as the template has it."""
    yield from TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].items()
    for function in LAMBDAS.values():
        yield from function["Properties"].get("Environment", {"Variables": {}})["Variables"].items()


def test_environment_values_come_from_parameters() -> None:
    """`sam local` resolves a reference to a parameter and nothing else; it needs none of these."""
    others = {name for name, value in values_of_environment() if value.keys() != {"Ref"}}
    assert others == {
        "BROADCASTER",
        "EVENTS_BY_NAME",
        "ISOLATED_WORKER_ARN",
        "KEY_PEPPER",
        "LEDGER_SECRET",
        "OTHER_WORKER_ARNS",
        "PAYLOAD_BUCKET",
        "REDIS_PASSWORD",
        "REDIS_USERNAME",
        "TASKS_FUNCTION",
        "WEBSOCKET_MANAGEMENT_URL",
        "WORKER_ARN",
        "WORKER_ARN_MAP",
    }


def test_a_worker_with_a_user_of_its_own_has_its_own_password(
    resources_with: Callable[..., Resources],
) -> None:
    """The functions' code never sees the password of the gateways' user then."""
    given = {"RedisHost": "redis.internal", "RedisPasswordSecret": "gateways"}
    own = {**given, "RedisWorkerUsername": "worker", "RedisWorkerPasswordSecret": "workers"}
    passwords = [
        str(
            resources_with(**parameters)["Worker"]["Properties"]["Environment"]["Variables"]["REDIS_PASSWORD"]
        )
        for parameters in (given, own)
    ]
    assert "secretsmanager:gateways" in passwords[0]
    assert "secretsmanager:workers" in passwords[1]
    assert "gateways" not in passwords[1]


def test_an_alias_is_what_is_invoked(resources_with: Callable[..., Resources]) -> None:
    """With WorkerAlias the callers may invoke that alias alone, and know it; it is not retried either."""
    resources = resources_with(WorkerAlias="live")
    for function in ("HttpGateway", "WebsocketGateway", "Tasks", "Sweeper"):
        invoked = rights(resources, function)["lambda:InvokeFunction"]
        assert invoked == {f"{FUNCTION_ARN}silvaengine-Worker:live", f"{FUNCTION_ARN}silvaengine-pkg-*"}
    kept = resources["WorkerAliasInvokeConfig"]["Properties"]
    assert (kept["Qualifier"], kept["MaximumRetryAttempts"], kept["MaximumEventAgeInSeconds"]) == (
        "live",
        0,
        60,
    )


def test_functions_reach_the_tasks_function_by_its_name(resources_with: Callable[..., Resources]) -> None:
    """The name that the operator gives it is the one that the worker knows and may invoke."""
    for name, given in (("silvaengine-Tasks", {}), ("agenttask", {"TasksFunctionName": "agenttask"})):
        resources = resources_with(**given)
        assert resources["Tasks"]["Properties"]["FunctionName"] == name
        assert resources["Worker"]["Properties"]["Environment"]["Variables"]["TASKS_FUNCTION"] == name
        arns = rights(resources, "Worker")["lambda:InvokeFunction"]
        assert {arn.rpartition(":")[2] for arn in arns} == {name, "silvaengine-Broadcaster"}


def test_the_gateway_knows_the_workers(resources_with: Callable[..., Resources]) -> None:
    """Former workers' names reach the gateway beside this stack's worker; none are there by default."""
    given = resources_with(WorkerArnMap="old_worker,older", OtherWorkerArns="arn:x-*")
    variables = given["HttpGateway"]["Properties"]["Environment"]["Variables"]
    assert "old_worker" in str(variables["WORKER_ARN_MAP"])
    assert "arn:x-*" in str(variables["OTHER_WORKER_ARNS"])
    assert "-Worker" in str(variables["WORKER_ARN"])
    plain = resources_with()["HttpGateway"]["Properties"]["Environment"]["Variables"]
    assert "old_worker" not in str(plain["WORKER_ARN_MAP"])


def test_an_isolated_worker_is_asked_for(resources_with: Callable[..., Resources]) -> None:
    """It is the same worker in Lambda's tenant isolation mode, with a role of its own and the same rights."""
    worker, isolated = (resources_with(IsolatedWorker="true")[name] for name in ("Worker", "WorkerIsolated"))
    assert isolated["Properties"]["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert isolated["Condition"] == "IsolatesTenants"
    own = {"FunctionName", "Description", "Role", "TenancyConfig", "LoggingConfig", "Code"}
    for name in (worker["Properties"].keys() | isolated["Properties"].keys()) - own:
        assert worker["Properties"].get(name) == isolated["Properties"].get(name), name
    assert isolated["Properties"]["Role"] == {"Fn::GetAtt": ["WorkerIsolatedRole", "Arn"]}


@pytest.mark.parametrize("function", ["HttpGateway", "WebsocketGateway", "Tasks", "Sweeper"])
def test_who_calls_workers_knows_the_isolated_one(
    function: str, resources_with: Callable[..., Resources]
) -> None:
    """It may be invoked, and its ARN says that a tenant's id goes along; without it neither is there."""
    given = resources_with(IsolatedWorker="true")
    assert "-WorkerIsolated" in str(rights(given, function)["lambda:InvokeFunction"])
    variables = given[function]["Properties"]["Environment"]["Variables"]
    assert "-WorkerIsolated" in str(variables["ISOLATED_WORKER_ARN"])
    assert resources_with()[function]["Properties"]["Environment"]["Variables"]["ISOLATED_WORKER_ARN"] == ""


def of_kinds(resources: Resources, *kinds: str) -> dict[str, dict[str, Any]]:
    """Select the resources of several CloudFormation types."""
    return {name: resource for kind in kinds for name, resource in of_type(resources, kind).items()}


def test_http_requests_are_throttled(resources_with: Callable[..., Resources]) -> None:
    """The stage has limits of its own, so that one API doesn't use up those of the account."""

    def limits(**parameters: str) -> tuple[int, int]:
        (stage,) = of_type(resources_with(**parameters), "AWS::ApiGateway::Stage").values()
        (every,) = stage["Properties"]["MethodSettings"]
        assert (every["HttpMethod"], every["ResourcePath"]) == ("*", "/*")
        return int(every["ThrottlingRateLimit"]), int(every["ThrottlingBurstLimit"])

    rate, burst = limits()
    assert 0 < rate <= burst <= 5000  # what an account takes at once
    assert limits(HttpRateLimit="7", HttpBurstLimit="9") == (7, 9)


def test_a_firewall_guards_the_stage_on_demand(resources_with: Callable[..., Resources]) -> None:
    """WebAclArn is associated with the stage that is deployed; without it there is no association."""
    acl = "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/shop/1"
    resources = resources_with(WebAclArn=acl)
    (association,) = of_type(resources, "AWS::WAFv2::WebACLAssociation").values()
    assert association["Properties"]["WebACLArn"] == acl
    # SAM's name for the stage, so that the association waits for it.
    stage = association["Properties"]["ResourceArn"]["Fn::Sub"]
    assert stage.endswith("/restapis/${RestApi}/stages/${RestApibetaStage}")
    assert association["Condition"] == "HasWebAcl"


def test_the_default_address_of_the_http_api_can_be_closed(resources_with: Callable[..., Resources]) -> None:
    """Behind a custom domain clients reach the API by that alone; pushes need the WebSocket API's own."""

    def closed(**parameters: str) -> Any:
        (api,) = of_type(resources_with(**parameters), "AWS::ApiGateway::RestApi").values()
        (server,) = api["Properties"]["Body"].get("servers", [{}])
        endpoint = server.get("x-amazon-apigateway-endpoint-configuration", {})
        return endpoint.get("disableExecuteApiEndpoint", False)

    assert (closed(), closed(DisableExecuteApiEndpoint="true")) == (False, True)
    (sockets,) = of_type(resources_with(DisableExecuteApiEndpoint="true"), "AWS::ApiGatewayV2::Api").values()
    assert "DisableExecuteApiEndpoint" not in sockets["Properties"]


def test_buckets_and_queues_refuse_plain_connections(resources_with: Callable[..., Resources]) -> None:
    """Each has one policy, which denies everything without TLS; not on the engine, which has none."""
    on_demand = {"MakeFifoQueue": "true", "NewEventBucketName": "inbox", "EventTopicArn": TOPIC}
    resources = resources_with(**on_demand)
    kept = of_kinds(resources, "AWS::S3::Bucket", "AWS::SQS::Queue")
    guarded = []
    for policy in of_kinds(resources, "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy").values():
        properties = policy["Properties"]
        names = [each["Ref"] for each in properties.get("Queues") or [properties["Bucket"]]]
        (denied,) = (each for each in properties["PolicyDocument"]["Statement"] if each["Effect"] == "Deny")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (denied["Principal"], denied["Action"]) in {("*", "s3:*"), ("*", "sqs:*")}
        if denied["Action"] == "s3:*":
            objects = {"Fn::Sub": f"${{{names[0]}.Arn}}/*"}
            assert denied["Resource"] == [{"Fn::GetAtt": [*names, "Arn"]}, objects]
        guarded += names
    assert sorted(guarded) == sorted(kept)
    local = resources_with(**on_demand, LocalEndpoint="http://127.0.0.1:4566")
    assert '{"aws:SecureTransport": "false"}' not in json.dumps(local)


def test_a_table_that_stays_can_not_be_deleted(resources_with: Callable[..., Resources]) -> None:
    """A table is protected as long as it outlives its stack."""
    for policy, protected in (("Retain", True), ("Delete", False)):
        tables = of_type(resources_with(TablesDeletionPolicy=policy), "AWS::DynamoDB::Table").values()
        assert [each["Properties"]["DeletionProtectionEnabled"] for each in tables] == [protected] * len(
            TABLES
        )


def test_a_secret_is_named_to_its_end(resources_with: Callable[..., Resources]) -> None:
    """Secrets Manager puts six characters behind a name: no role reads a secret whose name is longer.

    docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
    """
    resources = resources_with(RedisHost="redis", RedisPasswordSecret="redis-password", IsolatedWorker="true")
    for function in LAMBDAS:
        for arn in rights(resources, function).get("secretsmanager:GetSecretValue", ()):
            assert arn.endswith(("-??????", ":secret:silvaengine/beta/*")), arn


def test_the_password_of_redis_is_in_no_configuration(resources_with: Callable[..., Resources]) -> None:
    """A function is told the secret's name, and may read that secret alone."""

    def seen(function: str, **parameters: str) -> tuple[str, set[str]]:
        resources = resources_with(RedisHost="redis", IsolatedWorker="true", **parameters)
        variable = resources[function]["Properties"]["Environment"]["Variables"]["REDIS_PASSWORD"]
        arns = rights(resources, function).get("secretsmanager:GetSecretValue", set())
        return variable, {name for arn in arns if "Pass-" in (name := arn.rpartition(":secret:")[2])}

    shared = {"RedisPasswordSecret": "gatewayPass"}
    own = {**shared, "RedisWorkerUsername": "worker", "RedisWorkerPasswordSecret": "workerPass"}
    for function in ("HttpGateway", "WebsocketGateway"):
        assert seen(function, **own) == ("secretsmanager:gatewayPass", {"gatewayPass-??????"})
    for function in ("Worker", "WorkerIsolated"):
        assert seen(function) == ("", set())
        assert seen(function, **shared) == ("secretsmanager:gatewayPass", {"gatewayPass-??????"})
        assert seen(function, **own) == ("secretsmanager:workerPass", {"workerPass-??????"})
    assert "resolve:secretsmanager" not in json.dumps(resources_with(RedisHost="redis", **own))


def test_the_isolated_worker_has_a_concurrency_of_its_own(resources_with: Callable[..., Resources]) -> None:
    """Its parameter limits it and not the worker, whose parameter doesn't limit it."""
    given = resources_with(
        IsolatedWorker="true", WorkerReservedConcurrency="5", WorkerIsolatedReservedConcurrency="7"
    )
    reserved = [
        given[name]["Properties"]["ReservedConcurrentExecutions"] for name in ("Worker", "WorkerIsolated")
    ]
    assert reserved == ["5", "7"]
