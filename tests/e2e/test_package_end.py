"""Removals wait for releases, and packages end: for real, and again after a crash."""

import time
from pathlib import Path
from typing import Any

import click
import pytest

from silvaengine.tables import FUNCTIONS
from silvaengine_cli.publishing import deletion
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.prune import KEPT_SECONDS, Pruning
from silvaengine_cli.publishing.versions import Versions

from .conftest import Deployment
from .own_package import KEY, ORDERS, TENANTS, built, decisive, kill_after, make_package, run, variables
from .shop import Shop
from .test_announcements import eventually


@pytest.fixture
def package(deployment: Deployment, tmp_path: Path) -> Shop:
    """A package of its own, which tenants may call."""
    return make_package(deployment, tmp_path)


def test_a_removal_waits_for_the_releases_that_need_it(deployment: Deployment, package: Shop) -> None:
    """They stay until the last such release is pruned; then data alone stays, in the account."""
    package.more = ORDERS
    old = package.publish_next()
    number = package.releases.pointer()["release"]
    table = variables(deployment, package, number)["ORDERS"]
    role = "dynamodb:GetItem"
    package.more = ""
    package.write()
    assert "kept until no release needs it: resource Inbox" in str(package.publish().changes)
    assert role in policy(deployment, package)
    said = run(package, "packages", "contract", package.name)
    for what in ("resource Orders", "resource Inbox", "resource News", "permission"):
        assert f"stays: {what}" in said
    assert said.count(f"needed by releases {number}\n") == 4
    package.roll_back()
    assert eventually(lambda: built(deployment), old.__eq__) == old
    package.roll_back()
    prune(deployment, package)
    before = run(package, "packages", "contract", package.name, "--dry-run")
    assert "would go: resource Orders" in before
    assert role in policy(deployment, package)
    said = run(package, "packages", "contract", package.name)
    for line in (
        "removed: resource Orders",
        "stays in the account, without a stack: resource Orders",
        "removed: resource News",
        "removed: permission",
        "stays: resource Inbox (AWS::SQS::Queue): it would be deleted with its data",
    ):
        assert line in said
    assert role not in policy(deployment, package)
    assert deployment.engine.client("dynamodb").describe_table(TableName=table)
    assert "removed" not in run(package, "packages", "contract", package.name)
    assert package.publish_next()


def prune(deployment: Deployment, package: Shop) -> None:
    """Prune the package's releases as in a month."""
    lambdas = deployment.engine.client("lambda")
    versions = Versions(lambdas, package.releases.function_name, Patience(lambda _line: None))
    Pruning(package.deployment, package.releases, versions, time.time() + 2 * KEPT_SECONDS).run(dry_run=False)


def policy(deployment: Deployment, package: Shop) -> str:
    """Return what the package's role may do."""
    arn = deployment.engine.client("lambda").get_function_configuration(
        FunctionName=package.releases.function_name
    )["Role"]
    found = deployment.engine.client("iam").get_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyName="package"
    )
    return str(found["PolicyDocument"])


def test_a_package_is_deleted(deployment: Deployment, package: Shop) -> None:
    """Not while a connection lists it; then calls, pins and jobs end, each with a word, and data stays."""
    package.more = ORDERS
    build = package.publish_next()
    number = package.releases.pointer()["release"]
    table = variables(deployment, package, number)["ORDERS"]
    package.pointing.pin(number, TENANTS[1])
    assert eventually(lambda: built(deployment), build.__eq__) == build
    assert "connections of 1 list" in run(package, "packages", "delete", package.name, fails=True)
    assert built(deployment) == build
    job_id = failed_once(deployment)
    said = run(package, "packages", "delete", package.name, "--yes")
    for line in (
        f"releases that end: {number}",
        f"pins that end: {TENANTS[1]}",
        "1 jobs end",
        "connections still list it: 1",
        f"stays: {table}",
        f"stays: s3://{package.deployment.output('PayloadBucket')}/packages/{package.name}/",
    ):
        assert line in said
    assert eventually(lambda: built(deployment), (404).__eq__) == 404
    assert deployment.engine.client("dynamodb").describe_table(TableName=table)
    assert cause_of(deployment, job_id) == "release_missing"
    nothing_is_left(deployment, package)
    assert f"there is no package '{package.name}'" in run(
        package, "packages", "delete", package.name, "--yes", fails=True
    )


@pytest.mark.parametrize("title", decisive(dict(deletion.STEPS), {"end the pointer", "delete the releases"}))
def test_a_killed_deletion_goes_on(deployment: Deployment, package: Shop, title: str) -> None:
    """The same command finishes it, unless it was done."""
    package.publish_next()
    kill_after(package, "delete", title)
    done = title == deletion.STEPS[-1][0]
    run(package, "packages", "delete", package.name, "--yes", fails=done)
    nothing_is_left(deployment, package)


def nothing_is_left(deployment: Deployment, package: Shop) -> None:
    """Check that nothing of the package is there but its objects."""
    assert package.releases.read_pointer() is None
    assert package.releases.all() == []
    assert list(package.deployment.tables().query(FUNCTIONS, package.releases.function_arn)) == []
    lambdas = deployment.engine.client("lambda")
    with pytest.raises(lambdas.exceptions.ResourceNotFoundException):
        lambdas.get_function(FunctionName=package.releases.function_name)
    with pytest.raises(click.ClickException, match="there is no package"):
        deletion.Deletion(package.deployment, package.name).find()


def failed_once(deployment: Deployment) -> str:
    """Return the id of a job that waits for its second attempt."""
    response = deployment.api.post(f"/core/{TENANTS[0]}/build_never", {}, {"x-api-key": KEY})
    assert response.status == 202, response.text
    job_id = str(response.json()["job_id"])
    waits = ("accepted", "1")
    assert eventually(lambda: state_of(deployment, job_id), waits.__eq__) == waits
    return job_id


def state_of(deployment: Deployment, job_id: str) -> tuple[str, str]:
    """Return a job's state, and how many attempts it has had."""
    row = job_row(deployment, job_id)
    return row["state"]["S"], row["attempts"]["N"]


def job_row(deployment: Deployment, job_id: str) -> Any:
    """Return a row of the ledger."""
    return deployment.engine.client("dynamodb").get_item(
        TableName=f"{deployment.outputs.table_prefix}executions",
        Key={"job_id": {"S": job_id}},
        ConsistentRead=True,
    )["Item"]


def cause_of(deployment: Deployment, job_id: str) -> str:
    """Let the sweeper come to a job; return the cause of its end."""
    deployment.engine.client("dynamodb").update_item(
        TableName=f"{deployment.outputs.table_prefix}executions",
        Key={"job_id": {"S": job_id}},
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    deployment.sweep()
    return str(job_row(deployment, job_id)["cause"]["S"])
