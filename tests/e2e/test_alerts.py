"""What reaches the operator's topic when a function fails."""

import json
from typing import Any

import pytest

from .conftest import Deployment, wait_for_status
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


def received(deployment: Deployment, queue: str, function: str) -> list[dict[str, Any]]:
    """Take what lies in the queue about a function; wait for the first message at most."""
    sqs = deployment.engine.client("sqs")
    response = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10)
    notices = [json.loads(message["Body"]) for message in response.get("Messages", [])]
    return [each for each in notices if json.loads(each["Message"]).get("function") == function]


def test_a_failing_function_is_one_notice(api: Api, deployment: Deployment, queue: str) -> None:
    """A function that fails again and again is told once, by its Lambda's ARN and without its words."""
    request_ids = [api.get("/core/e2e/fail_loudly", KEY).headers["x-request-id"] for _ in range(3)]
    (notice,) = received(deployment, queue, "fail_loudly")
    assert notice["Subject"] == deployment.outputs.worker_arn[:99]
    told = json.loads(notice["Message"])
    assert told["request_id"] in request_ids
    assert (told["endpoint_id"], told["function"], told["status"]) == ("e2e", "fail_loudly", 500)
    assert "hunter2" not in notice["Message"]


def test_a_failure_that_nobody_waits_for_is_a_notice_and_kept(
    api: Api, deployment: Deployment, queue: str
) -> None:
    """The caller has its 202 already: after the last attempt the operator is told, once, and the queue is."""
    job_id = api.post("/core/e2e/fail_later", {}, KEY).json()["job_id"]
    wait_for_status(api, job_id, {"dead"})
    deployment.dead_letters()
    deployment.sweep()
    (notice,) = received(deployment, queue, "fail_later")
    told = json.loads(notice["Message"])
    assert (told["function"], told["cause"], told["job_id"]) == ("fail_later", "RuntimeError", job_id)
    (letter,) = deployment.dead_letters()
    assert (letter["job_id"], letter["endpoint_id"], letter["attempts"]) == (job_id, "e2e", 1)
    assert "hunter2" not in json.dumps(letter)
