"""What `silvaengine doctor` finds when a part of a deployment is broken, on a made-up stack in moto."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, override

import pytest
from click.testing import CliRunner
from moto.core.models import DEFAULT_ACCOUNT_ID

from silvaengine.tables import CONFIG_DATA, ENDPOINTS, FUNCTIONS, TABLES
from silvaengine_cli import doctor
from silvaengine_cli.commands import doctor as command
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.doctor import functions
from silvaengine_cli.doctor.functions import check_functions
from silvaengine_cli.doctor.reach import check_clock, check_names, check_redis, check_secrets
from silvaengine_cli.doctor.resources import check_queues, check_stack, check_tables
from silvaengine_cli.main import cli
from silvaengine_cli.publishing.releases import PackageReleases

from ..canaries import CANARIES, SETTING, found_in
from .conftest import made_tables, pointed_at
from .stacks import create_stack

STACK = "examined"
WORKER = f"arn:aws:lambda:us-east-1:{DEFAULT_ACCOUNT_ID}:function:{STACK}-Worker"
OTHER = WORKER.replace(STACK, "other")
PARAMETERS = {"Stage": "beta", "OtherWorkerArns": "", "KeyPepperSecret": "pepper", "LedgerKeySecret": ""}
PARAMETERS |= {"RedisPasswordSecret": "", "RedisWorkerPasswordSecret": ""}
OUTPUTS: dict[str, Any] = {"TablePrefix": "se-", "WorkerArn": WORKER, "HttpGatewayArn": "gateway"}
OUTPUTS |= {"DeadLetterQueueUrl": {"Ref": "DeadLetterQueue"}, "RedisHost": "redis.internal"}
OUTPUTS |= {"ApiUrl": "https://api.example.com/beta", "WebsocketUrl": "wss://sockets.example.com/beta"}


class Examined(Deployment):
    """A deployment whose Lambdas answer as a test says."""

    answers: dict[str, Any]
    asked: list[tuple[str, Any]]
    isolated: tuple[str, ...] = ()

    @override
    def invoke(
        self, function: str, payload: str, *, wait: bool = True, tenant: str | None = None
    ) -> tuple[bool, Any]:
        self.asked.append((function, json.loads(payload)))
        if (tenant is None) == (function in self.isolated):
            return False, "a tenant where there is isolation"
        return True, self.answers[function]


@pytest.fixture
def deployment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examined]:
    """A stack in which all is well."""
    found = Examined(stack=STACK, endpoint_url=pointed_at("moto", request, monkeypatch))
    found.asked, found.answers = [], {"gateway": {"redis_available": True}, WORKER: {"functions": {}}}
    stacks, secrets = found.client("cloudformation"), found.client("secretsmanager")
    with made_tables(str(found.endpoint_url)):
        secrets.create_secret(Name="pepper", SecretString=CANARIES["keyword"])
        create_stack(stacks, STACK, OUTPUTS, PARAMETERS, {"DeadLetterQueue": {"Type": "AWS::SQS::Queue"}})
        yield found
        stacks.delete_stack(StackName=STACK)
        secrets.delete_secret(SecretId="pepper", ForceDeleteWithoutRecovery=True)


def put_function(deployment: Deployment, arn: str = WORKER, name: str = "hello") -> None:
    """Write a function's row."""
    config = {"module_name": "shop", "class_name": "", "function_name": name}
    deployment.tables().create(FUNCTIONS, {"aws_lambda_arn": arn, "function": name, "config": config})


def test_a_deployment_in_which_all_is_well_has_no_findings(deployment: Examined) -> None:
    """Each check is carried out, but for those of hosts, which aren't there, and of quotas."""
    put_function(deployment)
    checks = {name: check for name, check in doctor.CHECKS.items() if name not in ("names", "quotas")}
    assert {name: list(check(deployment)) for name, check in checks.items()} == {name: [] for name in checks}
    assert (WORKER, {"describe": [["shop", "", "hello", False]]}) in deployment.asked


def test_a_stack_whose_update_failed(deployment: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is named."""
    monkeypatch.setattr(Deployment, "stack_status", "UPDATE_ROLLBACK_COMPLETE")
    (finding,) = check_stack(deployment)
    assert finding.startswith("stack examined is UPDATE_ROLLBACK_COMPLETE: ")
    assert "deploy it again" in finding


def test_tables_that_are_missing_or_others(deployment: Examined) -> None:
    """A table with other keys was made by something else."""
    dynamodb, name = deployment.client("dynamodb"), f"broken-{ENDPOINTS.name}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    broken = Deployment(stack=STACK, endpoint_url=deployment.endpoint_url, table_prefix="broken-")
    found = [finding.partition(":")[0] for finding in check_tables(broken)]
    assert found[0] == "table broken-endpoints has the keys id instead of endpoint_id"
    assert found[1:] == [f"table broken-{table.name} is missing" for table in TABLES[1:]]
    dynamodb.delete_table(TableName=name)


def test_secrets_that_are_not_there(deployment: Examined) -> None:
    """A parameter's and a setting's; no value is read or shown."""
    deployment.client("secretsmanager").delete_secret(SecretId="pepper", ForceDeleteWithoutRecovery=True)
    row = {"setting_id": "shop", "variable": "key", "value": "ssm:/silvaengine/{stage}/stripe"}
    deployment.tables().create(CONFIG_DATA, row)
    deployment.tables().create(CONFIG_DATA, {"setting_id": "shop", "variable": "plain", "value": SETTING})
    found = list(check_secrets(deployment))
    assert found[0].startswith("KeyPepperSecret names 'pepper', which Secrets Manager doesn't have: ")
    assert found[1].startswith("ssm:/silvaengine/beta/stripe isn't there, to which shop/key refers: ")
    assert found_in(str(found)) == []
    deployment.client("secretsmanager").create_secret(Name="pepper", SecretString="again")


def test_functions_that_cannot_be_imported(deployment: Examined) -> None:
    """The worker says why, and the last line of it is shown."""
    put_function(deployment)
    trace = "Traceback:\n  File x\nModuleNotFoundError: No module named 'stripe'"
    deployment.answers[WORKER] = {"functions": {"shop:hello": {"error": trace}}}
    (finding,) = check_functions(deployment)
    assert finding == (
        "shop:hello can't be imported by examined-Worker: ModuleNotFoundError: No module named 'stripe': "
        "mend or deploy its code"
    )


def test_rights_that_a_worker_lacks(deployment: Examined) -> None:
    """AWS's words are shown, which name the action."""
    put_function(deployment)
    deployment.answers[WORKER] = {
        "functions": {},
        "rights": {"ledger": "not authorized: UpdateItem", "x": "ok"},
    }
    (finding,) = check_functions(deployment)
    assert finding.startswith("examined-Worker lacks a right, ledger: not authorized: UpdateItem: deploy")


def test_workers_that_gateways_may_not_invoke(deployment: Examined) -> None:
    """Their rows are named; those of OtherWorkerArns are the operator's own."""
    put_function(deployment, OTHER)
    (finding,) = check_functions(deployment)
    assert finding.startswith(f"hello: gateways may not invoke {OTHER}: name it in OtherWorkerArns")


@pytest.mark.parametrize("isolated", [False, True])
def test_a_release_is_asked_as_the_one_that_it_is(
    deployment: Examined, isolated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses calls for another release; one in isolation mode refuses those without a tenant."""
    arn = WORKER.replace("Worker", "pkg-shop")
    release = {"digest": "d" * 64, "functions": "{}", "isolated": isolated}
    monkeypatch.setattr(functions, "read_pointers", lambda *_: [{"package": "shop"}])
    monkeypatch.setattr(functions, "serving", lambda _: [3])
    monkeypatch.setattr(functions, "callables_of", lambda _: [("shop", "", "hello", False)])
    monkeypatch.setattr(PackageReleases, "release", lambda *_: release)
    deployment.answers[f"{arn}:3"] = {"functions": {}}
    deployment.isolated = (f"{arn}:3",) if isolated else ()
    assert list(check_functions(deployment)) == []
    (asked,) = [question for function, question in deployment.asked if function == f"{arn}:3"]
    assert asked["release"] == "d" * 64


def test_a_deployment_is_examined_where_no_folder_of_functions_is(
    deployment: Examined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an application of one's own whose packages are all published."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "examine_deployment", lambda _: [])
    assert CliRunner().invoke(cli, ["doctor", "--stack", STACK]).exit_code == 0
    assert "Directory" in CliRunner().invoke(cli, ["doctor"]).output


def test_events_and_jobs_that_died(deployment: Examined) -> None:
    """The command that shows them is named."""
    url = deployment.output("DeadLetterQueueUrl")
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="dead")
    assert list(check_queues(deployment)) == [
        "1 dead jobs: `silvaengine dlq list` says why, `dlq redrive` retries them"
    ]


def test_a_redis_that_is_not_reached(deployment: Examined) -> None:
    """The gateway is asked, since it alone is in the network."""
    deployment.answers["gateway"] = {"redis_available": False}
    (finding,) = check_redis(deployment)
    assert finding.startswith("Redis at redis.internal isn't reached by the gateway")
    assert deployment.asked == [("gateway", {"silvaengine": {"operation": "cache_stats"}})]


@pytest.mark.parametrize(("seconds", "way"), [(-120, "slow"), (90, "fast")])
def test_a_clock_that_is_off(deployment: Examined, seconds: int, way: str) -> None:
    """AWS's own time is that of its response."""
    (finding,) = check_clock(deployment, lambda: time.time() + seconds)
    assert f"s {way}: set it by NTP" in finding


def test_names_without_an_address(deployment: Examined) -> None:
    """Each host is named, with the output that has it."""

    def resolve(host: str | None, _port: None) -> None:
        if host != "api.example.com":
            raise OSError(-2, "Name or service not known")

    (finding,) = check_names(deployment, resolve)
    assert finding.startswith("host sockets.example.com of WebsocketUrl has no address: Name or service not")


def test_a_check_that_fails_hinders_no_other(deployment: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to look, that is the finding."""
    deployment.answers[WORKER] = {"errorMessage": "crashed"}
    put_function(deployment)
    checks = {name: doctor.CHECKS[name] for name in ("functions", "tables")}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    (found,) = doctor.examine(deployment)
    assert found.startswith(f"functions: not checked: {WORKER} doesn't say what it can import")


@pytest.mark.parametrize(
    ("check", "code", "said"),
    [(lambda _: iter(["a is b: do c"]), 1, "a is b: do c\n"), (lambda _: iter([]), 0, "all is well: one\n")],
    ids=["found", "well"],
)
def test_the_exit_code_says_whether_something_was_found(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    check: Callable[..., Iterator[str]],
    code: int,
    said: str,
) -> None:
    """A deployment that is named is examined; without one, packages are."""
    for module in (doctor, command):
        monkeypatch.setattr(module, "CHECKS", {"one": check})
    done = CliRunner().invoke(cli, ["doctor", "--stack", STACK])
    assert (done.exit_code, done.stdout) == (code, said)
    (tmp_path / "shop.py").touch()
    done = CliRunner().invoke(cli, ["doctor", "--packages", str(tmp_path), "--stack", STACK])
    assert done.stdout == f"{tmp_path}: all is well: nothing would fail when deployed\n"
