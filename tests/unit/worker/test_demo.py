"""The demo does what its registry and README say, called as a newcomer calls it in a test."""

from base64 import b64decode
from uuid import uuid4

import pytest
import yaml

from silvaengine_base import FunctionError
from silvaengine_worker.testing import Invoke


def test_hello_greets_in_the_tenants_words(invoke: Invoke) -> None:
    """Settings make the greeting; without them it has its own."""
    assert invoke("hello") == {"message": "Hello, world!"}
    acme = {"greeting": "Good day", "punctuation": "."}
    assert invoke("hello", settings=acme, params={"name": "Ada"}) == {"message": "Good day, Ada."}


def test_order_answers_json(invoke: Invoke) -> None:
    """A dataclass with a Decimal and a date."""
    assert invoke("order", body={"item": "bread"}) == {"item": "bread", "price": 4.2, "due": "2030-01-31"}


def test_menu_answers_yaml(invoke: Invoke) -> None:
    """Text goes out as it is."""
    assert yaml.safe_load(invoke("menu"))["bread"] == ["rye", "wheat"]


def test_picture_is_a_png(invoke: Invoke) -> None:
    """A whole proxy response with bytes in it."""
    response = invoke("picture")
    assert response["headers"] == {"Content-Type": "image/png"}
    assert b64decode(response["body"]).startswith(b"\x89PNG")


def test_a_path_may_be_several_functions(invoke: Invoke) -> None:
    """What a route's parameters are called is what the functions call them."""
    assert invoke("dish", params={"name": "soup"}) == {"name": "soup", "made_of": ["leek", "potato"]}
    with pytest.raises(FunctionError, match="There is no pie"):
        invoke("dish", params={"name": "pie"})
    rated = invoke("rate_dish", params={"name": "soup"}, body={"stars": 5}, endpoint_id="acme")
    assert rated == {"name": "soup", "stars": 5, "tenant": "acme"}
    steps = invoke("recipe", params={"name": "soup", "path": "peel/boil"})
    assert steps == {"name": "soup", "steps": ["peel", "boil"]}


def test_whoami_tells_the_tenant(invoke: Invoke) -> None:
    """A function can ask whose call it serves."""
    assert invoke("whoami", endpoint_id="acme")["endpoint_id"] == "acme"


def test_versions_tells_pythons(invoke: Invoke) -> None:
    """The one function of the area admin tells Python's version."""
    assert invoke("versions", area="admin")["python"].startswith("3.")


@pytest.mark.parametrize("b", ["0", "many"])
def test_divide_refuses_in_words(invoke: Invoke, b: str) -> None:
    """A function's own error has its own status."""
    assert invoke("divide", params={"a": "3", "b": "2"}) == 1.5
    with pytest.raises(FunctionError, match="a and b must be numbers") as refused:
        invoke("divide", params={"a": "1", "b": b})
    assert refused.value.status_code == 400


def test_wait_is_a_coroutine(invoke: Invoke) -> None:
    """An async function needs nothing special."""
    assert invoke("wait", params={"seconds": "0.01"}) == {"waited": 0.01}


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("silvaengine.js", "text/javascript"),
    ],
)
def test_page_serves_its_files(invoke: Invoke, path: str, content_type: str) -> None:
    """What the page is made of, each under its type, and a policy that runs nothing else."""
    response = invoke("page", params={"path": path} if path else {})
    assert response["headers"]["Content-Type"].startswith(content_type)
    assert "default-src 'none'; script-src 'self'" in response["headers"]["Content-Security-Policy"]
    assert len(response["body"]) > 100


@pytest.mark.parametrize("path", ["../page.py", "static/page.js", "other.js"])
def test_page_serves_nothing_else(invoke: Invoke, path: str) -> None:
    """A path is a name of the list, never a path of folders."""
    with pytest.raises(FunctionError) as refused:
        invoke("page", params={"path": path})
    assert refused.value.status_code == 404


def test_report_logs_and_answers_nothing(invoke: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    """An Event function has no result, but its log record."""
    with caplog.at_level("INFO"):
        assert invoke("report", params={"title": "Q1"}) is None
    assert "Report 'Q1' is ready" in caplog.text


def test_book_has_its_effect_once(invoke: Invoke) -> None:
    """A second attempt of the same call finds what the first one booked; without a token it refuses."""
    first, other = uuid4().hex, uuid4().hex
    assert invoke("book", params={"item": "A1"}, effect=first) == {"booked": "A1", "by_attempt": 1}
    again = invoke("book", params={"item": "A1"}, effect=first, attempt=2)
    assert again == {"booked": "A1", "by_attempt": 1}
    assert invoke("book", params={"item": "B2"}, effect=other)["booked"] == "B2"
    with pytest.raises(FunctionError, match="Idempotency-Key"):
        invoke("book")


def test_a_member_is_the_authorizers_principal(invoke: Invoke) -> None:
    """What an authorizer returned reaches a function in its context."""
    context = {"authorizer": {"user_id": "grace"}, "additionalContext": {"roles": ["member"]}}
    assert invoke("member", context=context) == {"user": "grace", "roles": ["member"]}
    with pytest.raises(FunctionError, match="Only an admin") as refused:
        invoke("ban", params={"name": "ada"}, context=context)
    assert refused.value.status_code == 403
