"""Two packages on one deployment, IAM enforced: neither reaches the other, nor what publishes them."""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from botocore.exceptions import ClientError

from .conftest import Deployment, with_role
from .made_package import PACKAGE, MadePackage


@contextmanager
def denied() -> Iterator[None]:
    """Fail unless IAM refuses what is inside."""
    with pytest.raises(ClientError, match="AccessDenied"):
        yield


@pytest.fixture(scope="module")
def packages(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MadePackage, MadePackage]:
    """Two packages, alike but for their names."""
    folder = tmp_path_factory.mktemp("packages")
    made = (MadePackage(deployment, folder, "alpha"), MadePackage(deployment, folder, "beta"))
    for each in made:
        each.publish()
    return made


def test_a_stack_is_made_once_and_changed_where_the_package_changes(
    packages: tuple[MadePackage, MadePackage],
) -> None:
    """What is as it was makes no change set; a change leaves the code alone."""
    alpha, _ = packages
    assert any("PackageFunction: CREATE_COMPLETE" in line for line in alpha.said)
    assert alpha.publish() == []
    functions = alpha.deployment.engine.client("lambda")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as code:
        code.writestr("silvaengine_worker/app.py", "def handler(event, context): return 2\n")
    moved = functions.update_function_code(FunctionName=alpha.lambda_name, ZipFile=other.getvalue())
    alpha.write(PACKAGE.format(name="alpha").replace("functions:\n", "memory: 1024\nfunctions:\n"))
    assert alpha.publish() == ["~ PackageFunction.MemorySize"]
    after = functions.get_function_configuration(FunctionName=alpha.lambda_name)
    assert (after["MemorySize"], after["CodeSha256"]) == (1024, moved["CodeSha256"])
    assert after["Environment"]["Variables"]["ORDERS_TABLE"] == alpha.physical_id("Orders")
    assert after["Layers"][0]["Arn"] == alpha.platform.layer


def test_data_is_neither_replaced_nor_removed(packages: tuple[MadePackage, MadePackage]) -> None:
    """A change that would cost data is refused with its name, and so is a change of the isolation."""
    _, beta = packages
    text = PACKAGE.format(name="beta")
    table = beta.physical_id("Orders")
    other_key = text.replace("AttributeName: id", "AttributeName: key")
    no_event = text.replace("queue: Inbox", "queue: other")
    no_queue = no_event.replace("Inbox: {Type: AWS::SQS::Queue}", "Inbox: {Type: AWS::SNS::Topic}")
    isolated = text.replace("functions:\n", "isolation: tenant\nfunctions:\n")
    for change, complaint in (
        (other_key, "Orders: KeySchema"),
        (no_queue, "Inbox (AWS::SQS::Queue) would go"),
        (isolated, "isolation is fixed"),
    ):
        assert change != text
        beta.write(change)
        with pytest.raises(click.ClickException, match="stays as it is") as refused:
            beta.publish()
        assert complaint in refused.value.message
    beta.write(text)
    assert beta.publish() == []
    beta.deployment.engine.client("dynamodb").describe_table(TableName=table)


def test_a_first_creation_that_failed_is_made_anew(deployment: Deployment, tmp_path: Path) -> None:
    """CloudFormation takes it back, what failed is named, and the next publication makes the stack."""
    gamma = MadePackage(deployment, tmp_path, "gamma")
    text = PACKAGE.format(name="gamma")
    wrong = "{QueueConfigurations: [{Event: 's3:Nonsense', Queue: !GetAtt Inbox.Arn}]}"
    bucket = f"Uploads: {{Type: AWS::S3::Bucket, Properties: {{NotificationConfiguration: {wrong}}}}}"
    gamma.write(text.replace("Uploads: {Type: AWS::S3::Bucket}", bucket))
    with pytest.raises(click.ClickException, match="ROLLBACK_COMPLETE") as failed:
        gamma.publish()
    assert "Uploads failed" in failed.value.message
    gamma.write(text)
    gamma.publish()
    assert gamma.publish() == []


def test_a_package_reaches_its_own_table_and_no_other(packages: tuple[MadePackage, MadePackage]) -> None:
    """Its role opens what its permissions name: not another package's table, nor the registry's."""
    alpha, beta = packages
    tables = alpha.client("dynamodb")
    key = {"id": {"S": "1"}}
    tables.put_item(TableName=alpha.physical_id("Orders"), Item=key)
    assert tables.get_item(TableName=alpha.physical_id("Orders"), Key=key)["Item"] == key
    with denied():
        tables.get_item(TableName=beta.physical_id("Orders"), Key=key)
    prefix = alpha.platform.table_prefix
    for name in ("packages", "functions", "connections", "configdata", "executions"):
        with denied():
            tables.scan(TableName=f"{prefix}{name}")
    with denied():
        tables.put_item(TableName=f"{prefix}packages", Item={"function_arn": {"S": "x"}, "item": {"S": "y"}})


def test_a_package_writes_its_own_results(packages: tuple[MadePackage, MadePackage]) -> None:
    """Results lie under the package's name; of code and of others' results it writes none."""
    alpha, beta = packages
    objects = alpha.client("s3")
    bucket = alpha.platform.bucket
    objects.put_object(Bucket=bucket, Key="results/alpha-1", Body=b"")
    for key in ("results/beta-1", alpha.key, beta.key):
        with denied():
            objects.put_object(Bucket=bucket, Key=key, Body=b"")


def test_a_package_changes_no_code_and_publishes_nothing(packages: tuple[MadePackage, MadePackage]) -> None:
    """Neither another package's code nor its own, and it invokes tasks alone."""
    alpha, beta = packages
    functions = alpha.client("lambda")
    for name in (alpha.lambda_name, beta.lambda_name):
        with denied():
            functions.update_function_code(FunctionName=name, ZipFile=b"")
        with denied():
            functions.publish_version(FunctionName=name)
        with denied():
            functions.invoke(FunctionName=name, InvocationType="DryRun")
    functions.invoke(FunctionName=alpha.deployment.outputs.tasks_arn, InvocationType="DryRun")


def test_a_publisher_moves_code_and_rows(
    packages: tuple[MadePackage, MadePackage], publisher: Callable[[str], Any]
) -> None:
    """PublisherPolicy suffices for an object, a version with its configuration, and the packages' rows."""
    alpha, _ = packages
    bucket, name = alpha.platform.bucket, alpha.lambda_name
    body = alpha.deployment.engine.client("s3").get_object(Bucket=bucket, Key=alpha.key)["Body"].read()
    publisher("s3").put_object(Bucket=bucket, Key="packages/alpha/2.zip", Body=body)
    functions = publisher("lambda")
    functions.get_function(FunctionName=name)
    made = functions.update_function_code(
        FunctionName=name, S3Bucket=bucket, S3Key="packages/alpha/2.zip", Publish=True
    )
    functions.put_function_event_invoke_config(
        FunctionName=name, Qualifier=made["Version"], MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60
    )
    functions.invoke(FunctionName=name, Qualifier=made["Version"], Payload=b"{}")
    functions.get_function_configuration(FunctionName=alpha.deployment.outputs.worker_arn)
    prefix, arn = alpha.platform.table_prefix, alpha.platform.function_arn("alpha")
    item = {"function_arn": {"S": arn}, "item": {"S": "release:00000000"}}
    generation = {"setting_id": {"S": "silvaengine"}, "variable": {"S": "e2e"}}
    publisher("dynamodb").transact_write_items(
        TransactItems=[
            {"Put": {"TableName": f"{prefix}packages", "Item": item}},
            {
                "Update": {
                    "TableName": f"{prefix}configdata",
                    "Key": generation,
                    "UpdateExpression": "ADD n :n",
                    "ExpressionAttributeValues": {":n": {"N": "1"}},
                }
            },
        ]
    )
    row = {"aws_lambda_arn": {"S": arn}, "function": {"S": "x"}}
    publisher("dynamodb").put_item(TableName=f"{prefix}functions", Item=row)
    publisher("dynamodb").delete_item(TableName=f"{prefix}functions", Key=row)


def test_a_publisher_changes_no_infrastructure(
    packages: tuple[MadePackage, MadePackage], publisher: Callable[[str], Any]
) -> None:
    """No stack, no configuration of a Lambda, no role, and no key row."""
    alpha, _ = packages
    functions, stacks = publisher("lambda"), publisher("cloudformation")
    stacks.get_template(StackName=alpha.lambda_name)
    with denied():
        functions.update_function_configuration(FunctionName=alpha.lambda_name, MemorySize=256)
    with denied():
        functions.update_function_code(FunctionName=alpha.deployment.outputs.worker_arn, ZipFile=b"")
    with denied():
        stacks.update_stack(StackName=alpha.lambda_name, UsePreviousTemplate=True)
    with denied():
        stacks.create_change_set(StackName=alpha.lambda_name, ChangeSetName="mine", UsePreviousTemplate=True)
    with denied():
        publisher("iam").create_role(RoleName="mine", AssumeRolePolicyDocument="{}")
    with denied():
        publisher("dynamodb").scan(TableName=f"{alpha.platform.table_prefix}connections")


@pytest.mark.parametrize("gateway", ["HttpGateway", "WebsocketGateway", "Tasks"])
def test_who_resolves_packages_can_not_publish(
    packages: tuple[MadePackage, MadePackage], deployment: Deployment, gateway: str
) -> None:
    """Gateways and tasks read releases and invoke versions, write no release and move no code.

    The sweeper turns pointers; the engine doesn't know which rows are left to it (tests/rules).
    """
    alpha, _ = packages
    arn = deployment.outputs.function_arns[gateway]
    role = deployment.engine.client("lambda").get_function_configuration(FunctionName=arn)["Role"]
    table, key = f"{alpha.platform.table_prefix}packages", {"function_arn": {"S": "x"}, "item": {"S": "y"}}
    tables = with_role(deployment.engine, role, "dynamodb")
    tables.get_item(TableName=table, Key=key)
    with denied():
        tables.put_item(TableName=table, Item=key)
    with denied():
        tables.delete_item(TableName=table, Key=key)
    functions = with_role(deployment.engine, role, "lambda")
    functions.invoke(FunctionName=alpha.lambda_name, InvocationType="DryRun")
    with denied():
        functions.update_function_code(FunctionName=alpha.lambda_name, ZipFile=b"")


def test_tasks_may_poll_packages_queues(
    packages: tuple[MadePackage, MadePackage], deployment: Deployment
) -> None:
    """Event source mappings poll with its role; a gateway's opens no queue.

    Streams are asserted on the template: the engine doesn't know their names in a policy.
    """
    alpha, _ = packages
    queue, functions = alpha.physical_id("Inbox"), deployment.engine.client("lambda")

    def poll(name: str) -> None:
        arn = deployment.outputs.function_arns[name]
        role = functions.get_function_configuration(FunctionName=arn)["Role"]
        with_role(deployment.engine, role, "sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=0)

    poll("Tasks")
    with denied():
        poll("HttpGateway")


def test_the_registry_is_told_the_sources_own_names(packages: tuple[MadePackage, MadePackage]) -> None:
    """The binding rows name queue, table, bucket, topic and rule as AWS's events do."""
    alpha, _ = packages
    rows = {(row["setting_id"], row["variable"]): row["value"] for row in alpha.stack().binding_rows()}
    queue = alpha.physical_id("Inbox").rpartition("/")[2]
    assert ("silvaengine_events", f"queue:{queue}") in rows
    assert ("silvaengine_events", f"bucket:{alpha.physical_id('Uploads')}") in rows
    assert ("dynamodb_stream_config", alpha.physical_id("Orders")) in rows
    assert all(
        name.startswith("silvaengine-local-pkg-alpha-") for name in (queue, alpha.physical_id("Orders"))
    )
    mappings = alpha.deployment.engine.client("lambda").list_event_source_mappings(
        FunctionName=alpha.platform.tasks_events
    )["EventSourceMappings"]
    sources = {each["EventSourceArn"].rpartition(":")[2].partition("/stream/")[0] for each in mappings}
    assert queue in sources
    assert not any(each["FunctionArn"].endswith(alpha.lambda_name) for each in mappings)
