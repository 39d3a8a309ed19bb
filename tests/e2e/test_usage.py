"""What a tenant used and cost, from its calls by the roll-up to the command."""

import csv
import io
import json
import time
from typing import Any

from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.main import cli

from .conftest import Deployment
from .registry_rows import API_KEY, BILLED_ENDPOINT

KEY = {"x-api-key": API_KEY}


def run(deployment: Deployment, *arguments: str) -> str:
    """Run a command on the stack; return what it prints."""
    where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url, "--region", "us-east-1"]
    done = CliRunner().invoke(cli, [*arguments, *where])
    assert done.exit_code == 0, done.output + deployment.written()[-6000:]
    return done.stdout


def test_usage_is_what_was_called(deployment: Deployment) -> None:
    """Calls, one that fails, a job, their tokens and bytes, by a role that may read logs and no more.

    A request with a wrong key is nobody's: it makes no row of the tenant that its path names.
    """
    deployment.rows.put_billed(deployment.outputs.worker_arn)
    api, path = deployment.api, f"/core/{BILLED_ENDPOINT}"
    assert [api.get(f"{path}/metered?tokens={number}", KEY).status for number in (500, 12)] == [200, 200]
    failed = api.post(f"{path}/metered", {"tokens": 7, "fails": True}, KEY)
    assert failed.status == 402
    job = api.get(f"{path}/metered_later?tokens=100", KEY).json()["job_id"]
    deadline = time.monotonic() + 20
    while (status := api.get(f"{path}/job_status?job_id={job}", KEY)).json()["status"] != "succeeded":
        assert time.monotonic() < deadline, status.text
        time.sleep(0.2)
    assert api.get(f"{path}/metered?tokens=1", {"x-api-key": "wrong"}).status == 404

    by_function = ("usage", BILLED_ENDPOINT, "--by", "function", "--refresh", "--json")
    while True:  # the engine has a line some time after its request was answered
        usage = {each["function"]: each for each in json.loads(run(deployment, *by_function))["usage"]}
        if "metered_later" in usage and usage["metered"]["calls"] == 3:
            break
        assert time.monotonic() < deadline, usage
    assert facts(usage["metered"]) == {"requests": 3, "calls": 3, "errors": 1, "jobs": 0, "tokens": 519}
    assert facts(usage["metered_later"]) == {"requests": 1, "calls": 1, "errors": 0, "jobs": 1, "tokens": 100}
    assert usage["metered"]["bytes_in"] == len(json.dumps({"tokens": 7, "fails": True}))
    assert usage["metered"]["bytes_out"] == len("done") * 2 + len(failed.text)
    assert usage["metered"]["gb_seconds"] == round(usage["metered"]["worker_ms"] / 2000, 6)  # 512 MB

    (row,) = csv.DictReader(io.StringIO(run(deployment, "usage", BILLED_ENDPOINT, "--csv")))
    assert (row["endpoint_id"], row["calls"], row["meter_tokens"]) == (BILLED_ENDPOINT, "4", "619")
    bill = json.loads(run(deployment, "cost", BILLED_ENDPOINT, "--json"))
    assert bill["total_usd"] > 4 * 3.5e-6
    assert set(tenants(deployment)) >= {BILLED_ENDPOINT, "-"}


def facts(usage: dict[str, Any]) -> dict[str, Any]:
    """Pick out what was counted."""
    counts = {name: usage[name] for name in ("requests", "calls", "errors", "jobs")}
    return counts | {"tokens": usage["meters"]["tokens"]}


def tenants(deployment: Deployment) -> list[str]:
    """Name everybody who used something."""
    return [each["endpoint_id"] for each in json.loads(run(deployment, "usage", "--json"))["usage"]]
