"""Jobs and idempotency keys on a real deployment: what is accepted ends, and keyed calls run once."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from silvaengine_cli import dead_letters, deploy
from silvaengine_cli.main import cli

from .conftest import Deployment, wait_for_record, wait_for_status
from .http_client import Api
from .logs import FunctionLog
from .registry_rows import API_KEY, LARGE_SETTINGS
from .test_announcements import eventually
from .test_permissions import assumed

KEY = {"x-api-key": API_KEY}
LEASE_SECONDS = 36  # the worker's timeout of this deployment, and the ledger's margin
# Where a busy machine starts every Lambda at once, the first calls may outlast the gateway: whether they ran
# is unknown.
COLD_CALLS, TIMED_OUT = 30, {502, 504}
ANY_STATUS = {"accepted", "running", "succeeded", "failed", "dead"}


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    """The file that holds one line for each effect."""
    return tmp_path / "effects"


def happened(effects: Path) -> Counter[str]:
    """Count the effects of each call."""
    lines = effects.read_text().splitlines() if effects.exists() else []
    return Counter(line.split()[0] for line in lines)


def keyed(key: str | None = None) -> Mapping[str, str]:
    """Return headers with an idempotency key."""
    return {**KEY, "idempotency-key": key or uuid4().hex}


def test_a_job_from_acceptance_to_result(api: Api, effects: Path) -> None:
    """202 at once, with an id and the place to ask; a moment later the result is there."""
    wish = {**KEY, "prefer": "respond-async"}
    accepted = api.post("/core/e2e/effect", {"path": str(effects), "call": "1"}, wish)
    assert accepted.status == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    job_id = accepted.json()["job_id"]
    assert accepted.json() == {"job_id": job_id, "status": "accepted"}
    assert accepted.headers["location"] == f"job_status?job_id={job_id}"
    done = wait_for_status(api, job_id, {"succeeded"})
    assert (done["result"], done["attempts"]) == ({"call": "1", "attempt": 1}, 1)
    assert happened(effects) == {"1": 1}


def test_a_functions_error_says_the_same_now_and_later(api: Api) -> None:
    """Code and details are in the response and in the job's status."""
    said = {"code": "out_of_stock", "details": {"left": 2}}
    refused = api.post("/core/e2e/explain", {}, KEY)
    assert (refused.status, said.items() <= refused.json().items()) == (409, True)
    accepted = api.post("/core/e2e/explain", {}, {**KEY, "prefer": "respond-async"})
    failed = wait_for_status(api, accepted.json()["job_id"], {"failed"})
    assert failed["error"] == {"status": 409, "message": "Only 2 are left", **said}


def test_the_same_key_gives_the_same_bytes(api: Api, effects: Path) -> None:
    """One effect, one answer; another body is refused."""
    body, key = {"path": str(effects), "call": "1"}, keyed()
    first, second = (api.post("/core/e2e/effect_once", body, key) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert second.headers["idempotency-replayed"] == "true"
    assert happened(effects) == {"1": 1}
    assert api.post("/core/e2e/effect_once", {**body, "call": "2"}, key).status == 422


def test_many_at_once_under_one_key_run_once(api: Api, effects: Path) -> None:
    """Of ten at the same time one runs; the others are told to come again, or get its response."""
    body, key = {"path": str(effects), "call": "1"}, keyed()
    with ThreadPoolExecutor(10) as pool:
        responses = list(pool.map(lambda _: api.post("/core/e2e/effect_once", body, key), range(10)))
    assert {response.status for response in responses} <= {200, 409}
    assert len({response.body for response in responses if response.status == 200}) == 1
    assert happened(effects) == {"1": 1}


def test_a_crashed_job_is_taken_up_again(deployment: Deployment, api: Api, effects: Path) -> None:
    """Under `retry` the sweeper hands the job to another worker when the first one's time is over.

    It comes each minute, and tells in one line what it did and how far it is behind.
    """
    body = {"path": str(effects), "call": "1", "wrong": "crash"}
    job_id = api.post("/core/e2e/effect_later", body, KEY).json()["job_id"]
    assert deployment.sweep().get("dispatched", 0) == 0
    log = FunctionLog(deployment.engine, deployment.outputs.function_arns["Sweeper"])
    deployment.schedule(enabled=True)
    try:
        done = wait_for_status(api, job_id, {"succeeded"}, seconds=LEASE_SECONDS + 150)
    finally:
        deployment.schedule(enabled=False)
    assert (done["attempts"], done["result"]["attempt"]) == (2, 2)
    assert happened(effects) == {"1": 1}
    line = wait_for_record(log, lambda record: record.get("dispatched") == 1)
    assert (line["service"], line["status"]) == ("sweeper", 200)
    assert line["lag"] >= 0


def test_a_job_that_fails_is_dead_and_can_be_retried(deployment: Deployment, api: Api, effects: Path) -> None:
    """After the last attempt the queue has one message, without parameters, settings or its words."""
    deployment.dead_letters()
    body = {"path": str(effects), "call": "1", "wrong": "always"}
    job_id = api.post("/core/e2e/effect_later", body, KEY).json()["job_id"]
    sweep_until(deployment, api, job_id, "dead")
    deployment.sweep()
    (letter,) = deployment.dead_letters()
    assert letter == dict(letter) | {
        "job_id": job_id, "endpoint_id": "e2e", "area": "core", "function": "effect_later", "attempts": 3,
        "cause": "RuntimeError",
    }  # fmt: skip
    for secret in ("hunter2", "Hello", str(effects)):
        assert secret not in json.dumps(letter)
    facts = wait_for_status(api, job_id, {"dead"})
    assert facts["error"]["cause"] == "RuntimeError"
    assert "hunter2" not in json.dumps(facts)


def test_an_operator_takes_up_what_was_given_up(
    deployment: Deployment, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at, redriven from the queue, retried by its id, purged: each command does what its help says."""
    monkeypatch.setattr(dead_letters, "HOLD_SECONDS", 2)
    deployment.dead_letters()
    job_id = api.post("/core/e2e/fail_again", {}, KEY).json()["job_id"]
    wait_for_status(api, job_id, {"dead"})
    deployment.sweep()
    assert [letter["job_id"] for letter in command(deployment, "dlq", "list")] == [job_id]
    assert job_id in [job["job_id"] for job in command(deployment, "jobs", "list", "--state", "dead")]
    shown = command(deployment, "jobs", "show", job_id)
    assert (shown["state"], shown["endpoint_id"]) == ("dead", "e2e")
    assert not {"owner", "effect", "content", "result"} & shown.keys()
    redriven = eventually(  # once what was looked at is back in the queue
        lambda: command(deployment, "dlq", "redrive", "--function", "fail_again", "--yes"), bool
    )
    assert redriven == {job_id: "accepted"}
    deployment.sweep()
    wait_for_status(api, job_id, {"dead"})
    assert command(deployment, "jobs", "retry", job_id) == {job_id: "accepted"}
    deployment.sweep()
    wait_for_status(api, job_id, {"dead"})
    deployment.sweep()
    command(deployment, "jobs", "purge", "--state", "dead", "--older-than", "0", "--yes")
    assert api.get(f"/core/e2e/job_status?job_id={job_id}", KEY).status == 404


def sweep_until(deployment: Deployment, api: Api, job_id: str, status: str) -> Mapping[str, Any]:
    """Let the sweeper run each second until a job stands so; its worker may have begun late."""
    deadline = time.monotonic() + 3 * LEASE_SECONDS
    while (facts := wait_for_status(api, job_id, ANY_STATUS))["status"] != status:
        assert time.monotonic() < deadline, facts
        time.sleep(1)
        deployment.sweep()
    return facts


def command(deployment: Deployment, *arguments: str) -> Any:
    """Run the command against the deployment; return the JSON that it prints."""
    target = ("--json", "--endpoint-url", deployment.engine.url, "--stack", deploy.LOCAL_STACK)
    done = CliRunner().invoke(cli, [*arguments, *target])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_large_contents_and_results_go_by_the_bucket(api: Api) -> None:
    """A request over 1 MB, the limit of an event, and a result over 180 KB arrive whole."""
    wish = {**KEY, "prefer": "respond-async"}
    job = api.post("/core/e2e/body_size", {"text": "x" * 1_500_000}, wish).json()["job_id"]
    assert wait_for_status(api, job, {"succeeded"})["result"] == 1_500_000
    job = api.post("/core/e2e/large", {"size": 500_000}, wish).json()["job_id"]
    assert wait_for_status(api, job, {"succeeded"})["result"] == "x" * 500_000


def test_large_settings_go_by_the_bucket(api: Api) -> None:
    """A job's event has no room for them: the body of a few bytes is not to blame."""
    job = api.post("/core/e2e/settings_size", {}, {**KEY, "prefer": "respond-async"}).json()["job_id"]
    assert wait_for_status(api, job, {"succeeded"})["result"] == LARGE_SETTINGS


@pytest.mark.parametrize("operation", ["get_item", "put_item", "delete_item", "scan", "query"])
def test_the_worker_reads_no_execution(deployment: Deployment, operation: str) -> None:
    """Functions share the worker's role: it opens no row of the ledger, makes none and deletes none."""
    tables = assumed(deployment, deployment.outputs.worker_arn, "dynamodb")
    key = {"job_id": {"S": "0" * 32}}
    every: dict[str, dict[str, Any]] = {
        "get_item": {"Key": key},
        "put_item": {"Item": key},
        "delete_item": {"Key": key},
        "scan": {},
        "query": {
            "KeyConditionExpression": "job_id = :id",
            "ExpressionAttributeValues": {":id": key["job_id"]},
        },
    }
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(tables, operation)(
            TableName=f"{deployment.outputs.table_prefix}executions", **every[operation]
        )


def test_the_worker_moves_nothing_without_the_owners_token(deployment: Deployment) -> None:
    """UpdateItem is all that it may; who doesn't know the token is refused by the condition."""
    tables = assumed(deployment, deployment.outputs.worker_arn, "dynamodb")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        tables.update_item(
            TableName=f"{deployment.outputs.table_prefix}executions",
            Key={"job_id": {"S": "0" * 32}},
            UpdateExpression="SET cause = :cause",
            ConditionExpression="attribute_exists(job_id)",
            ExpressionAttributeValues={":cause": {"S": "x"}},
        )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("calls", [120, pytest.param(2_000, marks=pytest.mark.nightly)])
def test_the_promises_hold_for_many_calls(
    deployment: Deployment, api: Api, effects: Path, calls: int
) -> None:
    """A fifth of them fails at first: every job succeeds, keyed calls have one effect at most."""
    wrongs = {0: "raise", 5: "late"}

    def call(number: int) -> tuple[int, str]:
        body = {"path": str(effects), "call": str(number), "wrong": wrongs.get(number % 10, "")}
        if number % 3:
            response = api.post("/core/e2e/effect_later", body, KEY)
            assert response.status == 202, response.text
            return response.status, response.json()["job_id"]
        return api.post("/core/e2e/effect_once", body, keyed(f"{effects}-{number}")).status, ""

    with ThreadPoolExecutor(6) as pool:
        responses = list(pool.map(call, range(calls)))
    jobs = {number: job_id for number, (_, job_id) in enumerate(responses) if job_id}
    states = settled(deployment, jobs)
    assert set(states.values()) == {"succeeded"}
    counted = happened(effects)
    for number, (status, job_id) in enumerate(responses):
        wrong = wrongs.get(number % 10)
        if job_id:
            assert counted[str(number)] == (2 if wrong == "late" else 1), number
        elif number < COLD_CALLS and status in TIMED_OUT:
            assert counted[str(number)] <= 1, number
        else:
            assert status == (500 if wrong else 200), number
            assert counted[str(number)] == (0 if wrong == "raise" else 1), number
    assert len(states) + sum(not job_id for _, job_id in responses) == calls


def settled(deployment: Deployment, jobs: Mapping[int, str]) -> Mapping[str, str]:
    """Sweep until every job has its end; give their states."""
    table = f"{deployment.outputs.table_prefix}executions"
    rows = deployment.engine.client("dynamodb")
    deadline = time.monotonic() + 300
    while True:
        pages = rows.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        states = {item["job_id"]["S"]: item["state"]["S"] for page in pages for item in page["Items"]}
        found = {job_id: states[job_id] for job_id in jobs.values()}
        if not {"accepted", "running"} & set(found.values()):
            return found
        assert time.monotonic() < deadline, Counter(found.values())
        deployment.sweep()
        time.sleep(2)
