"""The client module in a page of a real browser, connected to a server that does as it is told."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.chromium import running_chromium

from .scripted_server import ScriptedServer

# What a test finds in its page: the module, and the events that each connection fired.
PRELUDE = """async ({url, who}) => {
    Object.assign(window, await import("./silvaengine.js"));
    window.chance = 0;
    Math.random = () => chance; // a pause is that part of its longest
    window.events = [];
    window.open_ = (options = {}) => {
        const connection = connect(url, {...who, ...options});
        for (const name of ["open", "close", "push", "gap"])
            connection.addEventListener(name, ({detail}) => events.push({name, detail}));
        return connection;
    };
    window.seen = (connection, name) => new Promise((resolve) => {
        connection.addEventListener(name, ({detail}) => resolve(detail), {once: true});
    });
    window.failure = async (promise) => {
        try { return {value: await promise}; }
        catch (error) { return {...error, name: error.name, message: error.message}; }
    };
    window.connection = open_();
    if (!connection.isOpen) await seen(connection, "open");
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with running_chromium() as running:
        yield running


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server without scripts."""
    scripted = ScriptedServer()
    with scripted.running():
        yield scripted


@pytest.fixture
def page(browser: Browser, server: ScriptedServer) -> Iterator[Page]:
    """A page whose clock the test may turn, with an open connection of endpoint demo, area core."""
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(f"http://{server.address}/")
    page.evaluate(
        PRELUDE, {"url": f"ws://{server.address}/beta", "who": {"endpointId": "demo", "area": "core"}}
    )
    yield page
    context.close()


def turn_until(page: Page, condition: str, *, seconds: int) -> None:
    """Turn the page's clock second by second until the condition holds; fails after so many seconds of it."""
    for _ in range(seconds):
        if page.evaluate(condition):
            return
        page.clock.run_for(1_000)
    raise TimeoutError(condition)
