"""What the layer says to AWS besides reading rows: secrets, alerts, and what AWS's refusals become."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from botocore.retries import standard
from botocore.session import Session

from silvaengine.aws import botocore, table_client
from silvaengine.aws.backoff import Backoff
from silvaengine.aws.client import open_client
from silvaengine.aws.errors import BusyError, to_error
from silvaengine.aws.secrets import open_lookups
from silvaengine.aws.table_client import TableReader, open_dynamodb, open_table_reader, open_table_writer
from silvaengine.errors import ConditionFailedError, ConfigurationError, UnavailableError
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.registry.registry import open_registry
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, ENDPOINTS, WSS_CONNECTIONS
from silvaengine_cli.engine import CREDENTIALS, REGION
from silvaengine_utility.calls import send_to_queue

from .conftest import AnyClient

type Client = Callable[[str], Any]

SETTINGS = Settings(region=REGION)


@pytest.fixture
def client(aws: str) -> Client:
    """Return a client of the account for a service."""

    def create(service: str) -> Any:
        return Session().create_client(service, REGION, endpoint_url=aws)

    return create


def test_secrets_are_looked_up(client: Client, aws_client: type[AnyClient]) -> None:
    """Encrypted parameters and secrets come as their text; a missing one is the operator's mistake."""
    client("ssm").put_parameter(
        Name="/silvaengine/beta/p", Value="s3cret", Type="SecureString", Overwrite=True
    )
    name, create = f"silvaengine/beta/{aws_client.__name__}", client("secretsmanager").create_secret
    arn = create(Name=name, SecretString="t0p")["ARN"]
    lookups = open_lookups(REGION, "beta")
    assert lookups["ssm"]("/silvaengine/{stage}/p") == "s3cret"
    assert lookups["secretsmanager"](name.replace("beta", "{stage}")) == "t0p"
    assert lookups["ssm"]("/silvaengine/beta/p") == "s3cret"
    assert lookups["secretsmanager"](arn) == "t0p"
    binary = create(Name=f"{name}-bytes", SecretBinary=b"\x00")["ARN"]
    with pytest.raises(ConfigurationError):
        lookups["secretsmanager"](binary)
    with pytest.raises(ConfigurationError) as caught:
        lookups["ssm"]("/silvaengine/beta/none")
    assert "/silvaengine/beta/none" in caught.value.detail
    assert "silvaengine" not in caught.value.message


def test_a_secret_costs_no_botocore(client: Client) -> None:
    """A cold start that needs one pays a signed call, not botocore's import and client."""
    client("ssm").put_parameter(Name="/silvaengine/beta/p", Value="s3cret", Type="String", Overwrite=True)
    code = (
        "import sys; from silvaengine.aws.secrets import open_lookups;"
        f"print(open_lookups({REGION!r})['ssm']('/silvaengine/beta/p'), 'botocore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["s3cret", "False"]


@pytest.mark.usefixtures("aws_client")
def test_an_alert_reaches_the_topic(client: Client) -> None:
    """Subject and text are what a subscriber gets."""
    topic = client("sns").create_topic(Name="alerts")["TopicArn"]
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    open_alert_publisher(Settings(sns_topic_arn=topic)).publish("a subject", "f", {"request_id": "r1"})
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Subject"], json.loads(body["Message"])) == ("a subject", {"request_id": "r1"})


def test_equal_calls_through_a_fifo_queue_all_arrive(client: Client) -> None:
    """Two tenants, two functions, or one caller twice: with equal parameters each is a call of its own."""
    sqs = client("sqs")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName="calls.fifo", Attributes=fifo)["QueueUrl"]
    queue = SimpleNamespace(url=url, send_message=partial(sqs.send_message, QueueUrl=url))
    calls = [("acme", "reserve"), ("acme", "charge"), ("globex", "reserve"), ("acme", "reserve")]
    for endpoint_id, function in calls:
        send_to_queue(queue, "g", endpoint_id, function, {"item": "A1"})
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert counts["Attributes"]["ApproximateNumberOfMessages"] == "4"


@pytest.mark.usefixtures("aws_client")
def test_a_missing_topic_is_logged_only(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The failing alert names itself in the log."""
    open_alert_publisher(Settings(sns_topic_arn=f"arn:aws:sns:{REGION}:000000000000:none")).publish(
        "s", "f", {}
    )
    assert "Publish" in caplog.text


@pytest.mark.usefixtures("aws_client")
def test_a_missing_table_is_the_operators_mistake(client: Client) -> None:
    """The detail names call and table; the public message neither."""
    with pytest.raises(ConfigurationError) as caught:
        open_table_reader(SETTINGS._replace(table_prefix="none-")).get(ENDPOINTS, {"endpoint_id": "acme"})
    assert "GetItem none-endpoints" in caught.value.detail
    assert "endpoints" not in caught.value.message


@pytest.mark.usefixtures("aws_client")
def test_an_unreachable_backend_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client may come again; what is known goes on being served."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    open_client.cache_clear()
    open_dynamodb.cache_clear()
    with pytest.raises(UnavailableError) as caught:
        open_table_reader(SETTINGS).get(ENDPOINTS, {"endpoint_id": "acme"})
    assert caught.value.headers == {"Retry-After": "1"}
    open_registry(Settings(registry_refresh_seconds=0)).refresh()


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ThrottlingException", 400, BusyError),
        ("ANewThrottle", 429, BusyError),
        ("InternalError", 500, UnavailableError),
        ("AccessDeniedException", 400, ConfigurationError),
    ],
)
def test_botocores_refusals_are_told_apart(code: str, status: int, error: type[Exception]) -> None:
    """Too much at the moment is not the same as never."""
    refusal: Any = {
        "Error": {"Code": code, "Message": "m"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with pytest.raises(error, match=r"busy|misconfigured"), botocore.translate_errors("GetItem"):
        raise ClientError(refusal, "GetItem")


def test_what_botocore_repeats_is_unavailable() -> None:
    """Each code that its retry modes know, whatever the status, and each 429 and 5xx without a code."""
    legacy = json.dumps(create_loader().load_data("_retry"))
    throttled: list[str] = vars(standard.ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"]
    transient: list[str] = vars(standard.TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"]
    named = re.findall(r'"service_error_code": "(\w+)"', legacy)
    assert len(named) > 15
    for code in {*named, *throttled, *transient}:
        assert isinstance(to_error("X", code, ""), UnavailableError), code
    for code in throttled:
        assert isinstance(to_error("X", code, ""), BusyError), code
    for status in (429, 500, 502, 503, 504, 509):
        assert isinstance(to_error("X", "", "", status), UnavailableError), status


def test_keys_that_stay_unprocessed_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB may leave keys of a batch unread; it is asked again after pauses, but not for ever."""
    pauses: list[float] = []
    monkeypatch.setattr(table_client, "BATCHES", Backoff(0.1, sleep=pauses.append))

    class Busy:
        calls = 0

        def call(self, operation: str, request: Any, resource: str, *, repeatable: bool = False) -> Any:
            self.calls += 1
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

    busy = Busy()
    with pytest.raises(UnavailableError):
        TableReader(lambda: busy, "se-").batch_get([(ENDPOINTS, {"endpoint_id": "acme"})])
    assert busy.calls == 3
    assert [0.05 <= pauses[0] <= 0.1, 0.1 <= pauses[1] <= 0.2] == [True, True]


@pytest.mark.usefixtures("aws_client")
def test_a_row_is_deleted_on_a_condition(dynamodb: Any) -> None:
    """A refused deletion leaves the row; deleting none is no failure unless the condition wants one."""
    writer, reader = open_table_writer(SETTINGS), open_table_reader(SETTINGS)
    key = {"endpoint_id": "acme", "connection_id": "c"}
    writer.put(WSS_CONNECTIONS, {**key, "status": "inactive"})
    active: dict[str, Any] = {"condition": "#status = :active", "values": {"active": "active"}}
    for wanted in (key, {**key, "connection_id": "other"}):
        with pytest.raises(ConditionFailedError):
            writer.delete(WSS_CONNECTIONS, wanted, **active)
    assert reader.get(WSS_CONNECTIONS, key) is not None
    writer.delete(WSS_CONNECTIONS, key)
    writer.delete(WSS_CONNECTIONS, key)
    assert reader.get(WSS_CONNECTIONS, key) is None


@pytest.mark.usefixtures("aws_client")
def test_a_partition_is_read_by_the_page(dynamodb: Any) -> None:
    """All rows that meet the condition come, over more than one page of 1 MB, and no other partition's."""
    writer, reader = open_table_writer(SETTINGS), open_table_reader(SETTINGS)
    for number in range(9):
        row = {"endpoint_id": "acme", "connection_id": f"c{number}", "n": number, "data": "x" * 300_000}
        writer.put(WSS_CONNECTIONS, row)
    writer.put(WSS_CONNECTIONS, {"endpoint_id": "globex", "connection_id": "c9", "n": 9})
    pages = list(reader.query_pages(WSS_CONNECTIONS, "acme", condition="#n > :least", values={"least": 3}))
    assert len(pages) > 1
    assert [row["n"] for page in pages for row in page] == [4, 5, 6, 7, 8]
    assert list(reader.query_pages(WSS_CONNECTIONS, "", condition="#n > :least", values={"least": 3})) == []


@pytest.mark.usefixtures("aws_client")
def test_a_write_happens_on_its_condition_or_not_at_all(dynamodb: Any) -> None:
    """Values of every type come back as they went; a refused write leaves the row as it was."""
    writer, reader = open_table_writer(SETTINGS), open_table_reader(SETTINGS)
    key = {"setting_id": "s", "variable": "v"}
    value = {"text": "", "list": [1, 2.5, None, True], "bytes": b"\x00\xff"}
    absent = "attribute_not_exists(#variable)"
    writer.put(CONFIG_DATA, {**key, "value": value, "n": 1}, condition=absent)
    with pytest.raises(ConditionFailedError):
        writer.put(CONFIG_DATA, {**key, "value": "other"}, condition=absent)
    assert reader.get(CONFIG_DATA, key) == {**key, "value": value, "n": 1}

    increment = {"change": "ADD #n :one", "condition": "#n = :seen", "returns": "UPDATED_NEW"}
    assert writer.update(CONFIG_DATA, key, **increment, values={"one": 1, "seen": 1}) == {"n": 2}
    with pytest.raises(ConditionFailedError):
        writer.update(CONFIG_DATA, key, **increment, values={"one": 1, "seen": 1})
    assert reader.get(CONFIG_DATA, key) == {**key, "value": value, "n": 2}
