"""The pages of published packages: whom a release serves, and what turns the pointer."""

import re

import pytest

from silvaengine.tables import CONNECTIONS, ENDPOINTS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.releases import PackageReleases

from ...fakes.publishing import PackageLambda, release_row
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
