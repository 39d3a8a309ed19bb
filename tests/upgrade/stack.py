"""A stack of the last release that becomes this version's, as a whole and one Lambda after the other."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.main import cli
from silvaengine_cli.packages import FUNCTIONS_FOLDER
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.watch import REGISTRY_FILE

from ..e2e.http_client import Api
from ..e2e.second_stack import update_parameters
from ..e2e.socket_client import Socket
from . import last_release
from .load import KEY, InvokedApi

GROUPS = {
    "workers": ("Worker",),
    "tasks": ("Tasks",),
    "websocket": ("WebsocketGateway", "Broadcaster"),
    "http": ("HttpGateway",),
}
REGISTRY = {
    "endpoints": "  roll: {connection: own}\n",
    "functions": """\
  hail: {call: "roll_out:hail", area: core}
  relay: {call: "roll_out:relay", area: core}
  keyed: {call: "roll_out:keyed", area: core}
  second_time: {call: "roll_out:second_time", area: core, type: Event, backoff_seconds: 1}
  note: {call: "roll_jobs:note", area: core, type: Event}
""",
    "connections": f"""\
  - endpoint: roll
    api_key: {KEY["x-api-key"]}
    functions: [hail, relay, keyed, second_time, note, countdown, say]
""",
}
PACKAGES = {"roll": "roll_out", "rolljobs": "roll_jobs"}  # and the modules that move into them


def add_functions(project: Path) -> None:
    """Let a project's worker ship the tests' functions, and its registry open them."""
    functions, registry = project / FUNCTIONS_FOLDER, project / REGISTRY_FILE
    for module, name in (("roll_out", "functions.py"), ("roll_jobs", "job_functions.py")):
        shutil.copyfile(Path(__file__).with_name(name), functions / f"{module}.py")
    lines = registry.read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if "packages:" not in line)  # the last release has none
    for section, ours in REGISTRY.items():
        text = text.replace(f"\n{section}:\n", f"\n{section}:\n{ours}", 1)
    registry.write_text(text)


def run(*command: str) -> str:
    """Return what `silvaengine` prints; 1 is the code of a refusal."""
    outcome = CliRunner().invoke(cli, command, terminal_width=200)
    assert outcome.exit_code == ("Error:" in outcome.output), (outcome.output, outcome.exception)
    return outcome.output


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


class RollOut:
    """A stack that is changed, with its clients."""

    def __init__(self, engine: LocalEngine, versions: Versions, parameters: Mapping[str, str]) -> None:
        self._engine = engine
        self.versions = versions
        self._parameters = parameters
        self.outputs = last_release.deploy(versions.last, engine, parameters)
        self.register()
        self._policies = dict(self._policies_of_tasks())
        self._environments = {name: self._environment(name) for group in GROUPS.values() for name in group}
        self.version = dict.fromkeys(GROUPS, "last")
        self.waiting: list[Callable[[Socket], None]] = []

    @property
    def where(self) -> tuple[str, ...]:
        """The options of a command that name the engine."""
        return ("--endpoint-url", self._engine.url, "--region", "us-east-1")

    @property
    def api(self) -> Api:
        """The REST API."""
        return Api(self.outputs["ApiUrl"])

    @property
    def http_gateway(self) -> Api:
        """The REST API's Lambda."""
        return InvokedApi(self._engine.client("lambda"), self._name("HttpGateway"))

    def connect(self) -> Socket:
        """Return an open connection."""
        return Socket(f"{self.outputs['WebsocketUrl']}?endpointId=roll&area=core", KEY)

    def register(self) -> None:
        """Apply this version's registry."""
        tables = RegistryTables(self._engine.client("dynamodb"), self.outputs["TablePrefix"])
        apply_file(self.versions.this / REGISTRY_FILE, tables, self.outputs["WorkerArn"])

    def update_stack(self, **more: str) -> None:
        """Deploy this version, as RELEASING says; with more parameters than the first step has."""
        parameters = {**self._parameters, "EarlierWorkers": "true", **more}
        deploy.deploy(self.versions.this, self._engine, parameters=parameters)
        self.note_update()

    def change_parameters(self, **changed: str) -> None:
        """Update the stack of this version's template, which is what the second step does."""
        update_parameters(self._engine, deploy.LOCAL_STACK, changed)
        self.note_update()

    def note_update(self) -> None:
        """Read what the stack is since it was updated: the engine gives its API another address."""
        self.outputs = last_release.outputs(self._engine)
        self.version = dict.fromkeys(GROUPS, "this")

    def upgrade(self, *arguments: str) -> str:
        """Return what `silvaengine upgrade` prints of the stack."""
        return self.run("upgrade", "local", *arguments)

    def run(self, *command: str) -> str:
        """Return what a command prints of the stack."""
        return run(*command, "--stack", deploy.LOCAL_STACK, *self.where)

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
        code = self.versions.code(version, function)
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
