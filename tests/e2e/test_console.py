"""The console in a real browser, of the deployed stack."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.chromium import running_chromium

from silvaengine_cli.console.serving import running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import NAVIGATION
from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.deployment import Deployment as CommandLine

from .conftest import Deployment

SECONDS = 30  # the machine may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    expect.set_options(timeout=SECONDS * 1000)
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def address(deployment: Deployment) -> Iterator[str]:
    """The address of a console that may write."""
    target = CommandLine(stack=LOCAL_STACK, endpoint_url=deployment.engine.url)
    with running_console(Session(target, may_write=True)) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A window in which the console was opened, at phone width; what the browser complains of fails."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert complaints == []


@pytest.mark.parametrize("name", NAVIGATION.values())
def test_a_page_is_accessible(page: Page, name: str) -> None:
    """In both themes the rules of axe-core find nothing, and at phone width nothing is cut off."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    for _ in range(2):
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
