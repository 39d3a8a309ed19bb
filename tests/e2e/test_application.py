"""An application in a folder of its own: made, run with a stage's parameters, deployed to another stage."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.readme.walkthrough import environment
from tests.wheel import build_wheel, install

from silvaengine_cli.deployment import Deployment, read_local_deployment
from silvaengine_cli.engine import CREDENTIALS

from .dev_process import SECONDS, SILVAENGINE, Dev, eventually, process_list, running
from .http_client import Api

STAGES = """
[stages.dev.parameters]
NewEventBucketName = "shop-inbox"
EventSchedule = "cron(0 3,4 * * ? *)"

[stages.dev.schedules]
nightly = "cron(0 5,6 * * ? *)"
hourly = "rate(1 hour)"

[stages.dev.environment]
GREETING = "Servus"

[stages.prod.environment]
GREETING = "Good day"

[stages.prod.settings.tax]
rate = 0.2
"""


def silvaengine(folder: Path, *arguments: str) -> str:
    """Run a command in a folder; return what it printed."""
    return run([SILVAENGINE, *arguments], folder)


def run(command: list[str], folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a program in a folder, with other variables than ours if any are given; return what it printed."""
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A new application, run by `silvaengine dev`."""
    place = tmp_path_factory.mktemp("applications")
    silvaengine(place, "new", "shop")
    with running(place / "shop", place / "output") as process:
        process.wait_for_line("Ctrl-C ends")
        yield process


def test_a_new_application_answers(dev: Dev) -> None:
    """Nothing has to be written for a first answer, at each of its tenants."""
    for tenant in ("demo", "acme"):
        answer = dev.api.get(f"/core/{tenant}/greet_hello?name=Ada")
        assert (answer.status, answer.json()) == (200, {"message": "Hello, Ada!"})
    assert not (dev.project / "template.yaml").exists()


def test_functions_may_ship_with_the_worker(dev: Dev) -> None:
    """`init` puts them into the folder that the worker's artefact takes them from."""
    silvaengine(dev.project, "init", "tools")
    expected = {"message": "Hello, Ada!"}
    eventually(lambda: dev.api.get("/core/demo/greet?name=Ada").json() == expected, lambda: dev.printed)


def test_a_stages_parameters_are_taken_while_it_runs(dev: Dev) -> None:
    """A bucket, several schedules and a variable come with the file; jobs and rows stay."""
    accepted = dev.api.request("POST", "/core/demo/greet_hello", headers={"prefer": "respond-async"})
    status = f"/core/demo/job_status?job_id={accepted.json()['job_id']}"
    eventually(lambda: dev.api.get(status).json()["status"] == "succeeded", lambda: dev.printed)
    dev.replace("registry.yaml", "settings:\n", "settings:\n  tax: {rate: 0.1}\n")
    dev.replace("silvaengine.toml", "\n[stages.dev.parameters]\n", STAGES)
    expected = {"message": "Servus, Ada!"}
    eventually(lambda: dev.api.get("/core/demo/greet_hello?name=Ada").json() == expected, lambda: dev.printed)
    assert dev.api.get(status).json()["status"] == "succeeded"
    assert parameters(dev)["NewEventBucketName"] == "shop-inbox"
    expected_schedules = {
        "stack": "cron(0 3,4 * * ? *)",
        "nightly": "cron(0 5,6 * * ? *)",
        "hourly": "rate(1 hour)",
    }
    assert schedules(dev) == expected_schedules


@pytest.fixture(scope="module")
def production(dev: Dev) -> Api:
    """The API of the project's other stage, deployed."""
    silvaengine(dev.project, "deploy", "--yes", "--stage", "prod", "--local")
    return Api(outputs(dev, "shop-prod")["ApiUrl"])


def test_another_stage_is_deployed_beside_it(dev: Dev, production: Api) -> None:
    """It has its own stack, tables, variables and settings, and needs no change any more."""
    where = ("--stage", "prod", "--local")
    assert production.get("/core/acme/greet_hello").json() == {"message": "Good day, world!"}
    assert "rate: 0.2" in silvaengine(dev.project, "export", *where)
    assert "nothing to do" in silvaengine(dev.project, "diff", *where)


@pytest.mark.nightly
def test_its_workflow_tests_and_publishes(dev: Dev, production: Api, tmp_path: Path) -> None:
    """Each step, in its order, as GitHub runs it, with the engine for the account whose role it takes."""
    greeting = production.get("/core/acme/greet_hello").json()["message"]
    wheel = build_wheel(tmp_path)
    programs = install(wheel, tmp_path / "venv", "pip")
    workflow = yaml.safe_load((dev.project / ".github/workflows/ci.yml").read_text())
    assert [*workflow["jobs"]] == ["test", "publish"]
    assert workflow["jobs"]["publish"]["needs"] == "test"
    dev.replace("packages/hello/hello/__init__.py", "}, {name}!", "}, dear {name}!")
    dev.replace("packages/hello/tests/test_hello.py", ", Ada!", ", dear Ada!")
    for job in workflow["jobs"].values():
        variables = environment(programs) | {"PIP_FIND_LINKS": str(wheel.parent)}
        for step in job["steps"]:
            if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
                variables |= account(dev, step["with"]["aws-region"])
            elif "run" in step:
                run(["/bin/bash", "-e", "-c", step["run"]], dev.project, variables)
    expected = {"message": greeting.replace("world", "dear world")}
    eventually(lambda: production.get("/core/acme/greet_hello").json() == expected, lambda: dev.printed)
    upgrade = [str(programs / "silvaengine"), "upgrade", "prod", "--local"]  # where sam isn't installed
    assert "silvaengine deploy --stage prod" in run(upgrade, dev.project, environment(programs))


def test_another_run_has_all_of_the_first_and_is_as_strict_as_it_is_told(
    dev: Dev, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket's objects, jobs and rows are there although parameters have changed and no network is left.

    With --strict the kept stack refuses as AWS does; once it is destroyed, nothing is left running.
    """
    accepted = dev.api.request("POST", "/core/demo/greet_hello", headers={"prefer": "respond-async"})
    status = f"/core/demo/job_status?job_id={accepted.json()['job_id']}"
    eventually(lambda: dev.api.get(status).json()["status"] == "succeeded", lambda: dev.printed)
    client(dev, "s3").put_object(Bucket="shop-inbox", Key="kept/object", Body=b"kept")
    dev.process.send_signal(signal.SIGINT)
    dev.process.wait(SECONDS)
    dev.replace("silvaengine.toml", '\nEventSchedule = "cron(0 3,4 * * ? *)"', "\nLogRetentionDays = 3")
    dev.replace("silvaengine.toml", "\nhourly = ", "\nweekly = ")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # where nobody listens
    with running(dev.project, dev.project.parent / "output-2", "--strict") as again:
        again.wait_for_line("Ctrl-C ends")
        assert again.api.get(status).json()["status"] == "succeeded"
        assert (
            client(again, "s3").get_object(Bucket="shop-inbox", Key="kept/object")["Body"].read() == b"kept"
        )
        assert parameters(again)["LogRetentionDays"] == "3"
        assert schedules(again) == {"nightly": "cron(0 5,6 * * ? *)", "weekly": "rate(1 hour)"}
        large = again.api.request("POST", "/core/demo/greet_hello", body=b"x" * 11_000_000)
        assert (large.status, large.json()) == (413, {"message": "Request Too Long"})
        again.replace("packages/hello/hello/__init__.py", "{name}!", "{name}?")
        eventually(
            lambda: "Ada?" in again.api.get("/core/demo/greet_hello?name=Ada").text, lambda: again.printed
        )
        silvaengine(again.project, "destroy", "--local", "--yes")
        again.wait_for_line("the stack was deleted")
        assert again.process.wait(SECONDS) == 1
    assert process_list(dev.project) == []


def schedules(dev: Dev) -> dict[str, str]:
    """Return the expressions of the running stack's schedules, by the names that their events say."""
    events, found = client(dev, "events"), {}
    for rule in events.list_rules(NamePrefix="silvaengine-local-EventSchedule")["Rules"]:
        (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        sent = json.loads(target["InputTransformer"]["InputTemplate"].replace("<time>", "0"))
        found[sent["schedule"]] = rule["ScheduleExpression"]
    return found


def parameters(dev: Dev) -> dict[str, str]:
    """Return the running stack's parameters."""
    given = stack(dev, "silvaengine-local")["Parameters"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in given}


def outputs(dev: Dev, name: str) -> dict[str, str]:
    """Return the outputs of a stack of the running engine."""
    return {each["OutputKey"]: each["OutputValue"] for each in stack(dev, name)["Outputs"]}


def account(dev: Dev, region: str) -> dict[str, str]:
    """Return what the action that takes a role leaves behind, and where the engine is."""
    url = read_local_deployment(dev.project)["endpoint_url"]
    return {**CREDENTIALS, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": url}


def stack(dev: Dev, name: str) -> Any:
    """Return the description of a stack of the running engine."""
    return client(dev, "cloudformation").describe_stacks(StackName=name)["Stacks"][0]


def client(dev: Dev, service: str) -> Any:
    """Return a client of the running engine."""
    return Deployment(**read_local_deployment(dev.project)).client(service)
