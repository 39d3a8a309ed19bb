"""What tenants, functions and clients have written is text on every page that can be reached."""

from collections import Counter, deque
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, EXECUTIONS, FUNCTIONS, PACKAGES, Table
from silvaengine_cli.console.views import NAVIGATION
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.registry.tables import to_item

from ...fakes.executions import JOB_ID, accepted_execution
from ..log_groups import STACK, written_logs
from .conftest import OUTPUTS
from .visitor import Visitor

__all__ = ["STACK"]

HTML = """"'><img src=x onerror="alert(1)"><script>alert(2)</script>"""
NOW = 1_790_000_000
REQUEST = "0f3a" * 8
VISITS = 2  # of a path, with whatever query
CONFIG = {"module_name": HTML, "class_name": HTML, "setting": HTML, "area": HTML, "methods": [HTML]}
ROWS: tuple[tuple[Table, dict[str, Any]], ...] = (
    (FUNCTIONS, {"aws_lambda_arn": OUTPUTS["WorkerArn"], "function": HTML, "area": HTML, "config": CONFIG}),
    (ENDPOINTS, {"endpoint_id": HTML, "special_connection": True}),
    (
        CONNECTIONS,
        {
            "endpoint_id": HTML,
            "api_key": "#####",
            "functions": [{"aws_lambda_arn": OUTPUTS["WorkerArn"], "function": HTML, "setting": HTML}],
        },
    ),
    (CONFIG_DATA, {"setting_id": HTML, "variable": HTML, "value": HTML}),
    (EXECUTIONS, accepted_execution(NOW, state="dead", endpoint_id=HTML, function=HTML, cause=HTML).to_row()),
    (
        PACKAGES,
        {"function_arn": f"{OUTPUTS['WorkerArn']}-pkg-{HTML}", "item": "pointer", "package": HTML}
        | {"release": 7, "changed_at": NOW, "pins": {HTML: 6}},
    ),
)
LINE = {"service": "http", "method": HTML, "area": HTML, "endpoint_id": HTML, "function": HTML, "total_ms": 9}
LINE |= {"status": 500, "error": HTML, "error_type": HTML, "request_id": REQUEST, "cold_start": True}
RECORD = {"level": "ERROR", "message": HTML, "traceback": HTML, "request_id": REQUEST}


class Seen(HTMLParser):
    """A page as a browser takes it: where it leads, and what of it is a script's."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.bad: list[object] = []
        self.texts = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        found = dict(attributes)
        self.links += filter(None, (found.get("href"), found.get("action")))
        if tag in ("img", "iframe") or (
            tag == "script" and not (found.get("src") or "").startswith("/static/")
        ):
            self.bad.append((tag, attributes))
        self.bad += [(tag, name) for name in found if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts += data


@pytest.fixture
def _rows(deployment: Deployment) -> Iterator[None]:
    for table, row in ROWS:
        deployment.client("dynamodb").put_item(TableName=f"se-{table.name}", Item=to_item(row))
    with written_logs(deployment.client("logs")) as written:
        written.put_records("HttpGateway", LINE, RECORD, later=-2000)
        written.put_records("Worker", LINE | {"service": "worker"}, RECORD, later=-1000)
        yield


@pytest.mark.usefixtures("_rows")
def test_html_that_others_wrote_is_text(console: Visitor) -> None:
    """Wherever links and forms lead, and no page fails because of it."""
    waiting, visits, with_it = (
        deque(["/?whole=1", "/requests?follow=no", *NAVIGATION]),
        Counter[str](),
        set[str](),
    )
    while waiting:
        path = waiting.popleft()
        visits[path.partition("?")[0]] += 1
        if visits[path.partition("?")[0]] > VISITS:
            continue
        answer = console.get(path)
        assert answer.status in (200, 404), (path, answer.text)
        page = Seen(answer.text)
        assert page.bad == [], path
        if HTML in page.texts:
            with_it.add(f"/{path.split('/')[1].partition('?')[0]}")
        for link in page.links:
            parts = urlsplit(urljoin(f"http://x{path}", quote(link, "/%?&=+;,:@#")))  # as browsers do
            address = f"{parts.path}?{parts.query}" if parts.query else parts.path
            if parts.netloc == "x" and not parts.path.startswith("/static"):
                waiting.append(address)
    assert f"/requests/{REQUEST}" in visits
    assert with_it >= {"/", "/functions", "/requests", "/tenants", "/jobs"}
    assert {f"/jobs/{JOB_ID}", f"/jobs/{JOB_ID}/retry"} <= visits.keys()
