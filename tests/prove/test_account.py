"""What the account reports of what the template asked for."""

import pytest

from .conftest import Target

ENGINE_DROPS = "the local engine drops it from a template"


@pytest.mark.proves("language-extensions")
def test_language_extensions(target: Target) -> None:
    """Loops, conditions and a deletion policy by a parameter became a stack that is complete."""
    stacks = target.client("cloudformation")
    (stack,) = stacks.describe_stacks(StackName=target.stack)["Stacks"]
    assert stack["StackStatus"].endswith("_COMPLETE")
    assert {tag["Key"] for tag in stack["Tags"]} >= set(target.tags)
    assert target.resource("FunctionsTable") == target.table("functions")


@pytest.mark.aws_only(ENGINE_DROPS)
@pytest.mark.proves("tables-ttl")
@pytest.mark.parametrize("name", ["executions", "wss-connections"])
def test_rows_expire(target: Target, name: str) -> None:
    """Rows that expire are deleted by DynamoDB."""
    described = target.client("dynamodb").describe_time_to_live(TableName=target.table(name))
    assert described["TimeToLiveDescription"]["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}


@pytest.mark.aws_only(ENGINE_DROPS)
@pytest.mark.proves("tables-recovery")
def test_a_table_can_be_restored(target: Target) -> None:
    """The registry can be restored to any moment."""
    described = target.client("dynamodb").describe_continuous_backups(TableName=target.table("functions"))
    recovery = described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


@pytest.mark.aws_only(ENGINE_DROPS)
@pytest.mark.proves("encryption")
def test_what_is_stored_is_encrypted(target: Target) -> None:
    """Tables, buckets and queues are encrypted."""
    described = target.client("dynamodb").describe_table(TableName=target.table("functions"))["Table"]
    assert described["SSEDescription"]["Status"] == "ENABLED"
    assert target.client("s3").get_bucket_encryption(Bucket=target.output("PayloadBucket"))
    attributes = target.client("sqs").get_queue_attributes(
        QueueUrl=target.output("EventQueueUrl"), AttributeNames=["SqsManagedSseEnabled"]
    )
    assert attributes["Attributes"]["SqsManagedSseEnabled"] == "true"


@pytest.mark.proves("alarms")
def test_alarms_are_there(target: Target) -> None:
    """Each alarm of the stack is known to CloudWatch."""
    listed = target.client("cloudformation").get_paginator("list_stack_resources")
    pages = listed.paginate(StackName=target.stack)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    wanted = {
        each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::CloudWatch::Alarm"
    }
    alarms = target.client("cloudwatch").get_paginator("describe_alarms")
    pages = alarms.paginate(AlarmNamePrefix=target.stack)
    assert wanted
    assert {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]} == wanted
