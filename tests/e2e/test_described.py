"""Typed functions are described: those that ship by ``apply``, a package's by its publication."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.main import cli
from silvaengine_cli.publishing.publisher import Published, publish
from silvaengine_cli.watch import REGISTRY_FILE

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY
from .test_announcements import eventually

KEY = "desk-key"
MANIFEST = """\
package: desk
memory: 256
timeout: 15
functions:
  ticket: {call: "desk:ticket", area: core, route: "GET /tickets/{number}"}
  open_ticket: {call: "desk:open_ticket", area: core, route: POST /tickets}
"""
SOURCE = '''\
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta
from silvaengine_base import FunctionError


@dataclass
class Ticket:
    number: int
    title: Annotated[str, Meta(min_length=1, examples=["It's broken"])]
    state: Literal["open", "closed"] = "open"


def ticket(number: Annotated[int, Meta(ge=1)]) -> Ticket:
    """Return a ticket.

    Raises:
        FunctionError: 404, there is no such ticket.
    """
    if number > 9:
        raise FunctionError("There is no such ticket", status_code=404)
    return Ticket(number, "It's broken")


def open_ticket(title: Annotated[str, Meta(min_length=1)], urgent: bool = False) -> Ticket:
    """Open a ticket."""
    return Ticket(1, title)
'''


class Desk:
    """A package's folder, and where it is published."""

    def __init__(self, folder: Path, deployment: CommandLine) -> None:
        self.folder = folder
        self._deployment = deployment
        folder.mkdir(parents=True)
        (folder / "requirements.txt").touch()

    def publish(self, source: str = SOURCE, manifest: str = MANIFEST, **options: bool) -> Published:
        """Publish sources; raises as ``publish``."""
        (self.folder / "package.yaml").write_text(manifest)
        (self.folder / "desk.py").write_text(source)
        return publish(self._deployment, self.folder, "", lambda _line: None, **options)


@pytest.fixture(scope="module")
def desk(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The package, published, and a key that opens it."""
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    desk = Desk(tmp_path_factory.mktemp("described") / "packages/desk", target)
    desk.publish()
    deployment.rows.put("endpoints", endpoint_id="desk", special_connection=True)
    packages = [{"package": "desk"}]
    deployment.rows.put("connections", endpoint_id="desk", api_key=KEY, functions=[], packages=packages)
    return desk


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
    assert number["schema"] == {"type": "integer", "minimum": 1}
    assert ticket["summary"] == "Return a ticket."
    assert ticket["responses"]["404"]["description"] == "there is no such ticket."
    schema = document["components"]["schemas"]["Ticket"]
    assert schema["properties"]["state"] == {"enum": ["closed", "open"], "default": "open"}
    assert schema["properties"]["title"]["examples"] == ["It's broken"]
    body = document["paths"]["/tickets"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["title"]


def test_a_broken_promise_is_refused(api: Api, desk: Desk) -> None:
    """With a list, before it serves; additions pass, and so does what may be broken."""
    narrower = SOURCE.replace("urgent: bool = False", "urgent: bool").replace("Meta(ge=1)", "Meta(ge=2)")
    with pytest.raises(click.ClickException) as caught:
        desk.publish(narrower)
    assert caught.value.message.splitlines()[1:-1] == [
        "  open_ticket: parameter /urgent: required",
        "  ticket: parameter /number: minimum 1 -> 2",
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


def test_what_cannot_be_checked_is_not_published(desk: Desk) -> None:
    """The publication names the parameter, and what served serves on."""
    with pytest.raises(click.ClickException, match="ticket: parameter 'number': complex can't be checked"):
        desk.publish(SOURCE.replace("number: Annotated[int, Meta(ge=1)]", "number: complex"))


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
