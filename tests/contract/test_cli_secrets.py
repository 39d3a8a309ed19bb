"""``silvaengine secrets`` on the stores and tables of a stack: no value is shown, whatever happens."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from silvaengine.tables import CONFIG_DATA, GENERATION_KEY
from silvaengine_cli.deployment import DEV_FILE, Deployment
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.lookup import open_registry
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.secrets import LOCAL_FILE, STORES, LocalSecrets

from .conftest import pointed_at

STACK = "secrets-stack"
VALUE = 'p"a\\ss\x7f wörd\n\U0001f511'
REFERENCES = {
    "ssm": "ssm:/silvaengine/beta/acme/stripe",
    "secretsmanager": "secretsmanager:silvaengine/beta/acme/stripe",
}

type Run = Callable[..., Result]


@pytest.fixture
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Only moto; tests/e2e/test_secrets.py has the engine."""
    return pointed_at("moto", request, monkeypatch)


@pytest.fixture
def deployment(aws: str, tables: RegistryTables) -> Iterator[Deployment]:
    """A stack whose outputs name the tables, without secrets."""
    deployment = Deployment(stack=STACK, region=REGION, endpoint_url=aws)
    cloudformation = deployment.client("cloudformation")
    template = {
        "Parameters": {"Stage": {"Type": "String", "Default": "beta"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"TablePrefix": {"Value": "se-"}, "WorkerArn": {"Value": "worker"}},
    }
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(template))
    yield deployment
    for kind in STORES.values():
        store = kind(deployment)
        for secret in [*store.below(f"{store.prefix}beta/")]:
            if store.scheme == "ssm":
                store.delete(secret.reference.partition(":")[2])
            else:
                deployment.client("secretsmanager").delete_secret(
                    SecretId=secret.reference.partition(":")[2], ForceDeleteWithoutRecovery=True
                )
    cloudformation.delete_stack(StackName=STACK)


@pytest.fixture
def run(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `secrets` on the stack; no output of a test has the value."""
    monkeypatch.chdir(tmp_path)
    said = []

    def run(*arguments: str, value: str = VALUE) -> Result:
        where = ["--stack", STACK, "--endpoint-url", str(deployment.endpoint_url)]
        said.append(CliRunner().invoke(cli, ["secrets", *arguments, *where], input=value))
        return said[-1]

    yield run
    assert VALUE not in "".join(each.output + repr(each.exception) for each in said)


def setting(tables: RegistryTables, reference: str) -> None:
    """Let a setting refer to a secret, in a member of it."""
    value = {"key": [reference]}
    tables.create(CONFIG_DATA, {"setting_id": "shop", "variable": "payment", "value": value})


def value_of(deployment: Deployment) -> object:
    """Return what a function gets for the setting."""
    return open_registry(deployment, secrets=True).settings("shop")["payment"]["key"][0]


def generation(deployment: Deployment) -> Any:
    """Return the registry's generation."""
    return (deployment.tables().get(CONFIG_DATA, *GENERATION_KEY.values()) or {"value": 0})["value"]


@pytest.mark.parametrize("scheme", STORES)
def test_a_secret_from_its_beginning_to_its_end(
    scheme: str, run: Run, deployment: Deployment, tables: RegistryTables
) -> None:
    """Set, referred to, rotated by an announcement, kept while a setting uses it, deleted."""
    options = ("stripe", "--endpoint", "acme", *(["--secrets-manager"] if scheme != "ssm" else []))
    reference, before = REFERENCES[scheme], generation(deployment)
    portable = reference.replace("beta", "{stage}")
    assert run("set", *options).output == f"set; a setting refers to it by\n{portable}\n"
    setting(tables, portable)
    assert (value_of(deployment), generation(deployment)) == (VALUE, before + 1)
    assert f"{reference} exists" in run("set", *options).output
    assert run("rotate", *options, value="other").output == f"rotated {reference}, which shop/payment use\n"
    assert (value_of(deployment), generation(deployment)) == ("other", before + 2)
    (listed,) = json.loads(run("list", "--endpoint", "acme", "--json").stdout)
    assert (listed["reference"], listed["used_by"]) == (reference, ["shop/payment"])
    assert listed["changed_at"] > 1_700_000_000
    assert listed["version"] == (2 if scheme == "ssm" else None)
    assert json.loads(run("list", "--endpoint", "farm", "--json").stdout) == []
    assert f"shop/payment use {reference}" in run("delete", *options).output
    (row,) = tables.query(CONFIG_DATA, "shop")
    tables.delete(CONFIG_DATA, row)
    assert f"deleted {reference}" in run("delete", *options).output
    assert f"there is no {reference}" in run("rotate", *options).output


def test_a_value_is_made(run: Run, deployment: Deployment, tables: RegistryTables) -> None:
    """Of 32 random bytes, another one at each rotation."""
    setting(tables, "ssm:/silvaengine/beta/signing")
    assert run("set", "signing", "--generate").exit_code == 0
    first = value_of(deployment)
    run("rotate", "signing", "--generate")
    assert len({first, value_of(deployment)}) == 2
    assert len(str(first)) == 43


def test_a_reference_that_leads_nowhere_is_listed(run: Run, tables: RegistryTables) -> None:
    """Of any tenant, or of one."""
    setting(tables, REFERENCES["ssm"])
    for options in ((), ("--endpoint", "acme")):
        assert [*run("list", *options).output.split()[-3:]] == [REFERENCES["ssm"], "missing", "shop/payment"]
    assert "stripe" not in run("list", "--endpoint", "farm").output


@pytest.mark.parametrize(
    ("arguments", "value", "message"),
    [
        (
            ("set", "a b"),
            VALUE,
            "'a b': expected 1 to 200 letters, digits, _ . and -, in parts",
        ),
        (("set", "../other"), VALUE, "'../other': expected"),
        (("set", "x", "--endpoint", "/"), VALUE, "'/': expected"),
        (("set", "x"), "", "the value is empty: expected at least one character"),
        (("set", "x"), "y" * 4097, "has 4097 bytes, at most 4096 are taken: --secrets-manager takes more"),
        (("set", "x", "--secrets-manager"), "y" * 65_537, "has 65537 bytes, at most 65536 are taken"),
        (("delete", "x"), VALUE, "there is no ssm:/silvaengine/beta/x: `silvaengine secrets list` has all"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: tuple[str, ...], value: str, message: str) -> None:
    """With what was expected, and never the value."""
    refused = run(*arguments, value=value)
    assert refused.exit_code != 0
    assert message in refused.output
    assert value not in refused.output or not value


def test_the_engine_gets_them_again(run: Run, deployment: Deployment, tmp_path: Path, aws: str) -> None:
    """What is set beside `dev` is in a file for its owner, from which the next engine is filled."""
    (tmp_path / "silvaengine.toml").touch()
    (tmp_path / DEV_FILE).parent.mkdir()
    (tmp_path / DEV_FILE).write_text(json.dumps({"endpoint_url": aws, "stack": STACK}))
    run("set", "stripe", "--endpoint", "acme")
    run("set", "other")
    run("delete", "other")
    path = tmp_path / LOCAL_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert LocalSecrets(tmp_path).read() == {REFERENCES["ssm"]: VALUE}
    deployment.client("ssm").delete_parameter(Name=REFERENCES["ssm"].removeprefix("ssm:"))
    for _ in range(2):
        LocalSecrets(tmp_path).restore(deployment)
    found = deployment.client("ssm").get_parameter(
        Name=REFERENCES["ssm"].removeprefix("ssm:"), WithDecryption=True
    )
    assert found["Parameter"]["Value"] == VALUE


@pytest.mark.parametrize("text", ['"stripe" = "hunter2"', '"ssm:/a" = 1', '"ssm:/a" = hunter2'])
def test_a_wrong_file_of_local_secrets_is_named(text: str, tmp_path: Path) -> None:
    """Without a value from it."""
    (tmp_path / LOCAL_FILE).parent.mkdir()
    (tmp_path / LOCAL_FILE).write_text(text)
    with pytest.raises(click.ClickException) as raised:
        LocalSecrets(tmp_path).read()
    assert str(tmp_path / LOCAL_FILE) in raised.value.message
    assert "hunter2" not in raised.value.message
