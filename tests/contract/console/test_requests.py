"""The page Requests on the log groups of a made-up stack."""

import json
import re
from collections.abc import Iterator
from http.client import HTTPResponse
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from silvaengine_cli.console.pages import requests
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.main import cli

from ...canaries import TEXTS, found_in
from ..log_groups import STACK, Written, written_logs
from ..test_cli_logs import CALL, FAILED
from ..test_cli_trace import HTTP, REQUEST, TASKS, TRACE, WORKER
from .visitor import Visitor

EVIL = '"><img src=x onerror=alert(1)>'
OK = {**CALL, "status": 200, "request_id": "b" * 32, "endpoint_id": "beta", "function": "order"}
OK.pop("error")

assert STACK  # by which the fixture `deployment` names the stack


@pytest.fixture
def written(deployment: Deployment) -> Iterator[Written]:
    """The stack's log groups, with a call that failed and one that went well, ten seconds ago."""
    with written_logs(deployment.client("logs")) as written:
        failed = {"request_id": "a" * 32}
        written.put_records("Worker", {**FAILED, **failed}, later=-10_000)
        written.put_records("HttpGateway", {**CALL, **failed}, OK, later=-9_990)
        yield written


def stories(text: str) -> list[str]:
    """Return the ids of the requests that a page leads to, in order."""
    return re.findall('href="/requests/([^"]+)"', text)


def next_event(response: HTTPResponse) -> dict[str, str]:
    """Return a live part's next event, its lines joined."""
    event = dict[str, str]()
    while line := response.readline().decode().rstrip("\n"):
        name, _, value = line.partition(": ")
        event[name] = event.get(name, "") + value
    return event


def test_the_newest_is_first_with_its_records_below(written: Written, console: Visitor) -> None:
    """A traceback stands under the line of its request, whichever Lambda wrote it."""
    page = console.get("/requests").text
    assert stories(page) == ["b" * 32, "a" * 32]
    assert page.index("/core/acme/hello") < page.index("It failed") < page.index("KeyError: 1")


@pytest.mark.parametrize(
    "asked",
    [{}, {"endpoint": "beta"}, {"function": "hello"}, {"status": "5xx"}, {"errors": "yes"}, {"since": "1s"},
     {"service": "http"}, {"request": "a" * 32}, {"endpoint": "acme", "status": "200"}],
)  # fmt: skip
def test_it_shows_what_the_command_shows(written: Written, console: Visitor, asked: dict[str, str]) -> None:
    """The same filters by the same words, in an address; the command line is there to be copied."""
    page = console.get(f"/requests?{urlencode({**asked, 'follow': 'no'})}").text
    command = re.search("<pre[^>]*><code>silvaengine (logs [^<]*)</code>", page)
    assert command
    done = CliRunner(mix_stderr=False).invoke(cli, [*command[1].split(), "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    shown = [line["request_id"] for line in lines if line.get("service")]
    assert stories(page) == shown[::-1]
    for name, value in asked.items():
        assert re.search(f'name="{name}" value="{value}"', page) or name == "service"


@pytest.mark.parametrize("asked", ["status=9xx", "since=soon", "endpoint=a+b", "request=%22"])
def test_what_cannot_be_asked_for_is_said(written: Written, console: Visitor, asked: str) -> None:
    """The form is there to mend it."""
    page = console.get(f"/requests?{asked}")
    assert page.status == 200
    assert 'role="alert"' in page.text
    assert "expected" in page.text
    assert 'role="search"' in page.text


def test_an_empty_list_says_what_to_do(console: Visitor) -> None:
    """A stack that has written nothing yet is no error."""
    page = console.get("/requests")
    assert page.status == 200
    assert "call a function" in page.text


def test_new_lines_come_by_themselves(written: Written, console: Visitor) -> None:
    """Those that the page may lack, then those since; after a lost connection from where it was."""
    with console.listen(f"/requests/live?endpoint=beta&from={written.now}") as events:
        assert stories(next_event(events)["data"]) == ["b" * 32]  # ten seconds late at the most
        written.put_records("HttpGateway", {**OK, "request_id": "c" * 32}, {**CALL, "request_id": "d" * 32})
        while not (event := next_event(events)).get("data"):
            pass
        assert stories(event["data"]) == ["c" * 32]
    with console.listen(
        f"/requests/live?from={written.now + 60_000}", **{"Last-Event-ID": event["id"]}
    ) as events:
        assert stories(next_event(events)["data"]) == ["d" * 32, "c" * 32]


def test_what_is_skipped_is_said(written: Written, console: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a link that leads to it: a page that is slow, or was away, loses nothing in silence."""
    monkeypatch.setattr(requests, "MOST_LINES", 2)
    for number in range(5):
        written.put_records("HttpGateway", {**OK, "request_id": f"{number:032}"}, later=number)
    with console.listen(f"/requests/live?from={written.now}&function=order") as events:
        data = next_event(events)["data"]
    assert stories(data.replace("&amp;", "&")) == [f"{4:032}", f"{3:032}"]
    assert "4 lines before these" in data
    (link,) = re.findall('href="(/requests[?][^"]+)"', data)
    page = console.get(link.replace("&amp;", "&")).text
    assert stories(page) == [f"{2:032}", f"{1:032}", f"{0:032}", "b" * 32]
    assert "data-live" not in page


def test_a_story_is_a_waterfall(written: Written, console: Visitor) -> None:
    """Callers before what they called, what each logged, cold starts, and how to call it again."""
    told = {"message": "It failed", "level": "ERROR", "traceback": "Traceback…", "request_id": REQUEST}
    written.put_records("Tasks", TASKS, later=-5_030)
    written.put_records("packages/shop", {**told, "trace_id": TRACE}, WORKER, later=-5_011)
    written.put_records("HttpGateway", HTTP, later=-5_000)
    page = console.get(f"/requests/{REQUEST}").text
    spans = re.findall(
        r'<li id="span-(\w)\w+" data-depth="(\d)".*?<rect x="([\d.]+)%" width="([\d.]+)%"', page, re.S
    )
    assert spans == [("a", "0", "0.00", "100.00"), ("b", "1", "10.00", "80.00"), ("c", "2", "50.00", "20.00")]
    assert (
        page.index("packages/shop, warm, shop@7, KeyError")
        < page.index("It failed")
        < page.index("Traceback…")
    )
    assert "<dt>Cold starts</dt><dd>1</dd>" in page
    assert "curl -X POST -H &#34;x-api-key: $API_KEY&#34; https://api.example/beta/core/acme/order" in page
    assert f"silvaengine trace {REQUEST} --since 1d --stack {STACK}" in page


@pytest.mark.parametrize(("id_", "said"), [("9" * 32, "nothing was logged of"), ("short", "expected the id")])
def test_a_story_that_is_not_there_says_how_to_go_on(
    written: Written, console: Visitor, id_: str, said: str
) -> None:
    """Perhaps it is older than a day."""
    page = console.get(f"/requests/{id_}").text
    assert said in page
    assert 'name="since"' in page


def test_whatever_is_written_is_text(written: Written, console: Visitor) -> None:
    """Of a line or a record, of whatever field, in the list, live and in a story."""
    names = ("method", "area", "endpoint_id", "function", "error", "package")
    evil = {**HTTP, **dict.fromkeys(names, EVIL), "release": 1, "error_type": EVIL}
    record = {"message": EVIL, "level": EVIL, "traceback": EVIL, "request_id": REQUEST, "trace_id": TRACE}
    written.put_records("HttpGateway", record, evil, later=-5_000)
    written.put("Worker", EVIL, later=-5_000)
    with console.listen(f"/requests/live?from={written.now}") as events:
        live = next_event(events)["data"]
    listed, story = console.get("/requests").text, console.get(f"/requests/{REQUEST}").text
    for text in (live, listed, story, console.get(f"/requests?{urlencode({'endpoint': EVIL})}").text):
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def test_a_long_message_is_whole_in_its_story(written: Written, console: Visitor) -> None:
    """In the list its beginning is shown, and how much more there is."""
    record = {"message": "x" * 6000 + "end", "request_id": REQUEST, "trace_id": TRACE}
    written.put_records("packages/shop", record, WORKER, later=-5_000)
    assert "xx… and 1,003 characters more" in console.get("/requests").text
    assert "xxend" in console.get(f"/requests/{REQUEST}").text


def test_t13_no_secret_that_a_function_prints_is_shown(written: Written, console: Visitor) -> None:
    """What looks like one is redacted, as the commands do it."""
    told = [{**FAILED, "message": text, "request_id": REQUEST, "trace_id": TRACE} for text in TEXTS.values()]
    written.put_records("packages/shop", *told, WORKER, later=-5_000)
    for path in ("/requests", f"/requests/{REQUEST}"):
        page = console.get(path).text
        assert "redacted" in page
        assert [kind for kind in found_in(page) if kind != "setting"] == []
