"""Rows that other tools write are seen within the promise, once they are announced."""

from collections.abc import Callable
from functools import partial
from time import monotonic, sleep

import pytest
from click.testing import CliRunner

from silvaengine.tables import GENERATION_KEY
from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.main import cli

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY, Rows
from .second_stack import deploy_again

SEEN_SECONDS = 15.0  # five, as promised, and a cold start
PREFIX = "streamed-"


def greeting(api: Api) -> str:
    """Return a setting of the tests' tenant, which is kept for half an hour."""
    return str(api.get("/core/e2e/settings", {"x-api-key": API_KEY}).json()["greeting"])


def eventually[T](ask: Callable[[], T], wanted: Callable[[T], bool], seconds: float = SEEN_SECONDS) -> T:
    """Ask until the answer is as wanted, or the time is over."""
    deadline = monotonic() + seconds
    while not wanted(response := ask()) and monotonic() < deadline:
        sleep(0.2)
    return response


def check_seen(api: Api, rows: Rows, announce: Callable[[], object] = lambda: None) -> None:
    """Change the setting, and check that it is seen.

    Twice: an instance's first look at the generation always counts as a change.
    """
    for value in ("Welcome", "Good day"):
        assert greeting(api) != value
        rows.put("configdata", setting_id="e2e-own", variable="greeting", value=value)
        announce()
        assert eventually(partial(greeting, api), value.__eq__) == value


def test_announced_rows_are_seen(deployment: Deployment) -> None:
    """`silvaengine announce` after a row was written past us makes running functions see it."""
    where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]

    def announce() -> None:
        done = CliRunner().invoke(cli, ["announce", *where])
        assert done.output.startswith("announced"), done.output

    check_seen(deployment.api, deployment.rows, announce)


@pytest.fixture(scope="module")
def streamed(deployment: Deployment) -> deploy.StackOutputs:
    """A second stack, of the same artefacts, whose tables have streams."""
    parameters = {"TablePrefix": PREFIX, "RegistryStreams": "own"}
    outputs = deploy_again(deployment, "with-streams", parameters)
    Rows(deployment.engine.client("dynamodb"), PREFIX).put_test_registry(outputs.worker_arn)
    return outputs


def test_streams_announce_rows_by_themselves(streamed: deploy.StackOutputs, engine: LocalEngine) -> None:
    """With the parameter a row is seen without a command, and its announcement isn't announced again."""
    rows, api = Rows(engine.client("dynamodb"), PREFIX), Api(streamed.api_url)

    def generation() -> int:
        key = {name: {"S": value} for name, value in GENERATION_KEY.items()}
        found = engine.client("dynamodb").get_item(TableName=f"{PREFIX}configdata", Key=key)
        return int(found.get("Item", {}).get("value", {"N": "0"})["N"])

    check_seen(api, rows)
    before = generation()
    # A stream is in order: what the first two would announce comes before the last one.
    rows.put("configdata", setting_id="silvaengine:keys", variable="e2e:sek_1", value=1)
    rows.put("configdata", setting_id="silvaengine:cache:e2e", variable="e2e-other", epoch="1")
    rows.put("configdata", setting_id="e2e-own", variable="greeting", value="Hi")
    assert eventually(generation, lambda found: found > before) == before + 1
    assert eventually(lambda: greeting(api), lambda found: found == "Hi") == "Hi"
    assert generation() == before + 1
