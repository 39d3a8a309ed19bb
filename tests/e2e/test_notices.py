"""What reaches the operator's topic when a function fails."""

import json
from typing import Any

import pytest

from silvaengine_cli import deploy

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY

KEY = {"x-api-key": API_KEY}


@pytest.fixture
def queue(deployment: Deployment) -> str:
    """A queue that gets what is published to the topic from now on."""
    sqs, topic = deployment.engine.client("sqs"), deployment.parameters["SnsTopicArn"]
    url: str = sqs.create_queue(QueueName="notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    deployment.engine.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def received(deployment: Deployment, queue: str) -> list[dict[str, Any]]:
    """Take what lies in the queue; wait for the first message at most."""
    sqs = deployment.engine.client("sqs")
    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_failing_function_is_one_notice(api: Api, deployment: Deployment, queue: str) -> None:
    """A function that fails again and again is told once, by its Lambda's ARN and without its words."""
    request_ids = [api.get("/core/e2e/fail_loudly", KEY).headers["x-request-id"] for _ in range(3)]
    (notice,) = received(deployment, queue)
    assert notice["Subject"] == deployment.outputs.worker_arn[:99]
    told = json.loads(notice["Message"])
    assert told["request_id"] in request_ids
    assert (told["endpoint_id"], told["function"], told["status"]) == ("e2e", "fail_loudly", 500)
    assert "hunter2" not in notice["Message"]


def test_a_failure_that_nobody_waits_for_is_a_notice_and_kept(
    api: Api, deployment: Deployment, queue: str
) -> None:
    """The caller has its 202 already: the operator is told, and the event lies in the dead-letter queue."""
    assert api.post("/core/e2e/fail_later", {}, KEY).status == 202
    (notice,) = received(deployment, queue)
    assert json.loads(notice["Message"])["function"] == "fail_later"
    resource = deployment.engine.client("cloudformation").describe_stack_resource(
        StackName=deploy.LOCAL_STACK, LogicalResourceId="DeadLetterQueue"
    )
    dead_letters = resource["StackResourceDetail"]["PhysicalResourceId"]
    answer = deployment.engine.client("sqs").receive_message(QueueUrl=dead_letters, WaitTimeSeconds=10)
    (kept,) = answer["Messages"]
    assert json.loads(kept["Body"])["requestPayload"]["funct"] == "fail_later"
