"""Changes of the stack under traffic: everything that was accepted is answered, rightly."""

import time
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli.prove import deploying

from .conftest import Figures, Target, eventually
from .traffic import CLIENTS, Traffic

ALIAS = "proven"
# The engine kills processes whose function changes, and stands still meanwhile; Lambda lets calls end. Nor
# does it start a function whose layer's version is deleted, which on AWS the function keeps:
# docs.aws.amazon.com/lambda/latest/dg/creating-deleting-layers.html.
ENGINES_OWN = ("Runtime.HandlerError", "TimeoutError", "Failed to resolve layer")
AROUND = 3.0  # seconds of traffic before and after a change


def deploy(target: Target, *options: str, **changed: str) -> None:
    """Deploy the copy of the project with further parameters."""
    values = {**target.parameters, **changed}
    deploying.deploy(Path(target.project), target.deployment, target.stack, values, target.tags, *options)


def assert_nothing_lost(target: Target, traffic: Traffic, figures: Figures) -> None:
    """Every call had its own result, and every job that was accepted ended with its own."""
    figures["answers"], figures["jobs"] = traffic.statuses.total(), len(traffic.jobs)
    engines = [
        each for each in traffic.wrong if target.endpoint_url and any(word in each for word in ENGINES_OWN)
    ]
    if engines:
        figures["ended by the engine"] = len(engines)
    assert len(engines) <= 2 * CLIENTS  # those that were under way at one of two changes
    assert [each for each in traffic.wrong if each not in engines] == []
    assert traffic.jobs
    ended = {job_id: job_of(target, job_id) for job_id in traffic.jobs}
    assert {job_id: job["result"]["text"] for job_id, job in ended.items()} == traffic.jobs


def job_of(target: Target, job_id: str) -> Any:
    """Return a job, once it has succeeded."""
    path = f"/core/prove/job_status?job_id={job_id}"
    return eventually(lambda: target.api.get(path).json(), lambda job: job.get("status") == "succeeded")


@pytest.mark.proves("update-under-traffic")
def test_an_update_loses_nothing(target: Target, figures: Figures) -> None:
    """Changed code of every service and a changed parameter reach the stack while it is called."""
    project = Path(target.project)
    for module in ("http_gateway/silvaengine_http", "tasks/silvaengine_tasks", "worker/silvaengine_worker"):
        with (project / "services" / module / "app.py").open("a") as source:
            source.write("# Changed under traffic.\n")
    deploying.build(project)
    with Traffic(target.api) as traffic:
        time.sleep(AROUND)
        deploy(target, LogLevel="DEBUG")
        time.sleep(AROUND)
    assert_nothing_lost(target, traffic, figures)


@pytest.mark.proves("alias-moves")
def test_the_workers_alias_moves_and_returns(target: Target, figures: Figures) -> None:
    """Calls go to an alias, which moves to a second version and back, while they go on."""
    functions, worker = target.client("lambda"), target.output("WorkerArn")
    first = publish(functions, worker)
    functions.create_alias(FunctionName=worker, Name=ALIAS, FunctionVersion=first)
    with Traffic(target.api) as traffic:
        deploy(target, WorkerAlias=ALIAS, LogLevel="DEBUG")
        functions.update_function_configuration(FunctionName=worker, Description="A second version")
        functions.get_waiter("function_updated_v2").wait(FunctionName=worker)
        second = publish(functions, worker)
        for version in (second, first):
            functions.update_alias(FunctionName=worker, Name=ALIAS, FunctionVersion=version)
            time.sleep(AROUND)
    figures["versions"] = f"{first}, {second}, {first}"
    assert_nothing_lost(target, traffic, figures)


def publish(functions: Any, worker: str) -> str:
    """Publish a version of the worker; return its number, once it can be invoked."""
    version: str = functions.publish_version(FunctionName=worker)["Version"]
    functions.get_waiter("published_version_active").wait(FunctionName=worker, Qualifier=version)
    return version


@pytest.mark.aws_only("the local engine's change sets don't see what a condition takes out")
@pytest.mark.proves("create-tables-false")
def test_tables_can_be_released_by_a_change_set(target: Target) -> None:
    """A change set with `CreateTables=false` can be made; it isn't carried out."""
    deploy(target, "--no-execute-changeset", CreateTables="false")
    stacks = target.client("cloudformation")
    pages = stacks.get_paginator("list_change_sets").paginate(StackName=target.stack)
    ready = [
        each["ChangeSetId"]
        for page in pages
        for each in page["Summaries"]
        if each["ExecutionStatus"] == "AVAILABLE"
    ]
    assert ready
    for each in ready:
        stacks.delete_change_set(ChangeSetName=each)


@pytest.mark.aws_only("the local engine keeps the address open")
@pytest.mark.proves("closed-endpoint")
def test_the_api_can_be_closed_but_for_its_domain(target: Target) -> None:
    """With `DisableExecuteApiEndpoint` the API's own address refuses everybody."""
    deploy(target, DisableExecuteApiEndpoint="true")
    closed = eventually(lambda: target.api.get("/core/prove/echo").status, (403).__eq__, 180)
    deploy(target, DisableExecuteApiEndpoint="false")
    assert closed == 403
    assert eventually(lambda: target.api.get("/core/prove/echo").status, (200).__eq__, 180) == 200
