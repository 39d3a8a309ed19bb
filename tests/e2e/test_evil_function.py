"""T2: what a tenant's function gets that looks for what isn't its own; docs/security.md says it in words."""

from collections.abc import Mapping

import pytest

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY, ENDPOINT

KEY = {"x-api-key": API_KEY}
FUNCTIONS = ("environment", "leave_text", "find", "reach")
OTHER = "e2e-victim"

# What the shared role lets a function do, as docs/security.md says.
ALLOWED = {
    "take a job without its token": "ConditionalCheckFailedException",  # it isn't refused, and moves nothing
    "read a job by failing to change it": "told",  # who knows a job's random id
    "invoke tasks": "done",  # functions call one another through it
}
# What the policy's conditions deny, which the engine doesn't look at: tests/rules reads them.
BY_CONDITION = {"read a job by changing it", "change what a job is about"}


@pytest.fixture(scope="module")
def evil(deployment: Deployment) -> None:
    """Let two tenants call the evil functions, one of them with a setting of its own."""
    arn = deployment.outputs.worker_arn
    deployment.rows.put("configdata", setting_id="e2e-victim", variable="greeting", value="the victim's own")
    for name in FUNCTIONS:
        config = {"module_name": "evil_functions", "methods": ["POST"]}
        deployment.rows.put("functions", aws_lambda_arn=arn, function=name, area="core", config=config)
    for tenant, setting in ((f"{ENDPOINT}-evil", ""), (OTHER, "e2e-victim")):
        entries = [{"aws_lambda_arn": arn, "function": name, "setting": setting} for name in FUNCTIONS]
        deployment.rows.put("endpoints", endpoint_id=tenant, special_connection=True)
        deployment.rows.put("connections", endpoint_id=tenant, api_key=API_KEY, functions=entries)


def call(api: Api, tenant: str, name: str, body: object = None) -> Mapping[str, str]:
    """Call one of its functions."""
    response = api.post(f"/core/{tenant}/{name}", body or {}, KEY)
    assert response.status == 200, response.text
    found: Mapping[str, str] = response.json()
    return found


@pytest.mark.usefixtures("evil")
def test_t2_the_environment_holds_no_secret_but_the_roles_credentials(api: Api) -> None:
    """Where the ledger's key, the dead-letter queue and the gateways' Redis user are, no function reads."""
    names = set(call(api, "e2e-evil", "environment"))
    assert not names & {"LEDGER_SECRET", "DEAD_LETTER_QUEUE_URL", "REDIS_WORKER_USERNAME"}
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= names


@pytest.mark.usefixtures("evil")
def test_t2_one_tenant_finds_of_another_what_shared_memory_holds_and_no_more(api: Api) -> None:
    """In one process files and module attributes stay; the environment, settings and the context don't.

    Settings of another tenant lie in the memory of the process, for code that searches it: hostile tenants
    need a worker of their own.
    """
    call(api, OTHER, "leave_text", {"text": "left by the victim"})
    found = call(api, "e2e-evil", "find", {"text": "left by the victim"})
    assert not [where for where in ("environment", "settings", "context") if found[where]]
    own = call(api, "e2e-evil", "find", {"text": "the victim's own"})
    assert not [where for where in ("environment", "settings", "context", "file", "module") if own[where]]


@pytest.mark.usefixtures("evil")
def test_t2_the_shared_role_reaches_nothing_of_another_tenant(api: Api, deployment: Deployment) -> None:
    """Registry, ledger, secrets, contents, Lambdas and roles are denied; what isn't, is listed here."""
    job = api.post("/core/e2e/effect?path=/dev/null&call=x", {}, {**KEY, "prefer": "respond-async"}).json()
    functions = deployment.engine.client("lambda")
    gateway = functions.get_function_configuration(FunctionName=deployment.outputs.http_gateway_arn)
    variables = gateway["Environment"]["Variables"]
    body = {
        "prefix": deployment.outputs.table_prefix,
        "job": job["job_id"],
        "bucket": variables["PAYLOAD_BUCKET"],
        "lambdas": {
            "gateway": deployment.outputs.http_gateway_arn,
            "worker": deployment.outputs.worker_arn,
            "tasks": deployment.outputs.tasks_arn,
            "role": gateway["Role"],
            "secret": variables["LEDGER_SECRET"],
        },
    }
    outcomes = call(api, "e2e-evil", "reach", body)
    assert len(outcomes) == 23
    allowed = {name: outcome for name, outcome in outcomes.items() if outcome != "denied"}
    assert {name: outcome for name, outcome in allowed.items() if name not in BY_CONDITION} == ALLOWED
