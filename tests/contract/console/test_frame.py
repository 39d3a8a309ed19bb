"""What holds for all pages of `silvaengine console`."""

import hashlib
import re
from dataclasses import replace
from urllib.parse import urlencode

import click
import pytest
from starlette.requests import Request

from silvaengine.tables import EXECUTIONS
from silvaengine_cli.console import app
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import NAVIGATION, Action, Look, action, live
from silvaengine_cli.deployment import Deployment

from .conftest import Open
from .visitor import Visitor

VENDORED = app.FILES / "vendored.sha256"
OWN = {"console.js", "console.css", "icon.svg", VENDORED.name}
done: list[str] = []


def rename(session: Session, request: Request) -> Action:
    """Return an action of these tests."""
    name = request.path_params["name"]

    def carry_out() -> str:
        done.append(name)
        return f"{name} is renamed."

    command = session.command("rename", name)
    return Action(f"Rename {name}", "It has another name.", command, "Rename", carry_out, "/jobs?state=dead")


def watch(_session: Session, _request: Request) -> Look:
    """Return what these tests' live part looks at: two lines, then a failure."""
    looks = iter(["<li>one\n<li>two", ""])

    def look() -> str:
        if (text := next(looks, None)) is None:
            raise click.ClickException("it <b>broke</b>")
        return text

    return look


@pytest.fixture(autouse=True)
def _with_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    added = (action("/rename/{name}", rename), live("/watch", watch))
    monkeypatch.setattr(app, "ROUTES", (*app.ROUTES, *added))
    monkeypatch.setattr("silvaengine_cli.console.views.pause_of", lambda _deployment: 0.01)
    done.clear()


@pytest.mark.parametrize("path", NAVIGATION)
def test_a_page_is_reached_from_every_page(console: Visitor, path: str) -> None:
    """The navigation has it and marks it where it is shown."""
    page = console.get(path)
    assert page.status == 200
    assert f"<h1>{NAVIGATION[path]}</h1>" in page.text
    assert page.text.count('aria-current="page"') == 1


def test_the_address_is_a_secret_once(console: Visitor) -> None:
    """Its token becomes a cookie that scripts and other sites don't get, and leaves the address."""
    assert (console.opened.status, console.opened.headers["location"]) == (303, "/")
    assert "HttpOnly" in console.opened.headers["set-cookie"]
    assert "SameSite=strict" in console.opened.headers["set-cookie"]
    assert (
        console.send("GET", f"/jobs?state=dead&token={console.token}").headers["location"]
        == "/jobs?state=dead"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": ""},
        {"Cookie": "silvaengine-console=guess"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_nobody_else_sees_a_page(console: Visitor, headers: dict[str, str]) -> None:
    """Without the cookie, under another name, or from another site; static files neither."""
    for path in ("/jobs", "/static/console.js"):
        refused = console.send("GET", path, **headers)
        assert refused.status == 403
        assert "default-src 'none'" in refused.headers["content-security-policy"]
    assert console.get("/static/console.js").status == 200


def test_a_change_asks_first_and_shows_the_command(open_console: Open, deployment: Deployment) -> None:
    """Nothing is done before the button is pressed; then the page that shows the state says what was done."""
    console = open_console(may_write=True)
    asked = console.get("/rename/a%20b").text
    assert "It has another name." in asked
    command = f"silvaengine rename &#39;a b&#39; --stack seen --endpoint-url {deployment.endpoint_url}"
    assert command in asked
    assert done == []
    answer = console.post("/rename/a%20b")
    assert (answer.status, done) == (303, ["a b"])
    assert "a b is renamed." in console.get(answer.headers["location"]).text
    assert answer.headers["location"].startswith("/jobs?state=dead&outcome=")


@pytest.mark.parametrize("is_secret", [False, True])
def test_a_double_click_changes_once(
    open_console: Open, monkeypatch: pytest.MonkeyPatch, is_secret: bool
) -> None:
    """Each time that it was asked; the second answer says what the first one did."""
    once = action("/once/{name}", lambda *asked: replace(rename(*asked), is_secret=is_secret))
    monkeypatch.setattr(app, "ROUTES", (*app.ROUTES, once))
    console = open_console(may_write=True)
    for times in (1, 2):
        fields = re.findall('type="hidden" name="([^"]*)" value="([^"]*)"', console.get("/once/x").text)
        for _ in range(2):
            sent = console.send("POST", "/once/x", urlencode(fields), Origin=f"http://{console.host}")
            said = sent if is_secret else console.get(sent.headers["location"])
            assert ("x is renamed." in said.text, done) == (True, ["x"] * times)


def test_without_write_nothing_changes(console: Visitor) -> None:
    """There is no button, and who presses it all the same is refused."""
    asked = console.get("/rename/x").text
    assert "<button>" not in asked
    assert "--write" in asked
    sent = console.send("POST", "/rename/x", f"csrf={csrf(console)}", Origin=f"http://{console.host}")
    assert (sent.status, done) == (403, [])


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_another_site_changes_nothing(open_console: Open, origin: str) -> None:
    """Whatever it knows of the form."""
    console = open_console(may_write=True)
    sent = console.send("POST", "/rename/x", f"csrf={csrf(console)}", Origin=origin)
    assert (sent.status, done) == (403, [])


@pytest.mark.parametrize("body", ["", "csrf=guess", "csrf=" + "x" * 2**20])
def test_a_form_without_its_token_changes_nothing(open_console: Open, body: str) -> None:
    """Nor does one that is too long."""
    console = open_console(may_write=True)
    sent = console.send("POST", "/rename/x", body, Origin=f"http://{console.host}")
    assert (sent.status in (403, 413), done) == (True, [])


def test_a_live_part_goes_on_after_a_failure(console: Visitor) -> None:
    """What is new comes as it appears; what failed is said, and tried again."""
    with console.listen("/watch") as events:
        first, nothing, *failures = (b"".join(iter(events.readline, b"\n")).decode() for _ in range(4))
    assert re.fullmatch(r"id: \d+\nevent: message\ndata: <li>one\ndata: <li>two\n", first)
    assert nothing.endswith("event: nothing\ndata:\n")
    assert failures == ["event: failure\ndata: it <b>broke</b>\n"] * 2  # without an id: nothing was seen


def test_what_was_not_found_is_said(console: Visitor) -> None:
    """With a way to go on, and what was asked for is text."""
    missing = console.get("/no/%3Cscript%3E")
    assert missing.status == 404
    assert "overview" in missing.text
    assert "<script>" not in missing.text.partition("<main")[2]


def test_an_error_is_what_the_command_says(console: Visitor, deployment: Deployment) -> None:
    """A page that can't be read says why."""
    deployment.client("dynamodb").delete_table(TableName=f"se-{EXECUTIONS.name}")
    failed = console.get("/?whole=1")
    assert failed.status == 502
    assert "AWS: An error occurred (ResourceNotFoundException)" in failed.text


def test_what_ships_of_others_is_what_they_released() -> None:
    """Byte by byte, by SHA-256."""
    lines = [line.split() for line in VENDORED.read_text().splitlines()]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in app.FILES.iterdir()}
    assert {name: found[name] for name in found.keys() - OWN} == {name: digest for digest, name in lines}


def csrf(console: Visitor) -> str:
    """Return what a page's forms send: that is in every page."""
    return console.get("/jobs").text.partition('"X-CSRF-Token": "')[2].partition('"')[0]
