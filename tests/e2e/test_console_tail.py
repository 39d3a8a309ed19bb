"""Requests of the console while many lines are written; it needs no deployed stack."""

import json
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urljoin

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from playwright.sync_api import Browser

from silvaengine_cli import AwsClient
from silvaengine_cli.console.pages import requests
from silvaengine_cli.console.serving import running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import free_port, local_engine

TAILED = "/aws/lambda/tailed-HttpGateway"
COUNT_LINES = """() => {
    window.lines = new Set();
    const add = ({textContent}) => window.lines.add(Number(/call_(\\d+)/.exec(textContent)[1]));
    const watch = new MutationObserver((all) => all.forEach(({addedNodes}) => addedNodes.forEach(add)));
    watch.observe(document.querySelector("[data-live]"), {childList: true});
}"""


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
            with suppress(BotoCoreError, ClientError):
                self._logs.put_log_events(logGroupName=TAILED, logStreamName="one", logEvents=events)
                self._written += 10


@pytest.mark.parametrize("lines", [200, pytest.param(6000, marks=pytest.mark.nightly)])
def test_two_windows_lose_no_line(
    engine_program: Path, browser: Browser, tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred a second, while the engine is restarted; and neither of them grows."""
    monkeypatch.setattr(requests, "KEPT_LINES", kept := lines // 3)
    state, port = tmp_path / "state", free_port()
    target = Deployment(stack="tailed", endpoint_url=f"http://127.0.0.1:{port}")
    with running_console(Session(target)) as address:
        context = browser.new_context()
        windows = [context.new_page() for _ in range(2)]
        with local_engine(engine_program, state, port=port):
            writer = Writer(target.client("logs"))
            for window in windows:
                window.goto(address)
                window.goto(urljoin(address, "/requests"))
                window.locator("#end").wait_for()
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
                assert window.get_by_text("older lines were removed from this page").is_visible()
                window.close()
