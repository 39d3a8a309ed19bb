"""Each action of a page does what the command does that it shows: the same rows, messages and Invokes.

What a Lambda logs comes of its Invoke; tests/e2e/test_console.py compares the lines.
"""

import json
import re
import shlex
from collections.abc import Callable
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.routing import Route

from silvaengine.access.api_keys import PREFIX
from silvaengine.ledger.execution import DAY
from silvaengine.tables import CONNECTIONS, ENDPOINTS, TABLES
from silvaengine_cli.console.app import ROUTES
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.main import cli
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.registry.tables import from_item

from ...fakes.publishing import PackageLambda, release_row
from ..conftest import made_tables
from .conftest import OUTPUTS, Open
from .test_functions import add as add_function
from .test_jobs import QUEUES, add, letter, queues, send
from .test_tenants import _pepper

__all__ = ["_pepper", "queues"]  # fixtures
KEY = PREFIX + "0123456789abcdef0123"
SHOP, ACME = "/functions/packages/shop", "/tenants/acme"
DEAD, WAITING = "a" + "0" * 31, "b" + "0" * 31
CANARY = {"release": 3, "tenants": ["mill"], "started_at": 1_700_000_000, "by": "me"}
UNSTEADY = ("owner", "hash", "left")  # tokens, and a pointer's time
CASES = {
    "/functions/packages/{package}/promote": (f"{SHOP}/promote?release=3", "release 3 of shop serves"),
    "/functions/packages/{package}/rollback": (f"{SHOP}/rollback?to=2", "serves instead of 3"),
    "/functions/packages/{package}/canary": (f"{SHOP}/canary?whom=farm&release=3", "since now: farm"),
    "/functions/packages/{package}/pin": (f"{SHOP}/pin?release=1&endpoint=farm", "farm has release 1"),
    "/functions/packages/{package}/unpin": (f"{SHOP}/unpin?endpoint=acme", "acme has release 2"),
    "/tenants/{tenant:path}/keys": (f"{ACME}/keys?function=hello&label=till&days=90", f"{PREFIX}"),
    "/tenants/{tenant:path}/keys/{key_id}/rotate": (f"{ACME}/keys/{KEY}/rotate", f"{KEY}."),
    "/tenants/{tenant:path}/keys/{key_id}/revoke": (f"{ACME}/keys/{KEY}/revoke", f"{KEY} is revoked"),
    "/tenants/{tenant:path}/usage": (f"{ACME}/usage", ""),
    "/jobs/purge": ("/jobs/purge?state=succeeded&days=2", "1 jobs deleted"),
    "/jobs/dead/redrive": ("/jobs/dead/redrive?endpoint_id=acme", "1 jobs accepted again"),
    "/jobs/dead/purge": ("/jobs/dead/purge?endpoint_id=acme", "1 messages deleted"),
    "/jobs/dead/replay": ("/jobs/dead/replay", "sent to the tasks function"),
    "/jobs/{job_id}/retry": (f"/jobs/{DEAD}/retry", f"{DEAD}: accepted"),
    "/jobs/{job_id}/cancel": (f"/jobs/{WAITING}/cancel", f"{WAITING}: cancelled"),
}
"""By the action's route: a page of it, and what it and the command tell."""


class Lambdas(PackageLambda):
    """All Lambdas of a stack; ``calls`` are the Invokes that they got."""

    def __init__(self) -> None:
        super().__init__()
        self.code = {str(number): f"sha-{number}" for number in (1, 2, 3)}
        self.calls = list[dict[str, Any]]()

    def invoke(self, **request: Any) -> Any:
        """Note an Invoke; a package's goes on."""
        self.calls.append(request | {"Payload": json.loads(request["Payload"])})
        return super().invoke(**request) if "Qualifier" in request else {"Payload": BytesIO(b"{}")}


@pytest.fixture(autouse=True)
def lambdas(monkeypatch: pytest.MonkeyPatch) -> Lambdas:
    """Those of the stack that is made next."""
    found, new_client = Lambdas(), Deployment._new_client
    monkeypatch.setattr(
        Deployment,
        "_new_client",
        lambda self, service, url: found if service == "lambda" else new_client(self, service, url),
    )
    for name in ("HttpGatewayArn", "UsageArn", "TasksEventsArn", "RedisHost"):
        monkeypatch.setitem(OUTPUTS, name, name)
    return found


@pytest.fixture
def begin(deployment: Deployment, lambdas: Lambdas, queues: dict[str, str]) -> Callable[[], None]:
    """Have all that the actions change as it was in the beginning."""

    def begin() -> None:
        lambdas.calls.clear()
        for url in queues.values():
            for message in messages_of(deployment, url):
                deployment.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        with made_tables(str(deployment.endpoint_url)):
            tables = deployment.tables()
        for tenant in ("acme", "farm", "mill"):
            tables.create(ENDPOINTS, {"endpoint_id": tenant, "special_connection": tenant == "acme"})
        secret = {"hash": "x", "created_at": 1_700_000_000}
        tables.create(CONNECTIONS, {"endpoint_id": "acme", "api_key": KEY, "key_hashes": [secret]})
        tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "k", "packages": [{"package": "shop"}]})
        add_function(deployment, "hello")
        releases = PackageReleases(deployment, "shop")
        for number in (1, 2, 3):
            releases.put(release_row(number, "hello"))
        releases.turn(releases.turn(None, 1, {}), 2, {"acme": 1}, CANARY)
        letter(deployment, add(deployment, DEAD, state="dead", endpoint_id="acme", attempts=3))
        add(deployment, WAITING)
        add(deployment, "c", 3 * DAY, state="succeeded")
        send(deployment, "EventDeadLetterQueueUrl", {"source": "shop", "detail-type": "sold", "detail": {}})

    return begin


def state(deployment: Deployment, lambdas: Lambdas) -> list[Any]:
    """Return the rows, messages and Invokes that there are, without their ids and times."""
    scans = (deployment.client("dynamodb").scan(TableName=f"se-{each.name}") for each in TABLES)
    rows = [sorted((steady(from_item(item)) for item in scan["Items"]), key=repr) for scan in scans]
    found = [messages_of(deployment, deployment.output(f"{name}Url")) for name in QUEUES]
    return [rows, [[each["Body"] for each in messages] for messages in found], steady(lambdas.calls)]


def messages_of(deployment: Deployment, url: str) -> list[Any]:
    """Return a queue's messages, which stay there."""
    found = deployment.client("sqs").receive_message(
        QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10
    )
    return list(found.get("Messages", ()))


def steady(value: Any) -> Any:
    """Return a value without what is another each time: ids, tokens and times."""
    if isinstance(value, dict):
        return {
            name: "…" if name.endswith("_at") or name in UNSTEADY else steady(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [steady(each) for each in value]
    return re.sub(PREFIX + r"(?!0123)[0-9a-f]{20}", "sek_…", value) if isinstance(value, str) else value


def test_all_actions_are_compared() -> None:
    """A new one needs a case; the form that calls a function is compared with the command in a browser."""
    actions = {each.path for each in ROUTES if isinstance(each, Route) and "POST" in (each.methods or ())}
    assert actions - {"/functions/{arn}/{name:path}"} == CASES.keys()


@pytest.mark.parametrize(("address", "told"), CASES.values(), ids=CASES)
def test_a_page_does_what_its_command_does(
    open_console: Open,
    deployment: Deployment,
    lambdas: Lambdas,
    begin: Callable[[], None],
    address: str,
    told: str,
) -> None:
    """And nothing before it was confirmed."""
    console = open_console(may_write=True)
    begin()
    before = state(deployment, lambdas)
    found = re.search("<code>(silvaengine .*?)</code>", console.get(address).text)
    assert found
    assert state(deployment, lambdas) == before
    answer = console.post(address)
    page = answer if answer.status == 200 else console.get(answer.headers["location"])
    by_page = state(deployment, lambdas)
    begin()
    command = shlex.split(unescape(found[1]))[1:]
    result = CliRunner().invoke(cli, command, input="y\n")
    assert result.exit_code == 0, result.output
    assert by_page == state(deployment, lambdas)
    assert by_page != before
    assert (told in page.text, told in result.output) == (True, True)
