"""DynamoDB twice: moto in this process, and the local engine over a real socket; one suite for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from moto import mock_aws

from silvaengine import aws as clients
from silvaengine.tables import DUE_INDEX, EXECUTIONS, TABLES, WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX, Table
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine, install_engine

PREFIX = "se-"
PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No client of another test's account."""
    clients._client.cache_clear()
    clients._session.cache_clear()
    yield
    clients._client.cache_clear()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """A local engine of this session's own."""
    with LocalEngine(install_engine(PROJECT), tmp_path_factory.mktemp("engine") / "state") as running:
        yield running


@pytest.fixture(params=["moto", "engine"])
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str | None]:
    """Point every AWS client of this process at one of the two; gives its address."""
    with pointed_at(request.param, request, monkeypatch) as address:
        yield address


@contextmanager
def pointed_at(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str | None]:
    """Point every AWS client of this process at ``moto`` or ``engine`` for a while; give its address."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    if kind == "moto":
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield None
    else:
        engine: LocalEngine = request.getfixturevalue("engine")
        monkeypatch.setenv("AWS_ENDPOINT_URL", engine.url)
        yield engine.url


@pytest.fixture
def dynamodb(aws: str | None) -> Iterator[Any]:
    """A low-level client of an account with the tables, empty."""
    with made_tables(aws) as client:
        yield client


@contextmanager
def made_tables(aws: str | None) -> Iterator[Any]:
    """Make the tables for a while; give a low-level client."""
    client: Any = Session().create_client("dynamodb", REGION, endpoint_url=aws)
    for table in TABLES:
        client.create_table(**definition(table))
    yield client
    for table in TABLES:
        client.delete_table(TableName=table.full_name(PREFIX))


def definition(table: Table) -> dict[str, Any]:
    """Give what CreateTable takes for one of the tables."""
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
    if table is EXECUTIONS:
        names = ((DUE_INDEX.hash_key, "S", "HASH"), (DUE_INDEX.range_key, "N", "RANGE"))
        definition["AttributeDefinitions"] += [
            {"AttributeName": name, "AttributeType": kind} for name, kind, _ in names
        ]
        definition["GlobalSecondaryIndexes"] = [
            {
                "IndexName": DUE_INDEX.name,
                "KeySchema": [{"AttributeName": name, "KeyType": role} for name, _, role in names],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    return definition
