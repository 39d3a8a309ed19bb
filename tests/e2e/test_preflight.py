"""What an account already has of a stack's names, or lacks, is found before a deployment fails on it."""

import json
from pathlib import Path

import pytest
from botocore.exceptions import WaiterError
from click.testing import CliRunner

from silvaengine_cli.engine import LocalEngine, local_engine
from silvaengine_cli.main import cli

from .conftest import double_of
from .test_engine import create_table


def preflight(engine: LocalEngine, *arguments: str) -> str:
    """Return what the command prints for the environment prod in the engine as the account."""
    outcome = CliRunner().invoke(
        cli, ["preflight", "prod", "--account", "--endpoint-url", engine.url, *arguments], terminal_width=200
    )
    assert (outcome.exit_code != 0) == ("Error:" in outcome.output)
    return outcome.output


def test_what_an_earlier_stack_left_is_found(
    engine_program: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """A first deployment learns which names are taken and what to do; one that adopts them, nothing."""
    with local_engine(engine_program, tmp_path / "state", double=double_of(pytestconfig)) as engine:
        secrets = engine.client("secretsmanager")
        secrets.create_secret(Name="silvaengine-prod-key-pepper", SecretString="kept")
        secrets.create_secret(Name="silvaengine-prod-ledger-key", SecretString="kept")
        secrets.delete_secret(SecretId="silvaengine-prod-ledger-key")
        create_table(engine, "se-functions")
        engine.client("s3").create_bucket(Bucket="uploads")
        engine.client("logs").create_log_group(logGroupName="/aws/lambda/silvaengine-prod-Worker")
        found = preflight(engine, "-p", "NewEventBucketName=uploads", "-p", "WorkerReservedConcurrency=950")
        for line in (
            "AccessLogs: API Gateway has no CloudWatch role",
            "KeyPepper: there is a secret silvaengine-prod-key-pepper: deploy with KeyPepperSecret=",
            "LedgerSecret: the secret silvaengine-prod-ledger-key is to be deleted; `aws secretsmanager",
            "FunctionsTable: there is a table se-functions: deploy with CreateTables=false",
            "EventBucket: there is a bucket uploads: deploy with EventBucketName=uploads",
            "WorkerLogs: there is a log group /aws/lambda/silvaengine-prod-Worker: delete it",
            "executions, 950 can't be reserved: 100 must stay free",
        ):
            assert line in found
        adopted = ("CreateTables=false", "AccessLogs=false", "KeyPepperSecret=silvaengine-prod-key-pepper")
        options = [part for pair in (*adopted, "LedgerKeySecret=x") for part in ("-p", pair)]
        engine.client("logs").delete_log_group(logGroupName="/aws/lambda/silvaengine-prod-Worker")
        assert "Error" not in preflight(engine, *options)


def test_a_first_deployment_that_failed_is_found(
    engine_program: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """The stack can only be deleted, and what it retained is named already."""
    template = json.dumps(
        {
            "Resources": {
                "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
                "Never": {
                    "Type": "AWS::CloudFormation::WaitCondition",
                    "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"},
                },
            }
        }
    )
    with local_engine(engine_program, tmp_path / "state", double=double_of(pytestconfig)) as engine:
        create_table(engine, "se-functions")
        cloudformation = engine.client("cloudformation")
        cloudformation.create_stack(StackName="silvaengine-prod", TemplateBody=template)
        with pytest.raises(WaiterError):
            cloudformation.get_waiter("stack_create_complete").wait(
                StackName="silvaengine-prod", WaiterConfig={"Delay": 1}
            )
        found = preflight(engine, "-p", "AccessLogs=false")
    assert "stack silvaengine-prod: its first deployment failed (ROLLBACK_COMPLETE): delete it" in found
    assert "FunctionsTable: there is a table se-functions" in found


@pytest.mark.parametrize("arguments", [["--account"], ["nowhere"], ["version"], ["dev", "-p", "Stage"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    """The account is asked for one environment of samconfig.toml, and parameters have values."""
    refused = CliRunner().invoke(cli, ["preflight", *arguments])
    assert refused.exit_code == 2
    assert "it has version" not in refused.output  # the file's own, which is no environment
