"""The page Functions: what is listed, said of one, and sent when it is called."""

import json
import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from silvaengine.tables import CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_cli.console.paging import ROWS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.output import HIDDEN
from silvaengine_cli.registry import tables as registry_tables

from ..echo_gateway import running_gateway
from .conftest import OUTPUTS, Open
from .test_frame import csrf
from .visitor import Visitor

WORKER = OUTPUTS["WorkerArn"]
KEY = "a-key-that-is-secret"
HTML = "<img src=x onerror=alert(1)>"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": HTML, "default": "world"},
        "count": {"type": "integer"},
        "loud": {"type": "boolean", "default": True},
        "colour": {"anyOf": [{"$ref": "#/$defs/Colour"}, {"type": "null"}], "default": None},
        "day": {"type": "string", "format": "date", "default": "2026-11-30"},
        "tags": {"type": "array", "items": {"type": "string"}, "default": []},
    },
    "required": ["count"],
    "$defs": {"Colour": {"enum": ["red", "blue"]}},
}
SENT = {
    "header.idempotency-key": "7",
    "param.name": 'Ada & "Co"',
    "param.count": "3",
    "param.colour": '"red"',
    "param.tags": '["x",\r\n1]',
}


@pytest.fixture(autouse=True)
def _gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the stack that is made next a gateway."""
    with running_gateway() as url:
        monkeypatch.setitem(OUTPUTS, "ApiUrl", url)
        yield


def add(deployment: Deployment, name: str, description: Any = None, **config: Any) -> str:
    """Register a function of the worker; return the address of its page."""
    row = {
        "aws_lambda_arn": WORKER,
        "function": name,
        "area": "core",
        "description": json.dumps(description or {}),
    }
    deployment.tables().create(FUNCTIONS, {**row, "config": {"module_name": "demo", **config}})
    return f"/functions/{WORKER}/{name}"


def open_to(deployment: Deployment, endpoint: str, api_key: str, *names: str) -> None:
    """Give an endpoint a key row of its own with these functions."""
    tables = deployment.tables()
    if tables.get(ENDPOINTS, endpoint) is None:
        tables.create(ENDPOINTS, {"endpoint_id": endpoint, "special_connection": True})
    entries = [{"aws_lambda_arn": WORKER, "function": name} for name in names]
    tables.create(CONNECTIONS, {"endpoint_id": endpoint, "api_key": api_key, "functions": entries})


def listed(page: str) -> list[str]:
    """Return the names of the functions in a page's table."""
    return re.findall(r'<tr><td><a href="/functions/arn[^>]*>([^<]*)</a>', page)


def more(page: str) -> str:
    """Return where the next part of a list is."""
    found = re.search('rel="next" href="([^"]*)"', page)
    return "/functions" + unescape(found[1]) if found else ""


def test_a_long_list_comes_in_parts(console: Visitor, deployment: Deployment) -> None:
    """Each function once; a list without any says how to go on."""
    empty = console.get("/functions").text
    for number in range(ROWS + 3):
        add(deployment, f"f{number:03}")
    first = console.get("/functions").text
    second = console.get(more(first)).text
    assert listed(first) + listed(second) == [f"f{number:03}" for number in range(ROWS + 3)]
    assert more(second) == ""
    assert listed(console.get("/functions?text=02").text) == [
        "f002",
        "f020",
        *[f"f02{n}" for n in range(1, 10)],
        "f102",
    ]
    assert "No matching function" in console.get("/functions?text=x").text
    assert "No matching function" in console.get("/functions?area=admin").text
    assert "silvaengine publish" in empty


def test_a_search_goes_on_in_a_large_table(
    console: Visitor, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page looks at so much of it, and says that there is more."""
    monkeypatch.setattr(registry_tables, "PART_SECONDS", 0)
    for name in "abcd":
        add(deployment, name, "x" * 390_000)
    page = console.get("/functions?text=d").text
    assert (listed(page), "Nothing found so far" in page) == ([], True)
    assert listed(console.get(more(page)).text) == ["d"]
    assert console.get("/functions?after=x").status == 400


def test_a_tenant_s_key_opens_some(console: Visitor, deployment: Deployment) -> None:
    """Without a key, else of the key that was chosen, whose secret is in no page and no address."""
    for name in ("hello", "hidden", "orders"):
        add(deployment, name)
    open_to(deployment, "acme", KEY, "hello", "orders")
    open_to(deployment, "acme", "#####", "hello")
    open_to(deployment, "acme", "sek_revoked", "hello")
    assert listed(console.get("/functions?endpoint=acme").text) == ["hello"]
    page = console.get("/functions?endpoint=acme").text
    names = re.findall('<option value="([^"]*)"', page)
    (key_id,) = {*names} - {"public"}
    page = console.get(f"/functions?endpoint=acme&key={key_id}").text
    assert listed(page) == ["hello", "orders"]
    assert KEY not in page
    assert listed(console.get(f"/functions?endpoint=acme&key={key_id}&text=ord").text) == ["orders"]
    missing = console.get("/functions?endpoint=nobody")
    assert (missing.status, "there is no endpoint" in missing.text) == (404, True)


def test_a_function_says_what_it_takes(console: Visitor, deployment: Deployment) -> None:
    """Its signature, docstring, limits and code; what it says is text."""
    said = {"summary": HTML, "description": "More.", "parameters": SCHEMA, "result": {"type": "string"}}
    address = add(deployment, "greet", said | {"errors": {}}, methods=["GET"], typed=True, max_attempts=3)
    page = unescape(console.get(address).text)
    assert 'colour: Colour | null = null, day: string (date) = "2026-11-30"' in page
    assert "→ string" in page
    assert "<dt>max_attempts<dd>3" in page
    assert "<dd>demo:greet" in page
    assert "<img src=x" not in console.get(address).text
    missing = console.get(f"/functions/{WORKER}/nothing")
    assert (missing.status, "has no function &#39;nothing&#39;" in missing.text) == (404, True)


def test_a_name_is_text_whatever_it_is(console: Visitor, deployment: Deployment) -> None:
    """Other tools write names, areas and settings, too."""
    name = f"a/b {HTML}"
    add(deployment, name, {"summary": HTML}, class_name=HTML, setting=HTML, funct_type=HTML)
    page = console.get("/functions").text
    (address,) = re.findall('href="(/functions/arn[^"]*)"', page)
    shown = console.get(address)
    assert f"<h1>{escape(name)}</h1>" in shown.text
    assert "<img src=x" not in page + shown.text


def test_a_call_is_what_invoke_sends(console: Visitor, deployment: Deployment) -> None:
    """Values of their types, empty ones left out; the key goes out and never comes back."""
    headers = {"properties": {"idempotency-key": {"type": "string"}}, "required": ["idempotency-key"]}
    said = {"parameters": SCHEMA, "headers": headers, "result": {}, "errors": {}}
    address = add(deployment, "greet", said, methods=["GET"])
    page = unescape(console.post(address, endpoint="acme", key=KEY, method="GET", **SENT).text)
    assert "<strong>200</strong>" in page
    assert 'href="/requests/r-1"' in page
    answer = json.loads(page.partition('class="response"')[2].partition("<code>")[2].partition("</code>")[0])
    assert (answer["method"], answer["key"], answer["prefer"]) == ("GET", "•••", None)
    assert answer["idempotency-key"] == "7"
    assert answer["path"] == (
        "/beta/core/acme/greet?name=Ada+%26+%22Co%22&count=3&loud=false&colour=red&tags=%5B%22x%22%2C+1%5D"
    )
    command = (
        "silvaengine invoke acme greet --method GET --param 'name=Ada & \"Co\"' --param count=3 "
        "--param loud=false --param colour=red --param 'tags=[\"x\", 1]' "
        "--header 'idempotency-key: 7' --api-key KEY --stack seen"
    )
    assert command in page
    assert KEY not in page
    assert "\\u000d" not in page
    in_json = {"endpoint": "acme", "params": '{"name": "Ada"}'} | {"header.idempotency-key": "7"}
    assert "greet?name=Ada" in unescape(console.post(f"{address}?json=1", **in_json).text)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"param.count": "three"}, "count: Expecting value"),
        ({"param.count": "1", "key": "s3cr€t"}, "must be 1 to 256 printable ASCII"),
    ],
)
def test_what_can_t_be_sent_is_said(
    console: Visitor, deployment: Deployment, fields: dict[str, str], reason: str
) -> None:
    """The form keeps what was typed, but for the key."""
    address = add(deployment, "greet", {"parameters": SCHEMA, "result": {}, "errors": {}}, methods=["GET"])
    page = console.post(address, endpoint="acme", method="GET", **{"param.name": "Ada"}, **fields).text
    assert reason in page
    assert 'value="Ada"' in page
    assert "s3cr" not in page


def test_a_call_that_may_change_something_needs_write(
    console: Visitor, open_console: Open, deployment: Deployment
) -> None:
    """Unless it is a GET of a function that takes nothing else; as a job it always does."""
    both, get = add(deployment, "both", methods=["GET", "POST"]), add(deployment, "get", methods=["GET"])
    assert "<button>Call" not in console.get(both).text
    form = {"endpoint": "acme", "method": "GET", "params": "{}", "csrf": csrf(console)}
    assert send(console, both, form) == 403
    assert send(console, get, {**form, "job": "on"}) == 403
    assert send(console, get, {**form, "method": "POST"}) == 200
    assert '"method": "GET"' in unescape(console.post(get, endpoint="acme", method="POST", params="{}").text)
    writer = open_console(may_write=True)
    page = unescape(writer.post(both, endpoint="acme", method="POST", params='{"n": 1}', job="on").text)
    assert '"prefer": "respond-async"' in page
    assert "--header 'prefer: respond-async'" in page


def send(console: Visitor, path: str, form: dict[str, str]) -> int:
    """Send a form that the page doesn't show."""
    return console.send("POST", path, urlencode(form), Origin=f"http://{console.host}").status


@pytest.mark.parametrize("query", ["", "?json=1"])
def test_no_password_is_in_the_command(open_console: Open, deployment: Deployment, query: str) -> None:
    """Neither a parameter's nor a header's; both were sent."""
    secret = {"type": "object", "properties": {"secret": {"type": "string", "format": "password"}}}
    address = add(deployment, "login", {"parameters": secret, "headers": secret})
    form = {"header.secret": "hunter2", "param.secret": "hunter2", "params": '{"secret": "hunter2"}'}
    page = open_console(may_write=True).post(address + query, endpoint="acme", **form).text
    command = unescape(page.partition("Equivalent command")[2].partition("</pre>")[0])
    assert command.count(HIDDEN) == 2
    assert "hunter2" not in command
    assert "hunter2" in unescape(page.partition("Equivalent command")[0])
