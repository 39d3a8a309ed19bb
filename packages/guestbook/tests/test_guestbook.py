"""Tests of guestbook, on a table in memory; the fixture `invoke` calls a function as the worker does."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from silvaengine_base import FunctionError
from silvaengine_worker.testing import Invoke


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package's environment, and its table."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("GREETING", "Hi")
    monkeypatch.setenv("GUESTS_TABLE", "guests")
    names = {"endpoint_id": "HASH", "name": "RANGE"}
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="guests",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names.items()],
        )
        yield


def test_a_guest_is_listed(invoke: Invoke) -> None:
    """Where it has signed, and not at another tenant's."""
    assert invoke("sign", params={"name": "Ada "}, endpoint_id="acme") == {"message": "Hi, Ada!"}
    assert invoke("guests", endpoint_id="acme") == ["Ada"]
    assert invoke("guests", endpoint_id="globex") == []


def test_a_guest_has_a_name(invoke: Invoke) -> None:
    """The client is told."""
    with pytest.raises(FunctionError, match="name must not be empty"):
        invoke("sign", params={"name": " "})
