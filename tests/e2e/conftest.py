"""One engine, one real deployment and its registry, shared by all end-to-end tests.

What is deployed is a copy of the project with a further function package, so that tests can ask the worker
what it does, and may change sources without touching those that one works on.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine, install_engine
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.tail import LogTail, Record
from silvaengine_cli.watch import REGISTRY_FILE

from .counting_proxy import CountingProxy
from .http_client import Api
from .registry_rows import Rows

PROJECT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".*_cache", ".git", ".hypothesis", ".silvaengine", ".venv", ".bootstrap", "__pycache__", "dist"
)


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

    def worker_log(self) -> LogTail:
        """What the worker writes from now on."""
        return LogTail(self.engine, self.outputs.worker_arn)

    def gateway_log(self) -> LogTail:
        """What the HTTP gateway writes from now on."""
        return LogTail(self.engine, self.outputs.http_gateway_arn)


def wait_for_record(log: LogTail, wanted: Callable[[Record], bool], *, seconds: float = 10.0) -> Record:
    """Give the first new record that is wanted; fails when it has not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for record in log.new_records():
            if wanted(record):
                return record
        time.sleep(0.1)
    raise TimeoutError(f"no such record within {seconds} s")


@pytest.fixture(scope="session")
def engine_program() -> Path:
    """Install the local engine; give the program."""
    return install_engine(PROJECT)


@pytest.fixture(scope="session")
def engine(engine_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """An engine with IAM enforced on a free port."""
    with LocalEngine(engine_program, tmp_path_factory.mktemp("engine") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the tests' own functions, built by `sam build`."""
    return copy_project(tmp_path_factory.mktemp("copy") / "project")


def copy_project(target: Path) -> Path:
    """Copy what is in the repository, with the tests' functions, and lead to the tools that were set up."""
    shutil.copytree(PROJECT, target, ignore=LEFT_OUT)
    for tools in (".venv", ".bootstrap"):
        if (PROJECT / tools).exists():
            (target / tools).symlink_to(PROJECT / tools)
    shutil.copytree(PROJECT / "tests/e2e/functions", target / "services/worker/functions", dirs_exist_ok=True)
    return target


@pytest.fixture(scope="session")
def deployment(project: Path, engine: LocalEngine) -> Iterator[Deployment]:
    """The stack, deployed by `sam deploy`, with the demo's registry and the tests' own rows."""
    with CountingProxy(engine.url) as proxy:
        deploy.build(project)
        # A gateway that Lambda ends early has an early deadline, for which a test waits.
        topic = engine.client("sns").create_topic(Name="notices")["TopicArn"]
        parameters = {
            "AwsEndpointUrl": proxy.url,
            "CacheDir": str(project.parent / "cache"),
            "FullEventAreas": "whole",
            "HttpGatewayTimeout": "12",
            "SnsTopicArn": topic,
        }
        outputs = deploy.deploy(project, engine, parameters=parameters)
        tables = RegistryTables(engine.client("dynamodb"), outputs.table_prefix)
        apply_file(project / REGISTRY_FILE, tables, outputs.worker_arn)
        deployed = Deployment(project, engine, proxy, parameters, outputs)
        deployed.rows.put_test_registry(outputs.worker_arn)
        yield deployed


@pytest.fixture(scope="session")
def api(deployment: Deployment) -> Api:
    """The REST API of the deployed stack."""
    return deployment.api
