"""The pages of published packages: whom a release serves, and what turns the pointer."""

import re
import shlex
from html import unescape

import pytest
from click.testing import CliRunner

from silvaengine.aws.attribute_values import encode_row
from silvaengine.aws.table_client import Row
from silvaengine.tables import CONNECTIONS, ENDPOINTS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.main import cli
from silvaengine_cli.publishing.releases import PackageReleases

from ...fakes.publishing import PackageLambda, release_row
from .conftest import Open
from .visitor import Visitor

SHOP = "/functions/packages/shop"
HTML = "<img src=x onerror=alert(1)>"
CANARY = {"release": 3, "tenants": ["acme"], "started_at": 1_700_000_000, "by": "me"}


@pytest.fixture
def releases(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> PackageReleases:
    """A package of three releases, of which the second serves, and three tenants of its."""
    functions, new_client = PackageLambda(), Deployment._new_client
    functions.code = {str(number): f"sha-{number}" for number in (1, 2, 3)}
    monkeypatch.setattr(
        Deployment,
        "_new_client",
        lambda self, service, url: functions if service == "lambda" else new_client(self, service, url),
    )
    found = PackageReleases(deployment, "shop")
    for number in (1, 2, 3):
        found.put(release_row(number, "hello", message=HTML))
    found.turn(found.turn(None, 1, {}), 2, {})
    tables = deployment.tables()
    for tenant in ("acme", "farm", "mill"):
        tables.create(ENDPOINTS, {"endpoint_id": tenant})
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "k", "packages": [{"package": "shop"}]})
    return found


def check(
    releases: PackageReleases, console: Visitor, deployment: Deployment, query: str, command: str, told: str
) -> None:
    """Check that a page asks, shows the command, and writes and tells what that does."""
    before = releases.pointer()
    asked = unescape(console.get(f"{SHOP}/{query}").text)
    where = ["--stack", deployment.stack, "--endpoint-url", str(deployment.endpoint_url)]
    assert shlex.join(["silvaengine", *command.split(), *where]) in asked
    assert releases.pointer() == before
    answer = console.post(f"{SHOP}/{query}")
    assert told in console.get(answer.headers["location"]).text
    by_page = writing(releases.pointer())
    deployment.client("dynamodb").put_item(TableName="se-packages", Item=encode_row(before))
    result = CliRunner().invoke(cli, [*command.split(), *where])
    assert (result.exit_code, told in result.output) == (0, True), result.output
    assert by_page == writing(releases.pointer()) != writing(before)


def writing(pointer: Row) -> Row:
    """Return what a pointer says but for when it was turned."""
    return {name: value for name, value in pointer.items() if name not in ("changed_at", "left")}


@pytest.mark.usefixtures("releases")
def test_packages_and_releases_are_shown(console: Visitor) -> None:
    """With whom they serve; a message is text."""
    listed = console.get("/functions/packages").text
    assert f'<td><a href="{SHOP}">shop</a><td class="number">2' in listed
    page = console.get(SHOP).text
    assert page.count("<strong>all</strong>") == 1
    assert page.index(">3\n") < page.index(">2\n") < page.index(">1\n")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img src=x" not in page
    missing = console.get("/functions/packages/none")
    assert (missing.status, "there is no package" in missing.text) == (404, True)


@pytest.mark.parametrize(
    ("query", "command", "told"),
    [
        ("pin?release=1&endpoint=farm", "pin shop 1 --endpoint farm", "farm has release 1 of shop"),
        ("unpin?endpoint=mill", "unpin shop --endpoint mill", "mill has release 2 of shop, as the others"),
        ("rollback?to=1", "rollback shop --to 1", "release 1 of shop serves instead of 2"),
    ],
)
def test_a_page_writes_what_the_command_does(
    releases: PackageReleases, open_console: Open, deployment: Deployment, query: str, command: str, told: str
) -> None:
    """The same row, by the command that the page shows."""
    releases.turn(releases.pointer(), 2, {"mill": 2})
    check(releases, open_console(may_write=True), deployment, query, command, told)


@pytest.mark.parametrize(
    ("query", "command", "told"),
    [
        ("canary?whom=farm&release=3", "canary shop farm", "tenants since now: farm"),
        ("promote?release=3", "promote shop", "release 3 of shop serves instead of 2"),
        ("rollback?to=2", "rollback shop --to 2", "release 2 of shop serves instead of 3"),
    ],
)
def test_a_page_steers_a_canary_as_the_command_does(
    releases: PackageReleases, open_console: Open, deployment: Deployment, query: str, command: str, told: str
) -> None:
    """It grows, serves all, or is taken back."""
    releases.turn(releases.pointer(), 2, {}, CANARY)
    check(releases, open_console(may_write=True), deployment, query, command, told)


def test_a_page_of_before_turns_no_other_canary(releases: PackageReleases, console: Visitor) -> None:
    """Its links name the release that it has shown, and its form does."""
    releases.turn(releases.pointer(), 2, {}, CANARY)
    page = console.get(SHOP).text
    assert re.findall(f'{SHOP}/(promote[^"]*|rollback[^"]*)"', page) == ["promote?release=3", "rollback?to=2"]
    assert 'type="hidden" name="release" value="3"' in page
    releases.turn(releases.pointer(), 2, {}, {**CANARY, "release": 1})
    for query in ("promote?release=3", "canary?whom=farm&release=3"):
        assert "release 3 is no canary any more" in console.get(f"{SHOP}/{query}").text


@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize(
    "query",
    [
        "pin?release=one&endpoint=acme",
        "rollback",
        f"rollback?to={'9' * 5000}",
        "pin?release=1",
        "canary?whom=101%25",
        "unpin?endpoint=",
    ],
)
def test_what_a_form_lacks_is_said(console: Visitor, query: str) -> None:
    """Before anything is asked."""
    refused = console.get(f"{SHOP}/{query}")
    assert (refused.status, 'role="alert"' in refused.text) == (404, True)
