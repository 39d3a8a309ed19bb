"""The template of a package's stack, read off as CloudFormation would make it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli.publishing.sources import binding_rows_of
from silvaengine_cli.publishing.stack_template import render
from silvaengine_cli.publishing.template_findings import template_findings

from .package_files import HERE, PLATFORM, SMALLEST, package

RESOURCES = """\
resources:
  Orders: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: [{AttributeName: id, KeyType: HASH}], AttributeDefinitions: [{AttributeName: id, AttributeType: S}], BillingMode: PAY_PER_REQUEST}}
  Inbox: {Type: AWS::SQS::Queue}
  Ordered: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Uploads: {Type: AWS::S3::Bucket}
  News: {Type: AWS::SNS::Topic}
  Token: {Type: AWS::SecretsManager::Secret}
  Limit: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: "3"}}
permissions:
  - {Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Orders.Arn}
"""  # noqa: E501
EVENTS = """\
package: shop
memory: 1024
timeout: 60
ephemeral_storage: 1024
concurrency: 3
isolation: tenant
environment: {default: {TABLE: !Ref Orders}, beta: {GREETING: Hi}, prod: {GREETING: Good day}}
functions:
  hello:
    call: "shop:hello"
    area: core
    events:
      - {endpoint: acme, queue: Inbox}
      - {endpoint: acme, queue: Ordered}
      - {endpoint: acme, table: Orders}
      - {endpoint: acme, bucket: Uploads, prefix: in/}
      - {endpoint: acme, topic: News}
      - {endpoint: acme, schedule: rate(1 hour)}
      - {endpoint: acme, queue: of-another-stack}
  again: {call: "shop:hello", area: core, events: [{endpoint: acme, queue: Inbox}]}
"""


def rendered(folder: Path, text: str = EVENTS + RESOURCES, **platform: Any) -> dict[str, Any]:
    """Return the resources of a package's template."""
    resources: dict[str, Any] = render(package(folder, text), replace(PLATFORM, **platform))["Resources"]
    return resources


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    """Select the properties of one type's resources."""
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


def test_the_lambda_is_the_platforms_worker_with_what_the_package_says(tmp_path: Path) -> None:
    """Layer, runtime and environment are the worker's; sizes, isolation and own variables the package's."""
    resources = rendered(tmp_path)
    (function,) = of_type(resources, "AWS::Lambda::Function").values()
    assert function["FunctionName"] == "engine-pkg-shop"
    assert function["Layers"] == [PLATFORM.layer]
    assert function["Environment"]["Variables"] == {
        **PLATFORM.environment,
        "TABLE": {"Ref": "Orders"},
        "GREETING": "Hi",
    }
    assert (function["MemorySize"], function["Timeout"], function["EphemeralStorage"]) == (
        1024,
        60,
        {"Size": 1024},
    )
    assert function["ReservedConcurrentExecutions"] == 3
    assert function["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert function["Code"] == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}
    assert of_type(resources, "AWS::Logs::LogGroup")["PackageLogs"]["RetentionInDays"] == 30


def test_no_resource_is_a_version_or_an_alias(tmp_path: Path) -> None:
    """Versions are releases, which CloudFormation's updates and rollbacks must not make or move."""
    kinds = {each["Type"] for each in rendered(tmp_path).values()}
    assert not kinds & {"AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::Permission"}


def test_the_role_is_bounded_and_says_whose_it_is(tmp_path: Path) -> None:
    """Beside its log and results it has the package's permissions; the tag is what the policies go by."""
    role = rendered(tmp_path)["PackageRole"]["Properties"]
    assert (role["PermissionsBoundary"], role["ManagedPolicyArns"]) == (PLATFORM.boundary, [PLATFORM.policy])
    assert role["Tags"] == [{"Key": "package", "Value": "shop"}]
    (policy,) = role["Policies"]
    assert policy["PolicyDocument"]["Statement"][1:] == [
        {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::engine-payloads/results/shop-*",
        },
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": {"Fn::GetAtt": ["Orders", "Arn"]}},
    ]


def test_data_outlives_the_stack(tmp_path: Path) -> None:
    """Tables, buckets, queues and secrets stay, unless the package says Delete."""
    resources = rendered(tmp_path)
    for name in ("Orders", "Inbox", "Uploads", "Token"):
        policies = (resources[name]["DeletionPolicy"], resources[name]["UpdateReplacePolicy"])
        assert policies == ("RetainExceptOnCreate", "Retain"), name
    assert "DeletionPolicy" not in resources["News"]
    text = SMALLEST + "resources: {Orders: {Type: AWS::SQS::Queue, DeletionPolicy: Delete}}"
    assert rendered(tmp_path, text)["Orders"]["DeletionPolicy"] == "Delete"


def test_what_cloudformation_would_not_name_by_the_stack_gets_a_name(tmp_path: Path) -> None:
    """The boundary knows a package's resources by the beginning of their names."""
    resources = rendered(tmp_path)
    assert resources["Token"]["Properties"]["Name"] == "engine-pkg-shop-Token"
    assert resources["Limit"]["Properties"]["Name"] == "engine-pkg-shop-Limit"


def test_events_go_to_tasks_and_never_to_the_lambda(tmp_path: Path) -> None:
    """Each own source is served once, with the settings of the platform's sources."""
    resources = rendered(tmp_path)
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping")
    assert mappings.keys() == {"PackageInboxMapping", "PackageOrderedMapping", "PackageOrdersMapping"}
    for mapping in mappings.values():
        assert mapping["FunctionName"] == PLATFORM.tasks_events
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mappings["PackageOrderedMapping"]["BatchSize"] == 1
    stream = mappings["PackageOrdersMapping"]
    assert stream["EventSourceArn"] == {"Fn::GetAtt": ["Orders", "StreamArn"]}
    assert stream["DestinationConfig"] == {"OnFailure": {"Destination": PLATFORM.dead_letters}}
    assert resources["Orders"]["Properties"]["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    (notified,) = resources["Uploads"]["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
    assert notified["Function"] == PLATFORM.tasks_events
    assert resources["PackageNewsSubscription"]["Properties"]["Endpoint"] == PLATFORM.tasks_events
    (rule,) = of_type(resources, "AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert rule["Name"].startswith("engine-pkg-shop-")
    assert rule["Targets"][0]["Arn"] == PLATFORM.tasks_events


def test_a_queue_waits_for_tasks_and_has_a_dead_letter_queue(tmp_path: Path) -> None:
    """As the platform's own; the package's word is left, and a FIFO queue's dead would need a FIFO queue."""
    resources = rendered(tmp_path)
    inbox = resources["Inbox"]["Properties"]
    assert inbox["VisibilityTimeout"] == 1980
    assert inbox["RedrivePolicy"] == {"deadLetterTargetArn": PLATFORM.dead_letters, "maxReceiveCount": 5}
    assert "RedrivePolicy" not in resources["Ordered"]["Properties"]
    text = (EVENTS + RESOURCES).replace(
        "Inbox: {Type: AWS::SQS::Queue}",
        "Inbox: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 9000}}",
    )
    assert rendered(tmp_path, text)["Inbox"]["Properties"]["VisibilityTimeout"] == 9000


def test_bindings_name_the_sources_as_their_events_do(tmp_path: Path) -> None:
    """A queue's URL, a topic's ARN and a table's name become names; a source of the account keeps its own."""
    read = package(tmp_path, EVENTS + RESOURCES)
    ids = {
        "Inbox": "https://sqs.eu-central-1.amazonaws.com/111122223333/engine-pkg-shop-Inbox-1",
        "Ordered": "https://sqs.eu-central-1.amazonaws.com/111122223333/engine-pkg-shop-Ordered-1.fifo",
        "Orders": "engine-pkg-shop-Orders-1",
        "Uploads": "engine-pkg-shop-uploads-1",
        "News": f"arn:aws:sns:{HERE}:engine-pkg-shop-News-1",
    }
    rows = {
        (row["setting_id"], row["variable"]): row["value"] for row in binding_rows_of(read, PLATFORM, ids)
    }
    (rule,) = of_type(render(read, PLATFORM)["Resources"], "AWS::Events::Rule").values()
    assert rows.keys() == {
        ("silvaengine_events", "queue:engine-pkg-shop-Inbox-1"),
        ("silvaengine_events", "queue:engine-pkg-shop-Ordered-1.fifo"),
        ("silvaengine_events", "queue:of-another-stack"),
        ("silvaengine_events", "bucket:engine-pkg-shop-uploads-1"),
        ("silvaengine_events", "topic:engine-pkg-shop-News-1"),
        ("silvaengine_events", f"schedule:{rule['Name']}"),
        ("dynamodb_stream_config", "engine-pkg-shop-Orders-1"),
    }
    both = rows["silvaengine_events", "queue:engine-pkg-shop-Inbox-1"]
    assert [target["funct"] for target in both] == ["hello", "again"]


def test_alarms_tell_the_platforms_topic(tmp_path: Path) -> None:
    """Errors, throttles and failed calls; without a topic nobody would be told, and there is no alarm."""
    alarms = of_type(rendered(tmp_path, SMALLEST), "AWS::CloudWatch::Alarm")
    assert {each["MetricName"] for each in alarms.values()} == {
        "Errors",
        "Throttles",
        "ExcessFailures",
    }
    assert all(each["AlarmActions"] == [PLATFORM.topic] for each in alarms.values())
    assert of_type(rendered(tmp_path, SMALLEST, topic=""), "AWS::CloudWatch::Alarm") == {}


def test_in_a_vpc_the_lambda_is_where_the_worker_is(tmp_path: Path) -> None:
    """Subnets and security groups are the worker's."""
    network = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    function = rendered(tmp_path, SMALLEST, network=network)["PackageFunction"]["Properties"]
    assert function["VpcConfig"] == network


def test_a_package_logs_as_its_platform(tmp_path: Path) -> None:
    """Its Lambda has the worker's log format and a log group of its own, and is behind where that changes."""
    quiet = {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
    function = rendered(tmp_path, SMALLEST, logging=quiet)["PackageFunction"]["Properties"]
    assert function["LoggingConfig"] == {**quiet, "LogGroup": {"Ref": "PackageLogs"}}
    assert PLATFORM.digest != replace(PLATFORM, logging=quiet).digest


@pytest.mark.parametrize("text", [SMALLEST, EVENTS + RESOURCES], ids=["smallest", "everything"])
def test_cloudformation_would_take_the_template(tmp_path: Path, text: str) -> None:
    """cfn-lint, with CloudFormation's schemas, finds no error in what is rendered."""
    read = package(tmp_path, text)
    assert list(template_findings(render(read, PLATFORM), read)) == []


def test_what_cloudformation_would_refuse_is_said_at_its_line(tmp_path: Path) -> None:
    """A wrong property, a reference to nothing and an action that doesn't exist lead to package.yaml."""
    text = SMALLEST + (
        "environment: {default: {TABLE: !Ref Nothing}}\n"
        "resources: {Inbox: {Type: AWS::SQS::Queue, Properties: {DelaySecond: 1}}}\n"
        "permissions: [{Effect: Allow, Action: sqs:SendMessages, Resource: !GetAtt Inbox.Arn}]\n"
    )
    read = package(tmp_path, text)
    found = {each.path[:3] for each in template_findings(render(read, PLATFORM), read)}
    assert ("environment", "default", "TABLE") in found
    assert ("resources", "Inbox", "Properties") in found
    assert ("permissions", 0, "Action") in found
