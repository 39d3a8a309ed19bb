"""The pages of tenants: whom they list, and what they tell of one's keys, settings and usage."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from click.testing import CliRunner

from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.main import cli
from silvaengine_tasks.usage.counting import Owner
from silvaengine_tasks.usage.rows import UsageRows

from ..test_cli_usage import NOVEMBER, line
from .conftest import OUTPUTS, Open
from .test_functions import KEY, WORKER, add, more, open_to
from .visitor import Visitor

HTML = "<img src=x onerror=alert(1)>"
SECRET = re.compile(r"sek_[0-9a-f]{20}\.[\w-]{43}")


@pytest.fixture(autouse=True)
def _pepper(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the stack that is made next a pepper for keys."""
    secrets = Deployment(endpoint_url=moto).client("secretsmanager")
    secrets.create_secret(Name="console-pepper", SecretString="pepper")
    monkeypatch.setitem(OUTPUTS, "KeyPepper", "console-pepper")
    yield
    secrets.delete_secret(SecretId="console-pepper", ForceDeleteWithoutRecovery=True)


def key_rows(deployment: Deployment, endpoint: str) -> list[dict[str, Any]]:
    """Return an endpoint's key rows but for what is another in each: ids, digests, times."""
    rows = deployment.tables().query(CONNECTIONS, endpoint)
    return [
        {name: row[name] for name in row if name not in ("api_key", "created_at", "key_hashes")}
        for row in rows
    ]


def run(deployment: Deployment, command: str) -> Any:
    """Run a command that a page shows; return what it prints as JSON."""
    assert deployment.stack in command
    result = CliRunner().invoke(cli, [*command.split()[1:], "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def shown_command(page: str) -> str:
    """Return the command line that a page asks with."""
    found = re.search("<code>(silvaengine .*?)</code>", page)
    assert found
    return unescape(found[1])


def test_tenants_are_found_by_name(
    console: Visitor, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its order, a part at a time, each once; an empty list says how to go on."""
    assert "silvaengine apply" in console.get("/tenants").text
    monkeypatch.setattr("silvaengine_cli.console.paging.ROWS", 2)
    for name in ("farm", "acme", "mill", "acme-2", HTML):
        deployment.tables().create(ENDPOINTS, {"endpoint_id": name, "rate_limit": {"per_second": 5}})
    found, path = [], "/tenants"
    while path:
        text = console.get(path).text
        assert "<img" not in text
        found += re.findall(r'<tr><td><a href="/tenants/[^"]*">([^<]*)</a>', text)
        path = more(text).replace("/functions", "/tenants")
    assert [*map(unescape, found)] == [HTML, "acme", "acme-2", "farm", "mill"]
    assert console.get("/tenants?text=acme").text.count('<td class="number">5') == 2
    assert "Show all" in console.get("/tenants?text=none").text
    assert "there is no endpoint" in console.get("/tenants/none").text


def test_a_setting_tells_where_it_comes_from(console: Visitor, deployment: Deployment) -> None:
    """The last id that has it; of values only references to secrets are shown, of keys the beginning."""
    tables = deployment.tables()
    add(deployment, "hello", setting="shop")
    open_to(deployment, "acme", KEY, "hello")
    entry = {"aws_lambda_arn": WORKER, "function": "hello", "setting": "acme-own"}
    tables.create(CONNECTIONS, {"endpoint_id": "acme", "api_key": "#####", "functions": [entry]})
    values = {"shop": {"theme": "a value", "token": "ssm:acme/token"}, "acme-own": {"theme": "another value"}}
    for setting_id, variables in values.items():
        for variable, value in variables.items():
            tables.create(CONFIG_DATA, {"setting_id": setting_id, "variable": variable, "value": value})
    public = console.get("/tenants/acme?key=public").text
    rows = re.findall(r"<tr><td>(\w+)<td><code>(.*?)</code><td>([\w-]+)", public)
    assert rows == [("theme", "•••", "acme-own"), ("token", "ssm:acme/token", "shop")]
    other = next(name for name in re.findall('option value="([^"]*)"', public) if name != "public")
    assert ">acme-own" not in console.get(f"/tenants/acme?key={other}").text
    assert "value" not in re.sub(r"<[^>]*>", "", public.partition("<h2>Settings")[2])
    assert KEY not in public


@pytest.mark.parametrize("tenant", ["acme", "shop"])
def test_a_key_is_made_as_the_command_makes_it(
    open_console: Open, deployment: Deployment, tenant: str
) -> None:
    """For this tenant alone, also where the key row is common; its secret is in one answer and no other."""
    console = open_console(may_write=True)
    add(deployment, "hello")
    deployment.tables().create(ENDPOINTS, {"endpoint_id": tenant, "special_connection": tenant == "acme"})
    query = f"/tenants/{tenant}/keys?function=hello&grant=invoke&label=till&days=90"
    command = shown_command(console.get(query).text)
    owner = "acme" if tenant == "acme" else "1"
    assert key_rows(deployment, owner) == []
    answer = console.post(query)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    found = SECRET.search(answer.text)
    assert found
    assert "shown only once. It ends at 20" in answer.text
    page = console.get(f"/tenants/{tenant}").text
    key_id, _, secret = found[0].partition(".")
    assert (key_id in page, secret in page) == (True, False)
    run(deployment, command)
    by_page, by_command = key_rows(deployment, owner)
    assert by_page == by_command
    assert by_page.get("endpoints") == (None if tenant == "acme" else [tenant])


def test_a_key_is_rotated_and_revoked(open_console: Open, deployment: Deployment) -> None:
    """The new secret is shown once; a key that has ended is changed no more."""
    console = open_console(may_write=True)
    add(deployment, "hello")
    deployment.tables().create(ENDPOINTS, {"endpoint_id": "acme", "special_connection": True})
    made = SECRET.search(console.post("/tenants/acme/keys?function=hello").text)
    assert made
    here = f"/tenants/acme/keys/{made[0].partition('.')[0]}"
    rotated = SECRET.search(console.post(f"{here}/rotate").text)
    assert rotated
    assert rotated[0] != made[0]
    page = console.get("/tenants/acme").text
    assert (">rotating<" in page, rotated[0] in page) == (True, False)
    revoked = console.get(console.post(f"{here}/revoke").headers["location"])
    assert (revoked.status, "is revoked" in (told := revoked.text)) == (200, True)
    assert f"{here}/rotate" not in told
    assert "is revoked" in console.post(f"{here}/rotate").text


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("", "name its functions"),
        ("?function=none", "no function none"),
        ("?function=f&days=0", "not in the range"),
    ],
)
def test_a_key_that_opens_nothing_is_refused(
    console: Visitor, deployment: Deployment, query: str, refusal: str
) -> None:
    """Before anything is asked, as the command refuses it."""
    deployment.tables().create(ENDPOINTS, {"endpoint_id": "acme", "special_connection": True})
    assert refusal in console.get(f"/tenants/acme/keys{query}").text


def test_usage_is_what_the_command_counts(console: Visitor, deployment: Deployment) -> None:
    """Of the month that is asked for, by day in the chart and its table, with its cost."""
    deployment.tables().create(ENDPOINTS, {"endpoint_id": "acme", "special_connection": True})
    assert "No calls counted" in console.get("/tenants/acme").text
    api = BotocoreApi(deployment.client("dynamodb"))
    rows = UsageRows(TableReader(lambda: api, "se-"), TableWriter(lambda: api, "se-"), deployment.stack)
    for hour in (NOVEMBER, NOVEMBER + 1, NOVEMBER + 24):
        rows.write(hour, Owner("acme", "ask"), line("acme", "ask", meters={HTML: 2}), 1)
    page = console.get("/tenants/acme?month=2026-11").text
    facts = dict(re.findall(r"<div><dt>([^<]*)<dd>([^<]*)", page))
    assert (facts["calls"], facts["worker ms"], facts[HTML.replace("<", "&lt;").replace(">", "&gt;")]) == (
        "3",
        "301.5",
        "6",
    )
    assert float(facts["cost at list prices"].removeprefix("$")) > 0
    assert re.findall(r'<tr><td>(2026-\d\d-\d\d)<td class="number">([1-9])', page) == [
        ("2026-11-01", "2"),
        ("2026-11-02", "1"),
    ]
    assert "<img" not in page
    assert "No calls counted" in console.get("/tenants/acme?month=2026-10").text
    assert "expected a month" in console.get("/tenants/acme?month=soon").text
