"""The demo's page in a real browser, against the deployed stack: what a newcomer sees first."""

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.main import cli

from .conftest import Deployment

SECONDS = 30  # the machine may be busy, and the first of each kind of call finds nothing running

expect.set_options(timeout=SECONDS * 1000)

type Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, deployment: Deployment) -> Iterator[Open]:
    """Open the page at the address that `silvaengine dev` prints, in a window of its own."""
    contexts = []

    def open_window(*, wait: bool = True, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        outputs = deployment.outputs
        page.goto(f"{outputs.api_url}/core/demo/page#{outputs.websocket_url}")
        if wait:
            is_connected(page)
        return page

    yield open_window
    for context in contexts:
        context.close()


def is_connected(page: Page) -> None:
    """Wait until the page says that it is connected."""
    expect(page.get_by_role("status").first).to_have_text("connected")


def test_enter_calls_and_a_stream_counts_its_items(open_page: Open) -> None:
    """The address is filled in and connected to; Enter calls, and a stream counts its items."""
    page = open_page()
    page.get_by_label("Name", exact=True).fill("Grace")
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.locator("#call output")).to_have_text("Hello, Grace!")
    page.get_by_label("Count down from").fill("5")
    page.get_by_role("button", name="Stream").click()
    expect(page.locator("#stream output")).to_have_text("5 items came, and none is missing")
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 5)


def test_a_browser_agrees_on_a_subprotocol(open_page: Open, deployment: Deployment) -> None:
    """A socket that asks for subprotocols opens, under the first of them."""
    opened = open_page(wait=False).evaluate(
        """(url) => new Promise((resolve) => {
            const socket = new WebSocket(url, ["v2.shop", "v1.shop"]);
            socket.onopen = () => resolve(socket.protocol);
            socket.onerror = () => resolve("failed");
        })""",
        f"{deployment.outputs.websocket_url}?endpointId=demo&area=core",
    )
    assert opened == "v2.shop"


def kick_all(deployment: Deployment) -> None:
    """End all of the endpoint's connections."""
    command = ["ws", "kick", "demo", "--all", "--stack", LOCAL_STACK, "--endpoint-url", deployment.engine.url]
    assert CliRunner().invoke(cli, command).exit_code == 0


def test_broadcast_reaches_every_window(open_page: Open, deployment: Deployment) -> None:
    """What one window says is shown by both, as text, whatever is in it."""
    kick_all(deployment)  # that a window of the test before was closed may not be known yet
    ours, theirs = open_page(), open_page()
    ours.get_by_label("Words").fill("<b>Hi</b>")
    ours.get_by_role("button", name="Say").click()
    for page in (ours, theirs):
        expect(page.locator("#said li").first).to_have_text("Ada: <b>Hi</b>")
    expect(ours.locator("#say output")).to_contain_text("sent to 2")


def test_lost_connection_is_told_and_mended(open_page: Open, deployment: Deployment) -> None:
    """When the socket ends amid a stream, the page says which item is missing, connects again and goes on."""
    page = open_page()
    page.get_by_label("Count down from").fill("100")
    page.get_by_role("button", name="Stream").click()
    expect(page.locator("#stream output")).to_have_text(re.compile(r"^\d+$"))
    kick_all(deployment)
    expect(page.locator("#stream output")).to_contain_text("broke off before item")
    is_connected(page)
    page.get_by_role("button", name="Call").click()
    expect(page.locator("#call output")).to_have_text("Hello, Ada!")


def test_the_page_says_why_it_is_not_let_in(open_page: Open) -> None:
    """Who isn't let in reads what may be wrong, and can't call."""
    page = open_page()
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Connect").click()
    expect(page.locator("#state")).to_contain_text("not let in")
    expect(page.locator("#advice")).to_be_visible()
    expect(page.get_by_role("button", name="Call")).to_be_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(open_page: Open, scheme: str) -> None:
    """The rules of axe-core find nothing: names, contrast, landmarks, order of headings."""
    page = open_page(color_scheme=scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_page_fits_a_narrow_window(open_page: Open) -> None:
    """At 320 CSS pixels nothing is cut off or has to be scrolled sideways (WCAG 1.4.10)."""
    page = open_page(viewport={"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
