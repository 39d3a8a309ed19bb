"""DynamoDB twice: moto in this process, and the local engine over a real socket; one suite for both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from moto import mock_aws

from silvaengine.tables import TABLES, WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX, Table
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine, install_engine

PREFIX = "se-"
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """A local engine of this session's own."""
    with LocalEngine(install_engine(PROJECT), tmp_path_factory.mktemp("engine") / "state") as running:
        yield running


@pytest.fixture(params=["moto", "engine"])
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str | None]:
    """Point every AWS client of this process at one of the two; gives its address."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    if request.param == "moto":
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield None
    else:
        engine: LocalEngine = request.getfixturevalue("engine")
        monkeypatch.setenv("AWS_ENDPOINT_URL", engine.url)
        yield engine.url


@pytest.fixture
def dynamodb(aws: str | None) -> Iterator[Any]:
    """A low-level client of an account with the six tables, empty."""
    client: Any = Session().create_client("dynamodb", REGION, endpoint_url=aws)
    for table in TABLES:
        client.create_table(**definition(table))
    yield client
    for table in TABLES:
        client.delete_table(TableName=table.full_name(PREFIX))


def definition(table: Table) -> dict[str, Any]:
    """Give what CreateTable takes for one of the six tables."""
    keys = list(zip(table.key_names, ("HASH", "RANGE"), strict=False))
    definition: dict[str, Any] = {
        "TableName": table.full_name(PREFIX),
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
    }
    if table is WSS_CONNECTIONS:
        definition["GlobalSecondaryIndexes"] = [
            {
                "IndexName": WSS_CONNECTIONS_INDEX,
                "KeySchema": [{"AttributeName": "connection_id", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ]
    return definition
