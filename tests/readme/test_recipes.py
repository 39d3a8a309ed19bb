"""The recipes, run as they stand: in a package, by the fixture of tests, on AWS's services in memory."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto import mock_aws

from silvaengine.errors import FunctionError
from silvaengine_cli.publishing.package import Package
from silvaengine_worker.testing import Invoke

from ..contract.test_utility_libraries import Environment, environment, run
from .blocks import read_blocks
from .test_links import PROJECT

__all__ = ["environment"]  # a fixture

BLOCKS = read_blocks((PROJECT / "docs/recipes.md").read_text())
FILES = {
    name.removeprefix("file: "): block.text for block in BLOCKS if (name := block.marker).startswith("file: ")
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write the recipes' package."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def recipes(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """Call the recipes' functions, with their table and bucket in memory."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("TICKETS", "tickets")
    monkeypatch.setenv("UPLOADS", "uploads")
    monkeypatch.syspath_prepend(package)
    spec = Package.read(package).spec.resources["Tickets"].Properties
    with mock_aws():
        boto3.client("dynamodb").create_table(TableName="tickets", **spec)
        boto3.client("s3").create_bucket(Bucket="uploads")
        yield Invoke([package])
    for name in [name for name in sys.modules if name.partition(".")[0] == "tickets"]:
        del sys.modules[name]


def test_the_recipes_package_can_be_published(package: Path) -> None:
    """Its package.yaml is valid, without warnings, and each function is in a module of the page."""
    read = Package.read(package)
    assert read.warnings == ()
    modules = {function.callee(name)[0] for name, function in read.spec.functions.items()}
    assert {f"{module.replace('.', '/')}.py" for module in modules} == FILES.keys() - {"package.yaml"}


def test_some_fields_are_changed(recipes: Invoke) -> None:
    """A null clears its field; what is left out stays."""
    number = {"number": 7}
    recipes("change_ticket", params=number, body={"title": "It's broken", "assignee": "Ada"})
    changed = recipes("change_ticket", params=number, body={"assignee": None})
    assert changed == {"tenant": "test", "number": 7, "title": "It's broken", "assignee": None}
    with pytest.raises(FunctionError) as refused:
        recipes("change_ticket", params=number, body={})
    assert refused.value.code == "nothing_to_change"


def test_a_list_is_read_page_by_page(recipes: Invoke) -> None:
    """To the end, once each; another tenant can't use the cursor."""
    table = boto3.resource("dynamodb").Table("tickets")
    for number in range(5):
        table.put_item(Item={"tenant": "test", "number": number})
    page = recipes("list_tickets", params={"limit": "2"})
    cursor, found = page["cursor"], page["tickets"]
    with pytest.raises(FunctionError, match="'cursor' is not a cursor of this list"):
        recipes("list_tickets", params={"cursor": cursor}, endpoint_id="globex")
    while cursor:
        page = recipes("list_tickets", params={"limit": "2", "cursor": cursor})
        cursor = page["cursor"]
        found += page["tickets"]
    assert [ticket["number"] for ticket in found] == [0, 1, 2, 3, 4]


def test_a_file_is_uploaded_past_the_gateway(recipes: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    """By the form that the function signed; its key has what the event's function needs."""
    asked = {"filename": "a.pdf", "media_type": "application/pdf"}
    form = recipes("new_upload", params={"number": 7}, body=asked)
    response = requests.post(form["url"], data=form["fields"], files={"file": ("a.pdf", b"%PDF")}, timeout=10)
    assert response.status_code == 204
    key = form["fields"]["key"]
    tenant, ticket, _, name = key.split("/")
    assert (tenant, ticket, name) == ("test", "ticket:7", "a.pdf")
    stored: dict[str, Any] = {"bucket": "uploads", "key": key, "id": "a", "ticket": "7"}  # docs/events.md
    with caplog.at_level("INFO"):
        recipes("uploaded", params=stored)
    assert f"Ticket 7 has {key}, 4 bytes" in caplog.text


DATABASE = """
import sqlite3, sqlalchemy
connected = []
create_engine = sqlalchemy.create_engine
sqlalchemy.create_engine = lambda *a, **k: connected.append(a) or create_engine(*a, **k)
with sqlite3.connect("orders.db") as database:
    database.execute("CREATE TABLE orders (tenant)")
    database.executemany("INSERT INTO orders VALUES (?)", [("acme",), ("acme",), ("globex",)])
from silvaengine_worker.testing import Invoke
invoke = Invoke([])
settings = {"database_url": "sqlite:///orders.db"}
for tenant in ("acme", "acme", "globex"):
    print(invoke("tickets.orders:Orders.count", settings=settings, endpoint_id=tenant))
print(len(connected))
"""


def test_a_database_is_connected_once_for_each_tenant(package: Path, environment: Environment) -> None:
    """With SQLAlchemy, and a database in a file."""
    folders = [PROJECT / "shared", PROJECT / "services/worker", package]
    code = f"import os; os.chdir({str(package)!r}){DATABASE}"
    done = run(environment("SQLAlchemy"), "-c", code, PYTHONPATH=":".join(map(str, folders)))
    assert done.stdout.split() == ["2", "2", "1", "2"], done.stderr
