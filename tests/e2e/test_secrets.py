"""Secrets on a deployed stack: what was sent and said comes out of no log, answer, notice or dead letter."""

import json

import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.main import cli

from ..canaries import CANARIES, SETTING, TEXTS, found_in
from .conftest import Deployment, wait_for_record, wait_for_status
from .http_client import Api
from .registry_rows import API_KEY, ENDPOINT
from .test_announcements import eventually

# With ": " they are a sentence to a client, which may stand in a response.
SAID = [text for kind, text in TEXTS.items() if ": " not in text and kind != "setting"]
HEADERS = {
    "x-api-key": API_KEY,
    "authorization": TEXTS["bearer"],
    "cookie": f"sid={CANARIES['cookies']}",
    "x-own-password": CANARIES["keyword"],
}


def call(api: Api, how: str, texts: list[str], function: str = "tell") -> str:
    """Call with secrets in headers, query and body; return the whole response's text."""
    path = f"/core/e2e/{function}?token={CANARIES['query']}"
    response = api.post(path, {"how": how, "texts": texts, "password": CANARIES["JSON"]}, HEADERS)
    assert response.status == {"answer": 200, "refuse": 400, "fail": 500, "later": 202}[how]
    return response.text + json.dumps(dict(response.headers))


@pytest.mark.parametrize("how", ["answer", "refuse", "fail"])
def test_t13_nothing_is_told_whatever_a_function_does(how: str, api: Api, deployment: Deployment) -> None:
    """A function logs, refuses with and fails with nineteen secrets: the client and the log get none."""
    log = deployment.worker_log()
    assert found_in(call(api, how, SAID)) == []
    wait_for_record(log, lambda record: record.get("service") == "worker")
    written = deployment.written()
    assert "told Bearer" not in written
    assert "told [redacted]" in written
    assert found_in(written) == []


def test_t13_a_job_that_fails_tells_nothing(api: Api, deployment: Deployment) -> None:
    """Nobody waits for it: neither its state nor the dead letter nor the log has a secret."""
    job_id = json.loads(api.post("/core/e2e/tell_later", {"how": "fail", "texts": SAID}, HEADERS).text)[
        "job_id"
    ]
    facts = wait_for_status(api, job_id, {"dead"})
    deployment.sweep()
    letters = deployment.dead_letters()
    assert job_id in [letter["job_id"] for letter in letters]
    assert found_in(json.dumps([facts, letters]) + deployment.written()) == []


def test_t13_a_setting_that_a_function_quotes_is_taken_out(api: Api, deployment: Deployment) -> None:
    """A secret known from the settings is found without its name or a shape."""
    log = deployment.worker_log()
    words = f"the database refuses {SETTING} for app"
    response = api.post("/core/e2e/tell", {"how": "refuse", "texts": [words]}, HEADERS)
    assert response.json()["error"] == "the database refuses [redacted] for app"
    wait_for_record(
        log, lambda record: record.get("message") == "told the database refuses [redacted] for app"
    )


def test_a_rotated_secret_reaches_a_function_without_a_publication(api: Api, deployment: Deployment) -> None:
    """Its setting and code stay as they are; running instances look at the registry once in 5 seconds."""

    def secrets(*arguments: str, value: str) -> None:
        where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]
        done = CliRunner().invoke(cli, ["secrets", *arguments, "--endpoint", ENDPOINT, *where], input=value)
        assert done.exit_code == 0, done.output

    secrets("set", "rotated", value="first")
    reference = f"ssm:/silvaengine/{{stage}}/{ENDPOINT}/rotated"
    deployment.rows.put("configdata", setting_id="e2e-rotated", variable="password", value=reference)
    for value in ("first", "second"):
        given = eventually(lambda: api.get("/core/e2e/rotated", HEADERS).json(), {"password": value}.__eq__)
        assert given == {"password": value}
        secrets("rotate", "rotated", value="second")
