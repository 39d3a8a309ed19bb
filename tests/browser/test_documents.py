"""What a function's page can read of other tenants in Chromium: they all share the API's origin."""

import json
from collections.abc import Callable, Iterator
from typing import Any, override

import pytest
from playwright.sync_api import Browser
from tests.fakes.lambdas import as_result
from tests.security.registries import World, with_key

from silvaengine.protocol.messages import WorkerResponse

from .api_server import serving

PAGE = """<!doctype html><script>
fetch("/core/acme/account").then((response) => response.text()).then(
    (text) => { document.title = text; },
    () => { document.title = "refused"; },
);
</script>"""


class Tenants(World):
    """One tenant with a CORS policy, and one whose function serves a page that asks for its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.page: dict[str, Any] = {
            "statusCode": 200,
            "headers": {"Content-Type": "text/html"},
            "body": PAGE,
        }
        for tenant, function in (("acme", "account"), ("evil", "page")):
            self.add_function(function)
            self.add_tenant(tenant, function)
        self.set("beta_core_acme", "cors", {"origins": ["https://app.acme.example"]})

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        is_page = json.loads(payload)["funct"] == "page"
        return as_result(WorkerResponse("json", self.page if is_page else {"balance": 7}))


@pytest.fixture
def tenants() -> Tenants:
    """Return tenants of one's own."""
    return Tenants()


@pytest.fixture
def title_of(browser: Browser, tenants: Tenants) -> Iterator[Callable[[], str]]:
    """Return the title that the page has once it has asked; every request has its tenant's key."""

    def handle(event: dict[str, Any], context: None) -> Any:
        key = with_key("identity", f"{event['path'].split('/')[2]}-key")
        return tenants.handler(event | key, context)

    def read() -> str:
        page.goto(f"http://{address}/core/evil/page")
        page.wait_for_function("document.title")
        return page.title()

    with serving(handle) as address:
        context = browser.new_context()
        page = context.new_page()
        yield read
        context.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/html"},
        {"Content-Type": "image/svg+xml, text/html"},
        {"Content-Type": "application/json;, text/html"},
        {"X-Content-Type-Options": ""},
        {"Content-Type": "text/html", "Content-Security-Policy": "sandbox allow-scripts allow-same-origin"},
    ],
)
def test_a_page_reads_no_other_tenant(
    headers: dict[str, str], tenants: Tenants, title_of: Callable[[], str]
) -> None:
    """Its scripts run, in an origin of their own, whatever its function says of type and policy."""
    tenants.page["headers"] = headers
    assert title_of() == "refused"


def test_a_setting_gives_an_endpoint_the_origin(tenants: Tenants, title_of: Callable[[], str]) -> None:
    """An operator who trusts a tenant's pages lifts the sandbox; then they read what others have there."""
    tenants.set("beta_core_evil", "sandbox", False)
    assert title_of() == '{"balance": 7}'
