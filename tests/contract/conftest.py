"""DynamoDB twice, over real sockets: moto, and at night the local engine, too; one suite for both."""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer

from silvaengine.aws import botocore
from silvaengine.aws.botocore import BotocoreClient
from silvaengine.aws.client import SignedClient, open_client
from silvaengine.aws.table_client import open_dynamodb
from silvaengine.tables import DUE_INDEX, EXECUTIONS, TABLES, WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX, Table
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine, install_engine, local_engine
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.plan import Plan
from silvaengine_cli.registry.tables import RegistryTables

type AnyClient = SignedClient | BotocoreClient

PREFIX = "se-"
PROJECT = Path(__file__).parents[2]

_in_this_process = set[str]()  # addresses of moto


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """A local engine of this session's own."""
    with local_engine(install_engine(PROJECT), tmp_path_factory.mktemp("engine") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a moto server of this session's own."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    _in_this_process.add(url)
    yield url
    server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for 127.0.0.1, and the certificate that makes a client trust it."""
    folder = tmp_path_factory.mktemp("certificate")
    files = [folder / "key.pem", folder / "certificate.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(files[0]), "-out", str(files[1])]
    subprocess.run([*command, *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    return context, files[1]


@pytest.fixture(params=["moto", pytest.param("engine", marks=pytest.mark.nightly)])
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point every AWS client of this process at one of the two; gives its address."""
    return pointed_at(request.param, request, monkeypatch)


@pytest.fixture
def moto_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Moto's address, to which AWS clients are pointed."""
    return pointed_at("moto", request, monkeypatch)


def pointed_at(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point every AWS client of this process at ``moto`` or ``engine``; return its address."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    url: str = request.getfixturevalue("moto") if kind == "moto" else request.getfixturevalue("engine").url
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    for clients in (botocore._client, botocore._session, open_client, open_dynamodb):
        clients.cache_clear()  # they are another account's
    return url


@pytest.fixture(params=[SignedClient, BotocoreClient])
def aws_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[AnyClient]:
    """Have AWS called by each of the two clients; gives its class."""
    kind: type[AnyClient] = request.param
    monkeypatch.setenv("SILVAENGINE_AWS_CLIENT", "signed" if kind is SignedClient else "botocore")
    for clients in (open_client, open_dynamodb):
        clients.cache_clear()
    return kind


@pytest.fixture
def dynamodb(aws: str) -> Iterator[Any]:
    """A low-level client of an account with the tables, empty."""
    with made_tables(aws) as client:
        yield client


@pytest.fixture
def tables(dynamodb: Any) -> RegistryTables:
    """The account's registry tables."""
    return RegistryTables(dynamodb)


@pytest.fixture
def apply_plan(tables: RegistryTables, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Plan]:
    """Apply a text for the test's WORKER; return the plan."""

    def apply_text(text: str, **options: Any) -> Plan:
        path = tmp_path / "registry.yaml"
        path.write_text(text)
        return apply_file(path, tables, request.module.WORKER, **options)

    return apply_text


@pytest.fixture
def apply(apply_plan: Callable[..., Plan]) -> Callable[..., tuple[str, ...]]:
    """Apply a text; return what was done, a line for each row."""

    def apply_text(text: str, **options: Any) -> tuple[str, ...]:
        plan = apply_plan(text, **options)
        return tuple(f"{change.action} {change.row_name}" for change in plan.changes)

    return apply_text


@contextmanager
def made_tables(aws: str) -> Iterator[Any]:
    """Yield a low-level client of an account whose tables are there, and empty."""
    client = _client(aws)
    there = client.list_tables()["TableNames"]
    for table in TABLES:
        if PREFIX + table.name in there:  # to make them for each test took most of this suite's time
            _empty(client, table, aws)
        else:
            client.create_table(**definition(table))
    yield client


@cache
def _client(aws: str) -> Any:
    return Session().create_client("dynamodb", REGION, endpoint_url=aws)


def _empty(client: Any, table: Table, aws: str) -> None:
    name = PREFIX + table.name
    if aws in _in_this_process:  # without nine requests for each test
        get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][REGION].tables[name].items.clear()
        return
    attributes = {f"#{position}": key for position, key in enumerate(table.key_names)}
    projection = {"ProjectionExpression": ", ".join(attributes), "ExpressionAttributeNames": attributes}
    while keys := client.scan(TableName=name, ConsistentRead=True, Limit=25, **projection)["Items"]:
        client.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": key}} for key in keys]})


def definition(table: Table) -> dict[str, Any]:
    """Return what CreateTable takes for one of the tables."""
    keys = list(zip(table.key_names, ("HASH", "RANGE"), strict=False))
    definition: dict[str, Any] = {
        "TableName": PREFIX + table.name,
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
