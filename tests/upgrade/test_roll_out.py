"""A stack of the last release becomes this version's, one Lambda after the other, while clients go on."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine, install_engine, local_engine
from silvaengine_cli.events import sample
from silvaengine_cli.main import cli
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.watch import REGISTRY_FILE

from ..e2e.conftest import LEFT_OUT
from ..e2e.http_client import Api
from ..e2e.registry_rows import Rows
from ..e2e.socket_client import Socket
from . import last_release
from .load import KEY, Load

GROUPS = {
    "workers": ("Worker",),
    "tasks": ("Tasks",),
    "websocket": ("WebsocketGateway", "Broadcaster"),
    "http": ("HttpGateway",),
}
FUNCTIONS: Mapping[str, Mapping[str, object]] = {
    "relay": {},
    "keyed": {},
    "second_time": {"funct_type": "Event", "backoff_seconds": 1},
}
# From this version to the last one and back: each service meets each other one in both mixtures, since what
# is updated first in one half is updated last in the other.
FLIPS = [(group, version) for version in ("last", "this") for group in GROUPS]


class Versions(NamedTuple):
    """Both projects, built."""

    last: Path
    this: Path

    def code(self, version: str, function: str) -> bytes:
        """Return a Lambda's code with its layer's in it, so that one call of Lambda's changes both."""
        build: Path = getattr(self, version) / ".aws-sam" / "build"
        roots = (build / "SharedLayer" / "python", build / function)
        return deploy.zip_files(
            {
                path.relative_to(root).as_posix(): path.read_bytes()
                for root in roots
                for path in root.rglob("*")
                if path.is_file()
            }
        )


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Build both versions with the same functions."""
    folder = tmp_path_factory.mktemp("versions")
    last, this = last_release.check_out(folder / "last"), folder / "this"
    shutil.copytree(last_release.PROJECT, this, symlinks=True, ignore=LEFT_OUT)
    last_release.link_tools(this)
    for project in (last, this):
        functions = project / "services/worker/functions"
        shutil.copyfile(Path(__file__).with_name("functions.py"), functions / "roll_out.py")
    with ThreadPoolExecutor() as pool:
        list(pool.map(deploy.build, (last, this)))
    return Versions(last, this)


class RollOut:
    """A stack that is changed, with its clients."""

    def __init__(self, engine: LocalEngine, versions: Versions, parameters: Mapping[str, str]) -> None:
        self._engine = engine
        self._versions = versions
        self._parameters = parameters
        self.outputs = last_release.deploy(versions.last, engine, parameters)
        self._register()
        self._policies = dict(self._policies_of_tasks())
        self._environments = {name: self._environment(name) for group in GROUPS.values() for name in group}
        self.version = dict.fromkeys(GROUPS, "last")
        self.waiting: list[Callable[[Socket], None]] = []

    @property
    def api(self) -> Api:
        """The REST API."""
        return Api(self.outputs["ApiUrl"])

    def connect(self) -> Socket:
        """Return an open connection."""
        return Socket(f"{self.outputs['WebsocketUrl']}?endpointId=roll&area=core", KEY)

    def _register(self) -> None:
        """Apply this version's registry, and rows for the tests' own functions."""
        prefix, worker = self.outputs["TablePrefix"], self.outputs["WorkerArn"]
        dynamodb = self._engine.client("dynamodb")
        apply_file(self._versions.this / REGISTRY_FILE, RegistryTables(dynamodb, prefix), worker)
        rows = Rows(dynamodb, prefix)
        for name, config in FUNCTIONS.items():
            own = {"module_name": "roll_out", "methods": ["GET", "POST"], **config}
            rows.put("functions", aws_lambda_arn=worker, function=name, area="core", config=own)
        names = (*FUNCTIONS, "hello", "countdown", "say")
        entries = [{"aws_lambda_arn": worker, "function": name, "setting": ""} for name in names]
        rows.put("endpoints", endpoint_id="roll", special_connection=True)
        rows.put("connections", endpoint_id="roll", api_key=KEY["x-api-key"], functions=entries)

    def update_stack(self) -> None:
        """Deploy this version over the last one, as RELEASING says."""
        parameters = {**self._parameters, "EarlierWorkers": "true"}
        deploy.deploy(self._versions.this, self._engine, parameters=parameters)
        self.outputs = last_release.outputs(self._engine)
        self.version = dict.fromkeys(GROUPS, "this")

    def upgrade(self, *arguments: str) -> str:
        """Return what `silvaengine upgrade` prints of the stack."""
        where = ["--endpoint-url", self._engine.url, "--region", "us-east-1"]
        outcome = CliRunner().invoke(cli, ["upgrade", "local", *arguments, *where])
        assert (outcome.exit_code == 1) == ("Error:" in outcome.output), outcome.output
        return outcome.output

    def prepare_flips(self) -> None:
        """Let each Lambda run either code.

        The layer goes into the code, for they change in two steps, with a gap in between. Variables and
        rights that the last version needs stay, as they do until an update comes to the Lambda.
        """
        for name, document in self._policies.items():
            self._engine.client("iam").put_role_policy(
                RoleName=self._role_of_tasks(), PolicyName=f"last-{name}", PolicyDocument=json.dumps(document)
            )
        for function, earlier in self._environments.items():
            self._put_code(function, "this")
            self._engine.client("lambda").update_function_configuration(
                FunctionName=self._name(function),
                Layers=[],
                Environment={"Variables": earlier | self._environment(function)},
            )

    def flip(self, group: str, version: str) -> None:
        """Change the version of a group's Lambdas."""
        for function in GROUPS[group]:
            self._put_code(function, version)
        self.version[group] = version

    def _environment(self, function: str) -> dict[str, str]:
        configuration = self._engine.client("lambda").get_function_configuration(
            FunctionName=self._name(function)
        )
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables

    def _role_of_tasks(self) -> str:
        resource = self._engine.client("cloudformation").describe_stack_resource(
            StackName=deploy.LOCAL_STACK, LogicalResourceId="TasksRole"
        )
        return str(resource["StackResourceDetail"]["PhysicalResourceId"])

    def _policies_of_tasks(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        iam, role = self._engine.client("iam"), self._role_of_tasks()
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            yield name, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

    def _put_code(self, function: str, version: str) -> None:
        code = self._versions.code(version, function)
        lambdas = self._engine.client("lambda")
        lambdas.update_function_code(FunctionName=self._name(function), ZipFile=code)

    def _name(self, function: str) -> str:
        return f"{deploy.LOCAL_STACK}-{function}"

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a Lambda and return its response."""
        response = self._engine.client("lambda").invoke(
            FunctionName=self._name(function), Payload=json.dumps(event)
        )
        value = json.loads(response["Payload"].read() or b"null")
        assert "FunctionError" not in response, value
        return value

    def sweep(self) -> None:
        """Let the sweeper of the version that tasks has run."""
        if self.version["tasks"] == "last":
            self.invoke("Tasks", {"silvaengine": "sweep"})
        else:
            self.invoke("Sweeper", {})

    def row(self, job_id: str) -> dict[str, Any]:
        """Return a row of the ledger."""
        table = self.outputs["TablePrefix"] + "executions"
        response = self._engine.client("dynamodb").get_item(
            TableName=table, Key={"job_id": {"S": job_id}}, ConsistentRead=True
        )
        row: dict[str, Any] = response["Item"]
        return row

    def make_due(self, job_id: str) -> None:
        """Let an execution's time be over, as it would be later."""
        self._engine.client("dynamodb").update_item(
            TableName=self.outputs["TablePrefix"] + "executions",
            Key={"job_id": {"S": job_id}},
            UpdateExpression="SET due_at = :now",
            ExpressionAttributeValues={":now": {"N": str(int(time.time()) - 1)}},
        )


@pytest.fixture(scope="module")
def roll_out(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RollOut]:
    """The last release's stack on an engine; with Redis its worker can't settle executions."""
    folder = tmp_path_factory.mktemp("engine")
    program = install_engine(last_release.PROJECT)
    with local_engine(program, folder / "state") as engine:
        parameters = {"CacheDir": str(folder / "cache"), "WorkerTimeout": "20", "EventRuleSources": "shop"}
        yield RollOut(engine, versions, parameters)


def probe(roll_out: RollOut, socket: Socket) -> None:
    """Call in every way; what is to be finished or repeated by the next mixture goes to ``waiting``."""
    for finish in roll_out.waiting:
        finish(socket)
    key = {**KEY, "idempotency-key": uuid4().hex}
    booked = roll_out.api.post("/core/roll/keyed", {}, key)
    assert booked.status == 200, booked.text
    relayed = roll_out.api.get("/core/roll/relay?name=Ada", KEY)
    assert (relayed.status, relayed.text) == (200, '{"message": "Hello, Ada!"}'), relayed.text
    rate = roll_out.api.get("/core/demo/rate").json()
    assert roll_out.api.get("/core/demo/rate").json() == rate
    job = roll_out.api.post("/core/roll/second_time", {}, KEY)
    assert job.status == 202, job.text
    once = {"funct": "keyed", "payload": {}, "id": uuid4().hex, "once": True}
    frame = said(socket, once)
    assert frame["data"]["effect"], frame
    assert said(socket, {"funct": "countdown", "payload": {"start": 2, "pause": 0}, "id": "s"})["done"]
    assert said(socket, {"funct": "say", "payload": {"text": "hi"}, "id": "b"})["data"]["sent"] == 1
    events = [sample(source) for source in ("sqs", "s3", "sns", "dynamodb", "rule")]
    answers = [roll_out.invoke("Tasks", event) for event in events]
    assert roll_out.invoke("Tasks", sample("direct")) == {"heard": ["endpoint_id", "order"]}

    def repeat(socket: Socket) -> None:
        again = roll_out.api.post("/core/roll/keyed", {}, key)
        assert (again.status, again.body) == (200, booked.body)
        assert again.headers["idempotency-replayed"] == "true"
        assert said(socket, once) == frame
        assert [roll_out.invoke("Tasks", event) for event in events] == answers

    roll_out.waiting = [repeat, lambda _: finish_job(roll_out, job.json()["job_id"])]


def finish_job(roll_out: RollOut, job_id: str) -> None:
    """Let the sweeper send a job that an earlier mixture has accepted and begun."""
    deadline = time.monotonic() + 20
    while (state := roll_out.row(job_id)["state"]["S"]) != "succeeded":
        assert time.monotonic() < deadline, roll_out.row(job_id)
        if state == "accepted":
            roll_out.sweep()
        time.sleep(0.2)
    status = roll_out.api.get(f"/core/roll/job_status?job_id={job_id}", KEY)
    assert status.status == 200, status.text
    assert status.json()["result"] == {"attempt": 2}


def said(socket: Socket, message: Mapping[str, object]) -> Any:
    """Send a message and return its last frame."""
    socket.send(message)
    while True:
        frame = socket.json()
        if frame.get("id") == message["id"] and ("done" in frame or "seq" not in frame):
            return frame


@pytest.mark.nightly
def test_a_roll_out_loses_nothing(roll_out: RollOut) -> None:
    """In every mixture each call succeeds, and what one version has accepted the other one finishes.

    The engine ends a Lambda's running calls, where AWS lets them end: what ran during an update may fail. It
    also makes the APIs anew in a stack's update, so that clients begin after it.
    """
    with roll_out.connect() as socket:
        probe(roll_out, socket)
    assert "workers of 0.2 still run" in roll_out.upgrade()
    assert "in two steps" in roll_out.upgrade("-p", "EarlierWorkers=true")
    assert "can't begin" not in roll_out.upgrade("-p", "EarlierWorkers=true", "--quiet-time")
    roll_out.update_stack()
    assert "can't begin" not in roll_out.upgrade("-p", "EarlierWorkers=true")
    with roll_out.connect() as socket:
        probe(roll_out, socket)
        roll_out.prepare_flips()
        load = Load(roll_out.api)
        with load.running():
            probe(roll_out, socket)
            for group, version in FLIPS:
                with load.updating():
                    roll_out.flip(group, version)
                probe(roll_out, socket)
        for finish in roll_out.waiting:
            finish(socket)
    assert load.failed_between_updates == []
    for job_id in load.jobs():
        if roll_out.row(job_id)["state"]["S"] != "succeeded":
            roll_out.make_due(job_id)
    roll_out.sweep()
    deadline = time.monotonic() + 20
    while unfinished := [each for each in load.jobs() if roll_out.row(each)["state"]["S"] != "succeeded"]:
        assert time.monotonic() < deadline, [roll_out.row(job_id) for job_id in unfinished]
        time.sleep(0.2)
