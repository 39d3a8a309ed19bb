"""What the local engine drops or does not enforce is read off the template after its transforms."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from silvaengine.tables import TABLES, WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX, Table

from .conftest import PROJECT, Resources

FUNCTIONS = ("HttpGateway", "WebsocketGateway", "Tasks", "Worker")
TOPIC = "arn:aws:sns:eu-central-1:111122223333:failures"
NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


def of_type(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    """Select the resources of one CloudFormation type."""
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def table(resources: Resources, name: str) -> dict[str, Any]:
    """Find a table by its full name."""
    tables = of_type(resources, "AWS::DynamoDB::Table").values()
    (found,) = (each for each in tables if each["Properties"]["TableName"] == name)
    return found


def as_list(value: Any) -> list[Any]:
    """Take one thing or a list of them, as IAM does."""
    return value if isinstance(value, list) else [value]


def rights(resources: Resources, function: str) -> dict[str, set[str]]:
    """Collect the resources that a function's role reaches, by action; a condition stands behind its."""
    role = f"{function}Role"
    documents = [policy["PolicyDocument"] for policy in resources[role]["Properties"]["Policies"]]
    documents += [
        policy["Properties"]["PolicyDocument"]
        for policy in of_type(resources, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
    ]
    found: dict[str, set[str]] = {}
    for statement in (each for document in documents for each in document["Statement"]):
        condition = f" if {statement['Condition']}" if "Condition" in statement else ""
        for action in as_list(statement["Action"]):
            reached = {f"{arn}{condition}" for arn in as_list(statement["Resource"])}
            found.setdefault(action, set()).update(reached)
    return found


# What was cleared in the caches lies in rows of its own; no role that functions share reads another one.
CLEARS = (
    "arn:aws:dynamodb:eu-central-1:111122223333:table/se-configdata if "
    "{'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['silvaengine:cache:*']}}"
)


def logs(function: str) -> dict[str, set[str]]:
    """Give the rights that every function has."""
    group = f"arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/silvaengine-{function}:*"
    return {"logs:CreateLogStream": {group}, "logs:PutLogEvents": {group}}


@pytest.mark.parametrize("declared", TABLES, ids=lambda declared: declared.name)
def test_a_table_is_what_the_code_declares(resources: Resources, declared: Table) -> None:
    """Names and keys of the template are those of silvaengine.tables."""
    properties = table(resources, declared.full_name("se-"))["Properties"]
    keys = {key["KeyType"]: key["AttributeName"] for key in properties["KeySchema"]}
    assert keys == {"HASH": declared.hash_key} | ({"RANGE": declared.range_key} if declared.range_key else {})
    assert {each["AttributeType"] for each in properties["AttributeDefinitions"]} == {"S"}


@pytest.mark.parametrize("declared", TABLES, ids=lambda declared: declared.name)
def test_a_table_is_safe(resources: Resources, declared: Table) -> None:
    """Every table can be restored, is encrypted, and stays when the stack goes."""
    found = table(resources, declared.full_name("se-"))
    assert found["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert found["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_connections_expire(resources: Resources) -> None:
    """A WebSocket connection's row ends by itself, and is found by its connection id."""
    properties = table(resources, WSS_CONNECTIONS.full_name("se-"))["Properties"]
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
    """CreateTables=false makes no table, and every role reaches what it reached before."""
    own, adopted = resources_with(), resources_with(CreateTables="false")
    tables = of_type(adopted, "AWS::DynamoDB::Table").values()
    assert {each["Condition"] for each in tables} == {"MakesTables"}
    assert [rights(own, name) for name in FUNCTIONS] == [rights(adopted, name) for name in FUNCTIONS]


def test_a_prefix_keeps_stages_apart(resources_with: Callable[..., Resources]) -> None:
    """TablePrefix is in every table's name and in every right on a table."""
    resources = resources_with(TablePrefix="test-")
    names = [each["Properties"]["TableName"] for each in of_type(resources, "AWS::DynamoDB::Table").values()]
    assert sorted(names) == sorted(declared.full_name("test-") for declared in TABLES)
    assert all("table/test-" in arn for arn in rights(resources, "HttpGateway")["dynamodb:GetItem"])


def test_the_http_gateway_reads_the_registry_and_invokes_the_worker(resources: Resources) -> None:
    """The gateway's role has these rights and no other."""
    here = "eu-central-1:111122223333"
    tables = {
        f"arn:aws:dynamodb:{here}:table/se-{name}"
        for name in ("endpoints", "connections", "functions", "configdata")
    }
    assert rights(resources, "HttpGateway") == logs("HttpGateway") | {
        "dynamodb:BatchGetItem": tables,
        "dynamodb:GetItem": tables,
        "dynamodb:Query": tables,
        "dynamodb:PutItem": {CLEARS},
        "dynamodb:UpdateItem": {CLEARS},
        "ssm:GetParameter": {f"arn:aws:ssm:{here}:parameter/silvaengine/beta/*"},
        "secretsmanager:GetSecretValue": {f"arn:aws:secretsmanager:{here}:secret:silvaengine/beta/*"},
        "lambda:InvokeFunction": {f"arn:aws:lambda:{here}:function:silvaengine-Worker"},
    }


def test_the_http_gateway_invokes_other_workers_by_name(resources_with: Callable[..., Resources]) -> None:
    """Adopted rows and tenants' own workers name other Lambdas: those of OtherWorkerArns and no more."""
    lambdas = "arn:aws:lambda:eu-central-1:111122223333:function:"
    given = resources_with(OtherWorkerArns=f"{lambdas}acme-Worker,{lambdas}old_*")
    invoked = rights(given, "HttpGateway")["lambda:InvokeFunction"]
    assert invoked == {f"{lambdas}{name}" for name in ("silvaengine-Worker", "acme-Worker", "old_*")}


def test_the_worker_reaches_no_table_but_what_was_cleared(resources_with: Callable[..., Resources]) -> None:
    """Beside log and dead-letter queue the worker reaches the rows about clears; with Redis no table."""
    queue = {"sqs:SendMessage": {str({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})}}
    actions = ("BatchGetItem", "GetItem", "PutItem", "UpdateItem")
    clears = {f"dynamodb:{action}": {CLEARS} for action in actions}
    assert rights(resources_with(), "Worker") == logs("Worker") | queue | clears
    assert rights(resources_with(RedisHost="redis.internal"), "Worker") == logs("Worker") | queue


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


@pytest.mark.parametrize("function", ["WebsocketGateway", "Tasks"])
def test_a_function_that_only_refuses_reaches_nothing(resources: Resources, function: str) -> None:
    """What can't do anything yet may write its log."""
    assert rights(resources, function) == logs(function)


def test_a_topic_is_told_of_failures(resources_with: Callable[..., Resources]) -> None:
    """With SnsTopicArn the alarms, the gateway and the worker publish to that topic alone."""
    resources = resources_with(SnsTopicArn=TOPIC)
    assert [rights(resources, name).get("sns:Publish") for name in FUNCTIONS] == [
        {TOPIC},
        None,
        None,
        {TOPIC},
    ]
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    assert [each["Properties"]["AlarmActions"] for each in alarms] == [[TOPIC]] * len(alarms)


def test_no_right_is_unlimited(resources_with: Callable[..., Resources]) -> None:
    """No action has a wildcard, no resource is `*` but for a VPC; no two functions share a role."""
    resources = resources_with(SnsTopicArn=TOPIC, SubnetIds="subnet-1", SecurityGroupIds="sg-1")
    for function in FUNCTIONS:
        for action, arns in rights(resources, function).items():
            assert "*" not in action
            assert "*" not in arns or action in NETWORK
    roles = {str(resources[function]["Properties"]["Role"]) for function in FUNCTIONS}
    assert len(roles) == len(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
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
    """Give both sides of every comparison in a condition."""
    if isinstance(condition, dict):
        yield from condition.get("Fn::Equals", ())
        condition = list(condition.values())
    if isinstance(condition, list):
        for each in condition:
            yield from operands(each)


def test_conditions_compare_strings() -> None:
    """To AWS::LanguageExtensions, other than to CloudFormation itself, -1 is not equal to "-1"."""
    template = yaml_parse((PROJECT / "template.yaml").read_text())
    sides = list(operands(template["Conditions"]))
    named = [side["Ref"] for side in sides if isinstance(side, dict) and "Ref" in side]
    assert {template["Parameters"][name]["Type"] for name in named} == {"String"}
    assert {type(side) for side in sides if not isinstance(side, dict)} == {str}


def test_the_gateway_outlives_the_deadline_it_sets(resources: Resources) -> None:
    """API Gateway waits 29 s, the gateway's deadline is 27 s: its own limit must not come first."""
    assert resources["HttpGateway"]["Properties"]["Timeout"] == 29


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_writes_to_a_log_that_ends(
    resources_with: Callable[..., Resources], function: str
) -> None:
    """Every function has a log group of its own, kept as long as the parameter says."""
    resources = resources_with(LogRetentionDays="7")
    assert resources[function]["Properties"]["LoggingConfig"] == {"LogGroup": {"Ref": f"{function}Logs"}}
    assert resources[f"{function}Logs"]["Properties"] == {
        "LogGroupName": f"/aws/lambda/silvaengine-{function}",
        "RetentionInDays": "7",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_failures_and_throttling_raise_alarms(resources: Resources, function: str) -> None:
    """Every function has an alarm for its errors and one for its throttles."""
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    watched = {
        each["Properties"]["MetricName"]
        for each in alarms
        if {"Name": "FunctionName", "Value": f"silvaengine-{function}"} in each["Properties"]["Dimensions"]
    }
    assert watched == {"Errors", "Throttles"}


def test_the_worker_is_not_retried_behind_our_back(resources: Resources) -> None:
    """An event that the worker can't take goes to an encrypted queue, at once, and raises an alarm."""
    properties = resources["WorkerEventInvokeConfig"]["Properties"]
    assert (properties["MaximumRetryAttempts"], properties["MaximumEventAgeInSeconds"]) == (0, 60)
    destination = properties["DestinationConfig"]["OnFailure"]["Destination"]
    assert destination == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
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
    """A browser may read API Gateway's own errors as it may read ours."""
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    answers = api["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"]
    header = "gatewayresponse.header.Access-Control-Allow-Origin"
    assert {name: answer["responseParameters"][header] for name, answer in answers.items()} == {
        "DEFAULT_4XX": "'*'",
        "DEFAULT_5XX": "'*'",
    }
    for answer in answers.values():
        body = answer["responseTemplates"]["application/json"]
        assert body == '{"error": $context.error.messageString, "request_id": "$context.requestId"}'


def test_access_logs_are_asked_for(resources_with: Callable[..., Resources]) -> None:
    """Access logs need a role that an account may lack, so that nobody has them by default."""
    (silent,) = of_type(resources_with(), "AWS::ApiGateway::Stage").values()
    (stage,) = of_type(resources_with(AccessLogs="true"), "AWS::ApiGateway::Stage").values()
    assert "AccessLogSetting" not in silent["Properties"]
    assert stage["Properties"]["AccessLogSetting"]["DestinationArn"] == {
        "Fn::GetAtt": ["AccessLogGroup", "Arn"]
    }


def test_a_layer_is_its_stacks_own(resources: Resources) -> None:
    """Two stacks of an account do not publish under one layer name, SAM's default."""
    (layer,) = of_type(resources, "AWS::Lambda::LayerVersion").values()
    assert layer["Properties"]["LayerName"] == "silvaengine-SharedLayer"
    assert layer["DeletionPolicy"] == "Delete"


def test_subnets_put_every_function_into_the_vpc(resources_with: Callable[..., Resources]) -> None:
    """With subnets every function is in the VPC and may have network interfaces; without, none is."""
    inside = resources_with(SubnetIds="subnet-1,subnet-2", SecurityGroupIds="sg-1")
    network = {name: {"Ref": name} for name in ("SubnetIds", "SecurityGroupIds")}
    for function in FUNCTIONS:
        # Globals are no concern of AWS::LanguageExtensions: CloudFormation itself decides this one.
        choice = {"Fn::If": ["InVpc", network, {"Ref": "AWS::NoValue"}]}
        assert inside[function]["Properties"]["VpcConfig"] == choice
        added = rights(inside, function).keys() - rights(resources_with(), function).keys()
        assert added == NETWORK


def values_of_environment() -> Iterator[tuple[str, Any]]:
    """Give each variable of each function as the template has it."""
    template = yaml_parse((PROJECT / "template.yaml").read_text())
    yield from template["Globals"]["Function"]["Environment"]["Variables"].items()
    for name in FUNCTIONS:
        properties = template["Resources"][name]["Properties"]
        yield from properties.get("Environment", {"Variables": {}})["Variables"].items()


def test_environment_values_come_from_parameters() -> None:
    """`sam local` resolves a reference to a parameter and nothing else; it needs none of these."""
    others = {name for name, value in values_of_environment() if value.keys() != {"Ref"}}
    assert others == {
        "OTHER_WORKER_ARNS",
        "REDIS_PASSWORD",
        "REDIS_USERNAME",
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


def test_the_gateway_knows_the_workers(resources_with: Callable[..., Resources]) -> None:
    """Former workers' names reach the gateway beside this stack's worker; none are there by default."""
    given = resources_with(WorkerArnMap="old_worker,older", OtherWorkerArns="arn:x-*")
    variables = given["HttpGateway"]["Properties"]["Environment"]["Variables"]
    assert "old_worker" in str(variables["WORKER_ARN_MAP"])
    assert "arn:x-*" in str(variables["OTHER_WORKER_ARNS"])
    assert "-Worker" in str(variables["WORKER_ARN"])
    plain = resources_with()["HttpGateway"]["Properties"]["Environment"]["Variables"]
    assert "old_worker" not in str(plain["WORKER_ARN_MAP"])
