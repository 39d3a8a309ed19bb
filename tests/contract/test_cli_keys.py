"""``silvaengine keys`` on the tables of a stack: what is refused, and how long a new secret lives."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.tables import CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.target import Deployment

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
STACK = "keys-stack"
DAY = 86_400

type Run = Callable[..., Result]


@pytest.fixture
def tables(dynamodb: Any) -> RegistryTables:
    """A function, an endpoint with connections of its own and one without."""
    tables = RegistryTables(dynamodb)
    tables.create(FUNCTIONS, {"aws_lambda_arn": WORKER, "function": "hello", "area": "core", "config": {}})
    tables.create(ENDPOINTS, {"endpoint_id": "acme", "special_connection": True})
    tables.create(ENDPOINTS, {"endpoint_id": "shop", "special_connection": False})
    return tables


@pytest.fixture
def run(tables: RegistryTables) -> Iterator[Run]:
    """Run `keys` on a stack whose outputs name the tables, the worker and a pepper."""
    target = Deployment(region=REGION)
    cloudformation, secrets = target.client("cloudformation"), target.client("secretsmanager")
    secrets.create_secret(Name="keys-pepper", SecretString="pepper")
    outputs = {"TablePrefix": "se-", "WorkerArn": WORKER, "KeyPepper": "keys-pepper"}
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(template))
    yield lambda *arguments: CliRunner().invoke(
        cli, ["keys", *arguments, "--stack", STACK, "--region", REGION]
    )
    cloudformation.delete_stack(StackName=STACK)
    secrets.delete_secret(SecretId="keys-pepper", ForceDeleteWithoutRecovery=True)


def made(run: Run, *arguments: str) -> dict[str, Any]:
    """Make or rotate a key of acme's."""
    done = run(*arguments, "--endpoint", "acme", "--json")
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def lifetime(tables: RegistryTables, key_id: str) -> int | None:
    """Return the seconds that a key's latest secret lives."""
    latest = tables.read(CONNECTIONS, [("acme", key_id)])["acme", key_id]["key_hashes"][-1]
    return int(latest["expires_at"] - latest["created_at"]) if "expires_at" in latest else None


@pytest.mark.parametrize(
    ("ends", "rotates", "seconds"),
    [
        (["--expires", "90"], [], 90 * DAY),
        (["--expires", "90"], ["--expires", "7"], 7 * DAY),
        ([], [], None),
        ([], ["--expires", "7"], 7 * DAY),
    ],
)
def test_a_new_secret_lives_as_long_as_the_one_before(
    ends: list[str], rotates: list[str], seconds: int | None, run: Run, tables: RegistryTables
) -> None:
    """Unless it is told how long, again and again; and the answer says when it ends."""
    key_id = made(run, "create", "--function", "hello", *ends)["key_id"]
    for _ in range(2):
        answer = made(run, "rotate", key_id, *rotates)
        assert lifetime(tables, key_id) == seconds
        latest = tables.read(CONNECTIONS, [("acme", key_id)])["acme", key_id]["key_hashes"][-1]
        assert answer["expires_at"] == latest.get("expires_at")


def test_people_are_told_when_a_secret_ends(run: Run) -> None:
    """Beside the key, which alone is the output."""
    options = ("--endpoint", "acme", "--function", "hello")
    done = run("create", *options, "--expires", "90")
    assert done.stdout.startswith("sek_")
    assert "It ends at 20" in done.output
    assert "It never ends" in run("create", *options).output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--endpoint", "acme", "--from", "203.0.113.0/24", "--from", "10.0.0.0/33"], "'10.0.0.0/33'"),
        (["--only", "shop", "--only", "shopp"], "no endpoint 'shopp'"),
        (["--only", "acme"], "endpoint 'acme' has connections of its own: no common key opens it"),
        (["--endpoint", "acme", "--only", "shop"], "--only is for keys of the common connection"),
    ],
)
def test_a_key_that_could_never_be_used_is_not_made(
    options: list[str], complaint: str, run: Run, tables: RegistryTables
) -> None:
    """A mistyped address or endpoint is refused by its name."""
    refused = run("create", "--function", "hello", *options)
    assert refused.exit_code != 0
    assert complaint in refused.output
    assert list(tables.scan(CONNECTIONS)) == []


def test_the_root_endpoint_needs_no_row(run: Run, tables: RegistryTables) -> None:
    """The gateway serves it by the common connection."""
    done = run("create", "--function", "hello", "--only", "0", "--only", "shop", "--from", "10.0.0.1")
    assert done.exit_code == 0, done.output
    (row,) = tables.scan(CONNECTIONS)
    assert (row["endpoints"], row["whitelist"]) == (["0", "shop"], ["10.0.0.1"])
