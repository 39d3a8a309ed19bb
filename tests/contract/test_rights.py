"""The rights that a release tries, with IAM enforced by the engine."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from silvaengine.settings import CacheSettings, Settings
from silvaengine_cli.deploy import zip_files
from silvaengine_cli.engine import REGION, LocalEngine
from silvaengine_worker.describe import open_describer
from silvaengine_worker.loader import Loader
from silvaengine_worker.release import Release

from .conftest import PREFIX, made_tables, pointed_at

BUCKET, TASKS, ACCOUNT = "rights-payloads", "rights-tasks", "000000000000"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{PREFIX}"
STATEMENTS = {
    "ledger": ("dynamodb:UpdateItem", f"{TABLE}executions"),
    "results": ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/results/shop-*"),
    "tasks": ("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{TASKS}"),
    "broadcaster": ("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{TASKS}"),
    "pushes": ("execute-api:ManageConnections", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:*"),
    "connections": ("dynamodb:DeleteItem", f"{TABLE}wss-connections"),
    "cache": ("dynamodb:GetItem", f"{TABLE}configdata"),
}

type Try = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def settings(engine: LocalEngine) -> Settings:
    """What a release needs, made once, and a user without rights."""
    iam, buckets, functions = (engine.client(name) for name in ("iam", "s3", "lambda"))
    buckets.create_bucket(Bucket=BUCKET)
    role = iam.create_role(RoleName=TASKS, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = {"ZipFile": zip_files({"tasks.py": b"def handler(event, context): raise SystemExit"})}
    functions.create_function(
        FunctionName=TASKS, Runtime="python3.13", Handler="tasks.handler", Role=role, Code=code
    )
    api = engine.client("apigatewayv2").create_api(
        Name="rights", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    iam.create_user(UserName="shop")
    return Settings(
        region=REGION,
        payload_bucket=BUCKET,
        tasks_function=TASKS,
        broadcaster=TASKS,
        websocket_management_url=f"{engine.url}/_aws/execute-api/{api['ApiId']}/beta",
        cache=CacheSettings(fence_seconds=5.0),
    )


@pytest.fixture
def try_rights(
    engine: LocalEngine, settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Try]:
    """Return what a release finds whose credentials have the named rights alone."""
    iam = engine.client("iam")
    url = pointed_at("engine", request, monkeypatch)
    key = iam.create_access_key(UserName="shop")["AccessKey"]

    def run(*names: str) -> dict[str, str]:
        statements = [dict(zip(("Action", "Resource"), STATEMENTS[name], strict=True)) for name in names]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
        iam.put_user_policy(UserName="shop", PolicyName="worker", PolicyDocument=json.dumps(policy))
        described: Any = open_describer(settings, Loader([]), Release("shop", "d" * 64)).describe([])
        rights: dict[str, str] = described["rights"]
        return rights

    with made_tables(url):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        yield run
    iam.delete_access_key(UserName="shop", AccessKeyId=key["AccessKeyId"])


def test_a_release_with_a_workers_rights_finds_them_all(try_rights: Try, engine: LocalEngine) -> None:
    """It changes nothing but one empty object, which a second time replaces."""
    assert try_rights(*STATEMENTS) == dict.fromkeys(STATEMENTS, "ok")
    assert try_rights(*STATEMENTS) == dict.fromkeys(STATEMENTS, "ok")
    dynamodb, buckets = engine.client("dynamodb"), engine.client("s3")
    for table in ("executions", "wss-connections", "configdata"):
        assert dynamodb.scan(TableName=PREFIX + table)["Count"] == 0
    (entry,) = buckets.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert (entry["Key"], entry["Size"]) == ("results/shop-describe/describe", 0)


@pytest.mark.parametrize("missing", STATEMENTS)
def test_a_right_that_is_missing_is_named(try_rights: Try, missing: str) -> None:
    """With AWS's code; whoever publishes waits for it, or knows what to look at."""
    action = STATEMENTS[missing][0]
    rights = try_rights(*(name for name, (other, _) in STATEMENTS.items() if other != action))
    denied = {name for name, said in rights.items() if said != "ok"}
    assert denied == {name for name, (other, _) in STATEMENTS.items() if other == action}
    assert "AccessDenied" in rights[missing]
