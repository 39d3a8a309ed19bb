"""The console in a real browser, of the deployed stack."""

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe
from botocore.exceptions import BotoCoreError
from playwright.sync_api import Browser, Page, expect
from tests.chromium import running_chromium

from silvaengine_cli import AwsClient
from silvaengine_cli.console.pages import requests
from silvaengine_cli.console.serving import running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import NAVIGATION
from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.engine import free_port, local_engine

from .conftest import Deployment
from .registry_rows import API_KEY

SECONDS = 30  # the machine may be busy
TAILED = "/aws/lambda/tailed-HttpGateway"
COUNT_LINES = """() => {
    window.lines = new Set();
    const add = ({textContent}) => window.lines.add(Number(/call_(\\d+)/.exec(textContent)[1]));
    const watch = new MutationObserver((all) => all.forEach(({addedNodes}) => addedNodes.forEach(add)));
    watch.observe(document.querySelector("[data-live]"), {childList: true});
}"""
PICTURES = Path(__file__).parents[2] / "docs/pictures"


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


def test_pages_are_walked_by_keys(page: Page) -> None:
    """Past what all pages have, along the pages, and to the theme; where one is can be seen."""
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the page")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(f"{page.url}jobs")
    for name in ("Skip to the page", *NAVIGATION.values()):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") in ("dark", "light")


def test_overview_goes_on_while_it_is_seen(page: Page, deployment: Deployment) -> None:
    """A call shows as it comes and not in a hidden window; charts are drawn, and the focus stays."""
    deployment.api.get("/core/demo/hello")
    link = page.get_by_role("row").filter(has=page.get_by_role("link", name="http", exact=True))
    expect(link).to_be_visible()
    expect(page.locator("figure canvas")).to_have_count(6)
    drawn = (
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert page.locator("figure canvas").first.evaluate(drawn) > 10
    link.get_by_role("link").first.focus()
    calls = link.get_by_role("cell").first
    before = int(calls.inner_text())
    deployment.api.get("/core/demo/hello")
    expect(calls).to_have_text(str(before + 1))
    expect(link.get_by_role("link").first).to_be_focused()
    see = "is => { Object.defineProperty(document, 'hidden', {value: !is, configurable: true});"
    see += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(see, False)
    deployment.api.get("/core/demo/hello")
    page.wait_for_timeout(1500)
    expect(calls).to_have_text(str(before + 1))
    page.evaluate(see, True)
    expect(calls).to_have_text(str(before + 2))


def test_a_function_gets_no_cookie_of_it(page: Page, deployment: Deployment) -> None:
    """Nor does whatever else answers at another port of 127.0.0.1."""
    assert page.context.cookies()
    answer = page.goto(f"{deployment.outputs.api_url}/core/demo/hello")
    assert answer
    assert (answer.status, "cookie" in answer.request.all_headers()) == (200, False)


def test_a_failed_request_leads_to_its_story(page: Page, deployment: Deployment) -> None:
    """It comes by itself; below it stands why, and what a function says of itself makes no element."""
    page.get_by_role("link", name="Requests", exact=True).click()
    page.get_by_label("Function").fill("tell")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("/requests[?]function=tell$"))
    evil = '<img src=x onerror="document.title = 1"> "quoted"'
    body = {"how": "fail", "texts": [evil]}
    assert deployment.api.post("/core/e2e/tell", body, {"x-api-key": API_KEY}).status == 500
    expect(page.locator(".log li", has_text=evil).first).to_be_visible()
    page.get_by_role("link", name="/core/e2e/tell").first.click()
    expect(page.locator(".story > li").nth(1)).to_contain_text("RuntimeError")
    expect(page.locator("pre", has_text="Traceback")).to_contain_text(evil)
    assert page.locator("main img").count() == 0
    assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Calls of tell").click()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    assert page.locator("[data-live]").count() == 0


@pytest.mark.parametrize("lines", [200, pytest.param(6000, marks=pytest.mark.nightly)])
def test_two_windows_lose_no_line(
    browser: Browser, engine_program: Path, tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred a second, while the engine is restarted; and neither of them grows."""
    monkeypatch.setattr(requests, "KEPT_LINES", kept := lines // 3)
    state, port, context = tmp_path / "state", free_port(), browser.new_context()
    target = CommandLine(stack="tailed", endpoint_url=f"http://127.0.0.1:{port}")
    with running_console(Session(target)) as address:
        windows = [context.new_page() for _ in range(2)]
        with local_engine(engine_program, state, port=port):
            writer = Writer(target.client("logs"))
            for window in windows:
                window.goto(address)
                window.goto(urljoin(address, "/requests"))
                window.evaluate(COUNT_LINES)
            writer.start()
            writer.wait_for(lines // 2)
        with local_engine(engine_program, state, port=port):
            writer.wait_for(lines)
            written = writer.stop()
            for window in windows:
                window.wait_for_function("last => lines.has(last)", arg=written - 1)
                assert window.evaluate("lines.size") == written
                assert window.locator(".log > li").count() <= kept
                expect(window.get_by_text("older lines have left this page")).to_be_visible()
    context.close()


@pytest.mark.nightly
def test_pictures_of_the_documentation(browser: Browser, deployment: Deployment) -> None:
    """`make pictures` writes them: the demo after an hour of calls."""
    write_an_hour(deployment)
    for name in ("Ada", "Grace"):
        deployment.api.get(f"/core/demo/hello?name={name}")
        deployment.api.post("/core/demo/hello", {"name": name}, {"prefer": "respond-async"})
    target = CommandLine(stack=LOCAL_STACK, endpoint_url=deployment.engine.url)
    with running_console(Session(target)) as address:
        for theme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=theme)
            page = context.new_page()
            page.goto(address)
            for name in NAVIGATION.values():
                page.get_by_role("link", name=name, exact=True).click()
                page.wait_for_timeout(4000)
                page.screenshot(path=PICTURES / f"console-{name.lower()}-{theme}.png")
            context.close()


class Writer(Thread):
    """Puts ten lines into a log store each tenth of a second, again where it isn't there."""

    def __init__(self, logs: AwsClient) -> None:
        super().__init__(daemon=True)
        self._logs = logs
        self._stops = Event()
        self._written = 0
        logs.create_log_group(logGroupName=TAILED)
        logs.create_log_stream(logGroupName=TAILED, logStreamName="one")

    def wait_for(self, lines: int) -> None:
        """Wait until so many were written."""
        while self.is_alive() and self._written < lines:
            time.sleep(0.1)

    def stop(self) -> int:
        """Write no more; return how many were written."""
        self._stops.set()
        self.join()
        return self._written

    def run(self) -> None:
        """Write until it is stopped."""
        line = {"service": "http", "method": "GET", "area": "core", "endpoint_id": "demo", "total_ms": 1}
        while not self._stops.wait(0.1):
            numbers, now = range(self._written, self._written + 10), int(time.time() * 1000)
            texts = [json.dumps(line | {"function": f"call_{number}"}) for number in numbers]
            events = [{"timestamp": now, "message": text} for text in texts]
            with suppress(BotoCoreError):
                self._logs.put_log_events(logGroupName=TAILED, logStreamName="one", logEvents=events)
                self._written += 10


def write_an_hour(deployment: Deployment) -> None:
    """Put the lines of an hour's calls into the log store."""
    chance, now = random.Random(1), int(time.time() * 1000)  # noqa: S311 - no secret
    called = {"service": "http", "method": "GET", "area": "core", "endpoint_id": "demo", "function": "hello"}
    ran = {"service": "worker", "area": "core", "endpoint_id": "demo", "function": "hello"}
    for name, line in (("HttpGateway", called), ("Worker", ran)):
        group = f"/aws/lambda/{LOCAL_STACK}-{name}"
        logs = deployment.engine.client("logs")
        logs.create_log_stream(logGroupName=group, logStreamName="hour")
        events = list[dict[str, Any]]()
        for minute in range(60, 0, -1):
            for _ in range(round(30 + 20 * chance.random() + 40 * (minute < 25))):
                status = chance.choices((200, 404, 500), (96, 3, 1 + 6 * (20 < minute < 25)))[0]
                took = chance.lognormvariate(2.2 if name == "Worker" else 2.8, 0.5)
                record = line | {"status": status, "total_ms": took, "cold_start": chance.random() < 0.01}
                at = now - minute * 60_000 + chance.randrange(60_000)
                events.append({"timestamp": at, "message": json.dumps(record)})
        events.sort(key=lambda each: each["timestamp"])
        logs.put_log_events(logGroupName=group, logStreamName="hour", logEvents=events)
