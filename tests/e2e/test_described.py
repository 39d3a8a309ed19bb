"""Typed functions are described: those that ship by ``apply``, a package's by its publication."""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.main import cli
from silvaengine_cli.watch import REGISTRY_FILE

from .conftest import Deployment
from .desk import KEY, MANIFEST, SOURCE, Desk
from .http_client import Api
from .registry_rows import API_KEY
from .test_announcements import eventually


def read(api: Api, endpoint_id: str, key: str) -> Any:
    """Return a key's document."""
    response = api.get(f"/core/{endpoint_id}/openapi.json", {"x-api-key": key})
    assert response.status == 200, response.text
    return response.json()


def test_a_published_function_has_its_schemas(api: Api, desk: Desk) -> None:
    """In the document of a key that opens its package, without a further step."""
    document = read(api, "desk", KEY)
    ticket = document["paths"]["/tickets/{number}"]["get"]
    (number,) = [each for each in ticket["parameters"] if each.get("name") == "number"]
    assert number["schema"] == {"type": "integer", "minimum": 1, "maximum": 1_000_000}
    assert ticket["summary"] == "Return a ticket."
    assert ticket["responses"]["404"]["description"] == "there is no such ticket."
    schema = document["components"]["schemas"]["Ticket"]
    assert schema["properties"]["state"] == {"enum": ["closed", "open"], "default": "open"}
    assert schema["properties"]["title"]["examples"] == ["It's broken"]
    body = document["paths"]["/tickets"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["title"]


def test_a_broken_promise_is_refused(api: Api, desk: Desk) -> None:
    """With a list, before it serves; additions pass, and so does what may be broken."""
    narrower = SOURCE.replace("urgent: bool = False", "urgent: bool").replace("ge=1, le=10)", "ge=2, le=10)")
    with pytest.raises(click.ClickException) as caught:
        desk.publish(narrower)
    assert caught.value.message.splitlines()[1:-1] == [
        "  find_tickets: parameter /limit: minimum 1 -> 2",
        "  open_ticket: parameter /urgent: required",
    ]
    with pytest.raises(click.ClickException, match=r"open_ticket: route POST /tickets -> none"):
        desk.publish(manifest=MANIFEST.replace(", route: POST /tickets", ""), dry_run=True)
    assert desk.publish(SOURCE.replace("urgent: bool = False", "urgent: bool = False, by: str = ''")).is_new
    assert desk.publish(narrower, allow_breaking=True).is_new
    document = eventually(
        lambda: read(api, "desk", KEY)["paths"]["/tickets"]["post"]["requestBody"],
        lambda body: "urgent" in body["content"]["application/json"]["schema"]["required"],
    )
    assert document["required"] is True
    desk.publish(allow_breaking=True)


def test_what_cannot_be_checked_is_not_published(desk: Desk) -> None:
    """The publication names the parameter, and what served serves on."""
    with pytest.raises(click.ClickException, match="ticket: parameter 'number': complex can't be checked"):
        desk.publish(SOURCE.replace("ticket(number: Number)", "ticket(number: complex)"))


def test_apply_describes_functions_that_ship(api: Api, deployment: Deployment) -> None:
    """As the deployed worker has them; again it changes nothing."""
    stack = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]
    words = ["apply", "-f", str(deployment.project / REGISTRY_FILE), *stack]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, "total" in done.output) == (0, True), done.output
    document = eventually(
        lambda: read(api, "e2e", API_KEY), lambda it: "requestBody" in json.dumps(it["paths"]["/total"])
    )
    post = document["paths"]["/total"]["post"]
    properties = post["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert properties.keys() == {"items", "factor"}
    assert "described" not in CliRunner().invoke(cli, words).output
