"""``silvaengine keys`` on the tables of a stack: what is refused, and the lifetime of a new secret."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.tables import RegistryTables

from .stacks import create_stack

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:keys-Worker"
PACKAGE = "arn:aws:lambda:us-east-1:123456789012:function:keys-pkg-shop"
STACK = "keys-stack"
DAY = 86_400

type Run = Callable[..., Result]


@pytest.fixture
def tables(dynamodb: Any) -> RegistryTables:
    """A function, an endpoint with key rows of its own and one without."""
    tables = RegistryTables(dynamodb)
    tables.create(FUNCTIONS, {"aws_lambda_arn": WORKER, "function": "hello", "area": "core", "config": {}})
    tables.create(ENDPOINTS, {"endpoint_id": "acme", "special_connection": True})
    tables.create(ENDPOINTS, {"endpoint_id": "shop", "special_connection": False})
    return tables


@pytest.fixture
def run(tables: RegistryTables) -> Iterator[Run]:
    """Run `keys` on a stack whose outputs name the tables, the worker and a pepper."""
    deployment = Deployment(region=REGION)
    cloudformation = deployment.client("cloudformation")
    secrets = deployment.client("secretsmanager")
    secrets.create_secret(Name="keys-pepper", SecretString="pepper")
    outputs = {"TablePrefix": "se-", "WorkerArn": WORKER, "KeyPepper": "keys-pepper"}
    create_stack(cloudformation, STACK, outputs)
    yield lambda *arguments: CliRunner().invoke(
        cli, ["keys", *arguments, "--stack", STACK, "--region", REGION]
    )
    cloudformation.delete_stack(StackName=STACK)
    secrets.delete_secret(SecretId="keys-pepper", ForceDeleteWithoutRecovery=True)


def test_the_doctor_names_settings_of_two_endpoints(run: Run, tables: RegistryTables) -> None:
    """What one endpoint's path reads in the tables is another's; its values aren't shown."""
    entry = {"aws_lambda_arn": WORKER, "function": "sell"}
    tables.create(FUNCTIONS, {**entry, "area": "core_my"})
    tables.create(ENDPOINTS, {"endpoint_id": "my_acme", "special_connection": False})
    tables.create(CONNECTIONS, {"endpoint_id": "acme", "api_key": "k", "functions": [entry]})
    hello = {"aws_lambda_arn": WORKER, "function": "hello"}
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "#####", "functions": [hello]})
    tables.create(CONFIG_DATA, {"setting_id": "beta_core_my_acme", "variable": "cors", "value": "secret"})
    arguments = ["doctor", "--keys", "--stack", STACK, "--region", REGION]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert done.stdout.startswith("settings beta_core_my_acme: are those of /core/my_acme and /core_my/acme")
    assert "secret" not in done.output


def stored_response(run: Run, *arguments: str) -> dict[str, Any]:
    """Run a command for a key of acme; return its JSON."""
    done = run(*arguments, "--endpoint", "acme", "--json")
    assert done.exit_code == 0, done.output
    response: dict[str, Any] = json.loads(done.stdout)
    return response


def lifetime(tables: RegistryTables, key_id: str) -> int | None:
    """Return the lifetime of a key's latest secret in seconds, None for no end."""
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
def test_a_new_secret_has_the_lifetime_of_the_one_before(
    ends: list[str], rotates: list[str], seconds: int | None, run: Run, tables: RegistryTables
) -> None:
    """This holds for each rotation without --expires, and the response has the end."""
    key_id = stored_response(run, "create", "--function", "hello", *ends)["key_id"]
    for _ in range(2):
        response = stored_response(run, "rotate", key_id, *rotates)
        assert lifetime(tables, key_id) == seconds
        latest = tables.read(CONNECTIONS, [("acme", key_id)])["acme", key_id]["key_hashes"][-1]
        assert response["expires_at"] == latest.get("expires_at")


def test_the_end_of_a_secret_is_printed(run: Run) -> None:
    """It goes to stderr: stdout holds only the key."""
    options = ("--endpoint", "acme", "--function", "hello")
    done = run("create", *options, "--expires", "90")
    assert done.stdout.startswith("sek_")
    assert "It ends at 20" in done.output
    assert "It never ends" in run("create", *options).output


def test_a_key_opens_packages(run: Run, tables: RegistryTables) -> None:
    """Named, or those of the key that it is like; one that isn't published is refused."""
    assert "there is no package 'shp'" in run("create", "--package", "shp", "--endpoint", "acme").output
    packages = [{"package": "shop", "setting": "acme"}]
    tables.create(CONNECTIONS, {"endpoint_id": "acme", "api_key": "first-key", "packages": packages})
    key_id = stored_response(run, "create", "--like", "first-key")["key_id"]
    assert (tables.get(CONNECTIONS, "acme", key_id) or {})["packages"] == packages
    listed = {facts["key"]: facts["packages"] for facts in json.loads(run("list", "--json").stdout)}
    assert listed[key_id] == ["shop"]


def test_the_doctor_knows_the_areas_of_packages(run: Run, tables: RegistryTables) -> None:
    """An endpoint has the settings of those areas, too."""
    stock = {"aws_lambda_arn": PACKAGE, "function": "stock", "package": "shop", "release": 1}
    tables.create(FUNCTIONS, {**stock, "area": "core_my"})
    tables.create(ENDPOINTS, {"endpoint_id": "my_acme", "special_connection": False})
    tables.create(CONNECTIONS, {"endpoint_id": "acme", "api_key": "k", "packages": [{"package": "shop"}]})
    hello = {"aws_lambda_arn": WORKER, "function": "hello"}
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "#####", "functions": [hello]})
    tables.create(CONFIG_DATA, {"setting_id": "beta_core_my_acme", "variable": "cors", "value": "secret"})
    done = CliRunner().invoke(cli, ["doctor", "--keys", "--stack", STACK, "--region", REGION])
    assert done.stdout.startswith("settings beta_core_my_acme: are those of /core/my_acme and /core_my/acme")


def test_beginning_of_an_id_names_a_key(run: Run) -> None:
    """As `keys list` shows it; where several keys begin so, none is changed."""
    key_id = stored_response(run, "create", "--function", "hello")["key_id"]
    assert stored_response(run, "rotate", f"{key_id[:8]}…")["key_id"] == key_id
    stored_response(run, "create", "--function", "hello")
    for refused in (run("revoke", "sek_", "--endpoint", "acme"), run("revoke", "…", "--endpoint", "acme")):
        assert refused.exit_code == 1
    assert stored_response(run, "revoke", key_id[:12]) == {"key_id": key_id, "revoked": True}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--endpoint", "acme", "--from", "203.0.113.0/24", "--from", "10.0.0.0/33"], "'10.0.0.0/33'"),
        (["--only", "shop", "--only", "shopp"], "no endpoint 'shopp'"),
        (["--only", "acme"], "endpoint 'acme' has key rows of its own: no common key opens it"),
        (["--endpoint", "acme", "--only", "shop"], "--only is for keys of the common key row"),
    ],
)
def test_a_key_that_could_never_be_used_is_not_created(
    options: list[str], complaint: str, run: Run, tables: RegistryTables
) -> None:
    """A mistyped address or endpoint is refused, and the error quotes it."""
    refused = run("create", "--function", "hello", *options)
    assert refused.exit_code != 0
    assert complaint in refused.output
    assert list(tables.scan(CONNECTIONS)) == []


def test_the_root_endpoint_needs_no_row(run: Run, tables: RegistryTables) -> None:
    """The gateway serves it by the common key row."""
    done = run("create", "--function", "hello", "--only", "0", "--only", "shop", "--from", "10.0.0.1")
    assert done.exit_code == 0, done.output
    (row,) = tables.scan(CONNECTIONS)
    assert (row["endpoints"], row["whitelist"]) == (["0", "shop"], ["10.0.0.1"])
