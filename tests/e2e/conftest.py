"""One engine, one real deployment and its registry, shared by all end-to-end tests.

What is deployed is a copy of the project with a further function package, so that tests can ask the worker
what it does, and may change sources without touching those that one works on.
"""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from playwright.sync_api import Browser
from tests.chromium import running_chromium

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.engine import REGION, LocalEngine, install_engine, local_engine
from silvaengine_cli.logs.reader import Record
from silvaengine_cli.prove import deploying
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.strict import Double
from silvaengine_cli.watch import REGISTRY_FILE

from ..canaries import found_in
from .baseline import Baseline
from .counting_proxy import CountingProxy
from .desk import Desk, open_to_key
from .http_client import Api
from .logs import FunctionLog, written
from .order import sort
from .registry_rows import API_KEY, Rows
from .shop import Shop
from .sources import event_sources

PROJECT = Path(__file__).parents[2]
REFRESH_SECONDS = 1  # of the shared stack; 5 by default, as in the second stacks


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack on the engine, whose Lambdas reach AWS through the proxy."""

    project: Path
    engine: LocalEngine
    proxy: CountingProxy
    parameters: Mapping[str, str]
    outputs: deploy.StackOutputs

    @property
    def api(self) -> Api:
        """The REST API."""
        return Api(self.outputs.api_url)

    @property
    def rows(self) -> Rows:
        """The registry's tables, for rows as another writer would put them there."""
        return Rows(self.engine.client("dynamodb"), self.outputs.table_prefix)

    def sweep(self) -> Mapping[str, int]:
        """Let the sweeper run now; the schedule lets it run each minute."""
        response = self.engine.client("lambda").invoke(FunctionName=self.outputs.function_arns["Sweeper"])
        counts: Mapping[str, int] = json.loads(response["Payload"].read())
        return counts

    def schedule(self, *, enabled: bool) -> None:
        """Let the sweeper's schedule run, or stand."""
        events = self.engine.client("events")
        names = [rule["Name"] for rule in events.list_rules()["Rules"]]
        (rule,) = [name for name in names if "Sweep" in name and deploy.LOCAL_STACK in name]
        (events.enable_rule if enabled else events.disable_rule)(Name=rule)

    @property
    def dead_letter_queue(self) -> str:
        """The URL of the queue that tells of dead jobs."""
        resource = self.engine.client("cloudformation").describe_stack_resource(
            StackName=deploy.LOCAL_STACK, LogicalResourceId="DeadLetterQueue"
        )
        url: str = resource["StackResourceDetail"]["PhysicalResourceId"]
        return url

    def dead_letters(self) -> list[Mapping[str, Any]]:
        """Take what lies in the dead-letter queue."""
        sqs, taken = self.engine.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.dead_letter_queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                taken.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.dead_letter_queue, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def written(self) -> str:
        """Return everything that the stack's Lambdas have logged, whatever it is."""
        return written(self.engine.client("logs"), f"/{deploy.LOCAL_STACK}-")

    def worker_log(self) -> FunctionLog:
        """What the worker writes from now on."""
        return FunctionLog(self.engine, self.outputs.worker_arn)

    def gateway_log(self) -> FunctionLog:
        """What the HTTP gateway writes from now on."""
        return FunctionLog(self.engine, self.outputs.http_gateway_arn)


def wait_for_record(log: FunctionLog, wanted: Callable[[Record], bool], *, seconds: float = 10.0) -> Record:
    """Return the first new record that is wanted; fails when it has not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for record in log.new_records():
            if wanted(record):
                return record
        time.sleep(0.1)
    raise TimeoutError(f"no such record within {seconds} s")


def with_role(engine: LocalEngine, role: str, service: str) -> Any:
    """Return a client of a service that has a role's rights."""
    response = engine.client("sts").assume_role(RoleArn=role, RoleSessionName="e2e")
    credentials = response["Credentials"]
    return Session().create_client(
        service,
        REGION,
        endpoint_url=engine.url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def wait_for_status(api: Api, job_id: str, wanted: set[str], *, seconds: float = 20.0) -> Mapping[str, Any]:
    """Ask for a job until it stands as wanted; fails when it doesn't in time."""
    deadline = time.monotonic() + seconds
    while True:
        response = api.get(f"/core/e2e/job_status?job_id={job_id}", {"x-api-key": API_KEY})
        if response.status == 200 and response.json()["status"] in wanted:
            facts: Mapping[str, Any] = response.json()
            return facts
        if time.monotonic() > deadline:
            raise TimeoutError(f"{response.status} {response.text}")
        time.sleep(0.2)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that put the double before the engine, another API before it, and files in an order."""
    parser.addoption("--double", action="store_true", help="test against an engine as strict as AWS")
    parser.addoption("--api-kind", choices=["rest", "http"], default="rest", help="the API in front of HTTP")
    parser.addoption("--shuffle", metavar="SEED", help="take the files in an order that comes of this seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    sort(items, config.getoption("--shuffle", default=None))


@pytest.fixture(scope="session")
def engine_program() -> Path:
    """Install the local engine; return the program."""
    return install_engine(PROJECT)


@pytest.fixture(scope="session")
def engine(
    engine_program: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[LocalEngine]:
    """An engine with IAM enforced on a free port, behind the double with ``--double``."""
    state = tmp_path_factory.mktemp("engine") / "state"
    with local_engine(engine_program, state, double=double_of(request.config)) as running:
        yield running


def double_of(config: pytest.Config) -> Double | None:
    """Return what stands before an engine with ``--double``."""
    return Double() if config.getoption("--double", default=False) else None


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A copy of the project with the tests' own functions, built by `sam build` once for all processes."""
    project = copy_project(tmp_path_factory.mktemp("copy") / "project")
    own = tmp_path_factory.getbasetemp()
    built = (own if worker_id == "master" else own.parent) / "built"
    with built.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            deploy.build(project)
            shutil.copytree(project / ".aws-sam", built)
    shutil.copytree(built, project / ".aws-sam", dirs_exist_ok=True)
    return project


def copy_project(target: Path) -> Path:
    """Copy what is in the repository, with the tests' functions, and lead to the tools that were set up."""
    deploying.copy_project(PROJECT, target)
    for source, place in (("functions", "services/worker/functions"), ("authorizers", "authorizers")):
        shutil.copytree(PROJECT / "tests/e2e" / source, target / place, dirs_exist_ok=True)
    return target


@pytest.fixture(scope="session")
def baselines() -> list[Baseline]:
    """What the files' tests find, once there is the stack that they share."""
    return []


@pytest.fixture(scope="session")
def deployment(
    project: Path, engine: LocalEngine, baselines: list[Baseline], request: pytest.FixtureRequest
) -> Iterator[Deployment]:
    """The stack on the session's engine."""
    with deployed(project, engine, request.config.getoption("--api-kind", default="rest")) as stack:
        baselines.append(Baseline(engine, stack.outputs.table_prefix))
        yield stack


@pytest.fixture(scope="module", autouse=True)
def _as_before(baselines: list[Baseline]) -> Iterator[None]:
    """Take back what a file's tests have left, since files come in any order."""
    yield
    for baseline in baselines:
        baseline.restore()


@contextmanager
def deployed(project: Path, engine: LocalEngine, api_kind: str = "rest") -> Iterator[Deployment]:
    """Deploy the stack by `sam deploy`, with the demo's registry and the tests' own rows."""
    with CountingProxy(engine.url) as proxy:
        # A gateway that Lambda ends early has an early deadline, for which a test waits.
        topic = engine.client("sns").create_topic(Name="notices")["TopicArn"]
        parameters = {
            "ApiKind": api_kind,
            "AwsEndpointUrl": proxy.url,
            "CacheDir": str(project.parent / "cache"),
            "FullEventAreas": "whole",
            "IsolatedWorker": "true",
            "HttpGatewayTimeout": "12",
            "RegistryRefreshSeconds": str(REFRESH_SECONDS),
            # A worker that vanished is given up after it and a margin, for which tests wait.
            "WorkerTimeout": "20",
            "SnsTopicArn": topic,
            "UsageMetering": "false",  # a test rolls up when it has called
            # A message that fails comes again so soon that a test can wait for its last receive.
            "EventQueueVisibilityTimeout": "10",
            **event_sources(engine),
        }
        outputs = deploy.deploy(project, engine, parameters=parameters)
        tables = RegistryTables(engine.client("dynamodb"), outputs.table_prefix)
        apply_file(project / REGISTRY_FILE, tables, outputs.worker_arn)
        deployed = Deployment(project, engine, proxy, parameters, outputs)
        deployed.rows.put_test_registry(outputs.worker_arn)
        deployed.schedule(enabled=False)  # a run in between would be among the calls that tests count
        yield deployed
        # Whatever these tests have sent and let fail.
        assert found_in(deployed.written()) == []


@pytest.fixture(scope="session")
def api(deployment: Deployment) -> Api:
    """The REST API of the deployed stack."""
    return deployment.api


@pytest.fixture(scope="session")
def shop(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A package that tests publish to the stack."""
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    return Shop(tmp_path_factory.mktemp("packages") / "shop", target)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def desk(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The package of typed functions, published, and a key that opens it."""
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    desk = Desk(tmp_path_factory.mktemp("desk") / "packages/desk", target)
    desk.publish()
    open_to_key(deployment.rows)
    return desk


@pytest.fixture(scope="session")
def publisher(deployment: Deployment) -> Callable[[str], Any]:
    """Return clients of somebody who has PublisherPolicy and nothing else."""
    identities = deployment.engine.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}],
    }
    role = identities.create_role(RoleName="publisher", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    cloudformation = deployment.engine.client("cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName=deploy.LOCAL_STACK)["Stacks"]
    policy = next(each for each in stack["Outputs"] if each["OutputKey"] == "PublisherPolicy")
    identities.attach_role_policy(RoleName="publisher", PolicyArn=policy["OutputValue"])
    return lambda service: with_role(deployment.engine, role["Arn"], service)
