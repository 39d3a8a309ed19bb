"""Published functions on a real deployment: a package's Lambda, two versions of it, and every way to them."""

import io
import json
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from silvaengine.registry.packages import POINTER_ITEM, PROTOCOL, release_digest, release_item
from silvaengine.tables import GENERATION_KEY
from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.main import cli

from .conftest import Deployment, wait_for_record
from .logs import FunctionLog
from .socket_client import Socket

TENANTS = ("e2e-shop-a", "e2e-shop-b")
SEEN_SECONDS = 15.0  # an instance soon looks for changes, and this machine is busy
CODE = """
from pathlib import Path
from silvaengine_base import current_invocation

RELEASE = {number}


class Till:
    def tell(self):
        return {{"release": RELEASE}}

    def write(self, path):
        with Path(path).open("a") as notes:
            notes.write(f"{{RELEASE}} {{current_invocation().attempt}}\\n")
        if current_invocation().attempt == 1:
            raise RuntimeError("the first attempt fails")
        return {{"release": RELEASE}}

    def note(self, path):
        Path(path).write_text(str(RELEASE))

    def risk(self, fails=""):
        if fails and RELEASE > 1:
            raise RuntimeError("this release fails")
        return {{"release": RELEASE}}
"""
FUNCTIONS: Mapping[str, Mapping[str, Any]] = {
    "serving": {"function_name": "tell"},
    "retried": {"function_name": "write", "funct_type": "Event", "backoff_seconds": 1},
    "noted": {"function_name": "note"},
    "risky": {"function_name": "risk"},
}


OPENED = """
endpoints:
  e2e-whole: {connection: own}
  e2e-part: {connection: own}
connections:
  - {endpoint: e2e-whole, packages: [store]}
  - {endpoint: e2e-part, functions: [{function: serving, package: store}]}
"""


class Package:
    """A package: its Lambda, with the role and the environment of the deployment's worker."""

    def __init__(self, deployment: Deployment, name: str = "store") -> None:
        self.name = name
        self._deployment = deployment
        self._lambda = deployment.engine.client("lambda")
        self._dynamodb = deployment.engine.client("dynamodb")
        self._table = f"{deployment.outputs.table_prefix}packages"
        worker = self._lambda.get_function_configuration(FunctionName=deployment.outputs.worker_arn)
        self.arn = deployment.outputs.worker_arn.removesuffix("-Worker") + f"-pkg-{name}"
        self._lambda.create_function(
            FunctionName=self.arn.rpartition(":")[2],
            Code={"ZipFile": self._artefact(0, "")},
            Layers=[layer["Arn"] for layer in worker["Layers"]],
            **{name: worker[name] for name in ("Runtime", "Role", "Handler", "Timeout", "Environment")},
        )
        self.first, self.second = self.publish(), self.publish()

    def publish(self) -> int:
        """Publish a version that tells its own number, and write its release; return the number."""
        versions = self._lambda.list_versions_by_function(FunctionName=self.arn)["Versions"]
        number = len(versions)  # $LATEST is among them
        functions = {
            name: {
                "area": "core",
                "config": {
                    "module_name": "e2e_shop",
                    "class_name": "Till",
                    "methods": ["GET", "POST"],
                    **config,
                },
            }
            for name, config in FUNCTIONS.items()
        }
        text, code = json.dumps(functions), f"{number:064}"
        digest = release_digest(self.name, code, text, is_isolated=False)
        version = self._lambda.update_function_code(
            FunctionName=self.arn, ZipFile=self._artefact(number, digest), Publish=True
        )["Version"]
        assert version == str(number)
        self._deployment.rows.put(
            "packages", function_arn=self.arn, item=release_item(number), package=self.name, release=number,
            protocol=PROTOCOL, code=code, functions=text, isolated=False, digest=digest,
        )  # fmt: skip
        return number

    def turn(self, number: int, **pins: int) -> None:
        """Let the pointer lead to a release, and announce it by the same write."""
        pointer = {
            "function_arn": {"S": self.arn},
            "item": {"S": POINTER_ITEM},
            "package": {"S": self.name},
            "release": {"N": str(number)},
            "changed_at": {"N": str(int(time.time()))},
            "pins": {"M": {endpoint_id: {"N": str(pin)} for endpoint_id, pin in pins.items()}},
        }
        generation = {
            "TableName": f"{self._deployment.outputs.table_prefix}configdata",
            "Key": {name: {"S": value} for name, value in GENERATION_KEY.items()},
            "UpdateExpression": "ADD #value :one",
            "ExpressionAttributeNames": {"#value": "value"},
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        self._dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": self._table, "Item": pointer}}, {"Update": generation}]
        )

    def serve(self, number: int, **pins: int) -> None:
        """Turn the pointer, and wait until the HTTP gateway has seen it for each tenant."""
        self.turn(number, **pins)
        for tenant in TENANTS:
            wanted = {"release": pins.get(tenant, number)}
            assert eventually(lambda tenant=tenant: self.ask(tenant), wanted) == wanted  # type: ignore[misc]

    def ask(self, tenant: str = TENANTS[0]) -> Any:
        """Return what a request gets."""
        response = self._deployment.api.get(f"/core/{tenant}/serving")
        return response.json() if response.status == 200 else response

    def _artefact(self, number: int, digest: str) -> bytes:
        built = self._deployment.project / ".aws-sam/build/Worker"
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for path in built.rglob("*"):
                if path.is_file() and path.name != "silvaengine_functions.txt":
                    archive.write(path, path.relative_to(built))
            archive.writestr("silvaengine_functions.txt", "e2e_shop\n")
            archive.writestr("e2e_shop.py", CODE.format(number=number))
            archive.writestr("silvaengine_release.json", json.dumps({"package": self.name, "digest": digest}))
        return written.getvalue()


def eventually(look: Callable[[], Any], wanted: Any) -> Any:
    """Look until it is as wanted, or the time is over; return what was seen last."""
    deadline = time.monotonic() + SEEN_SECONDS
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return seen


@pytest.fixture(scope="module")
def package(deployment: Deployment) -> Iterator[Package]:
    """Publish two releases, which two tenants may call."""
    made = Package(deployment)
    for tenant in TENANTS:
        deployment.rows.put("endpoints", endpoint_id=tenant, special_connection=True)
        deployment.rows.put(
            "connections",
            endpoint_id=tenant,
            api_key="#####",
            packages=[{"package": "store"}],
            grants=["jobs"],
        )
    made.serve(made.first)
    yield made
    made.serve(made.second)


@pytest.fixture
def serving_first(package: Package) -> Package:
    """Let the first release serve."""
    package.serve(package.first)
    return package


def test_a_turned_pointer_is_followed_and_a_pin_holds(serving_first: Package) -> None:
    """Two answers, each of one release; a pinned tenant stays, and goes along once it is no longer pinned."""
    package = serving_first
    assert package.ask() == {"release": package.first}
    package.serve(package.second, **{TENANTS[1]: package.first})
    assert [package.ask(tenant) for tenant in TENANTS] == [
        {"release": package.second},
        {"release": package.first},
    ]
    package.serve(package.second)


def test_a_warm_request_makes_one_aws_call(serving_first: Package, deployment: Deployment) -> None:
    """The Invoke alone; looks for changes, and what another instance has to read first, fall into a few."""
    made = Counter[tuple[str, ...]]()
    for _ in range(20):
        with deployment.proxy.recorded() as calls:
            serving_first.ask()
        made[tuple(calls)] += 1
    assert made["Lambda.Invoke",] >= 15, made


def test_every_way_in_leads_to_the_release(
    serving_first: Package, deployment: Deployment, tmp_path: Path
) -> None:
    """A keyed call, a message, an event and a direct call; the log line says which."""
    package, tenant = serving_first, TENANTS[0]
    log = deployment.gateway_log()
    key = {"idempotency-key": "e2e-shop"}
    keyed = [deployment.api.post(f"/core/{tenant}/serving", {}, key) for _ in range(2)]
    assert [response.json() for response in keyed] == [{"release": package.first}] * 2
    line = wait_for_record(log, lambda record: record.get("endpoint_id") == tenant)
    assert (line["package"], line["release"]) == ("store", package.first)
    query = urlencode({"endpointId": tenant, "area": "core"})
    with Socket(f"{deployment.outputs.websocket_url}?{query}") as socket:
        socket.send({"id": "1", "funct": "serving"})
        assert socket.json()["data"] == {"release": package.first}
    note = tmp_path / "note"
    deployment.engine.client("sqs").send_message(
        QueueUrl=queue_url(deployment),
        MessageBody=json.dumps({"params": {"path": str(note)}}),
        MessageAttributes={
            "endpoint_id": {"DataType": "String", "StringValue": tenant},
            "funct": {"DataType": "String", "StringValue": "noted"},
        },
    )
    assert eventually(lambda: note.exists() and note.read_text(), str(package.first)) == str(package.first)


def test_a_job_and_its_retry_stay_on_the_release_that_accepted_it(
    serving_first: Package, deployment: Deployment, tmp_path: Path
) -> None:
    """The first attempt fails, the pointer turns, the sweeper sends the job to the first release again."""
    package, notes = serving_first, tmp_path / "notes"
    accepted = deployment.api.post(f"/core/{TENANTS[0]}/retried", {"path": str(notes)})
    assert accepted.status == 202
    job_id = accepted.json()["job_id"]
    assert job_id.startswith("store-")
    first_attempt = f"{package.first} 1\n"
    assert eventually(lambda: notes.exists() and notes.read_text(), first_attempt) == first_attempt
    package.serve(package.second)

    def status() -> Any:
        deployment.sweep()
        path = f"/core/{TENANTS[0]}/job_status?job_id={job_id}"
        facts = deployment.api.get(path).json()
        return facts.get("result")

    assert eventually(status, {"release": package.first}) == {"release": package.first}
    assert notes.read_text() == f"{first_attempt}{package.first} 2\n"


def test_the_versions_log_what_they_serve(serving_first: Package, deployment: Deployment) -> None:
    """A package has a log of its own."""
    log = FunctionLog(deployment.engine, serving_first.arn)
    serving_first.ask()
    assert wait_for_record(log, lambda record: record.get("service") == "worker")["status"] == 200


def test_a_registry_file_opens_packages_and_functions_of_them(
    serving_first: Package, deployment: Deployment, tmp_path: Path
) -> None:
    """What `apply` writes the gateways follow, and `show` says; a function that isn't opened is missing."""
    file = tmp_path / "registry.yaml"
    file.write_text(OPENED)
    applied = command(deployment, "apply", "--file", str(file))
    assert applied["changes"]
    tenants, first = ("e2e-whole", "e2e-part"), serving_first.first
    for tenant in tenants:
        wanted = {"release": first}
        assert eventually(partial(serving_first.ask, tenant), wanted) == wanted
    paths = (f"/core/{tenant}/noted?path={tmp_path}/note" for tenant in tenants)
    assert [deployment.api.get(path).status for path in paths] == [200, 404]
    shown = command(deployment, "show", "e2e-part")
    assert (shown["functions"], shown["packages"]) == (["serving"], {"store": first})
    assert command(deployment, "show", "e2e-whole", "serving")["release"] == first
    assert command(deployment, "diff", "--file", str(file))["changes"] == []


def command(deployment: Deployment, *arguments: str) -> Any:
    """Return the JSON of a command on the deployment."""
    options = ("--stack", LOCAL_STACK, "--endpoint-url", deployment.engine.url, "--json")
    done = CliRunner(mix_stderr=False).invoke(cli, [*arguments, *options])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def queue_url(deployment: Deployment) -> str:
    """Return the URL of the deployment's queue."""
    resource = deployment.engine.client("cloudformation").describe_stack_resource(
        StackName=deployment.outputs.worker_arn.rpartition(":")[2].removesuffix("-Worker"),
        LogicalResourceId="EventQueue",
    )
    url: str = resource["StackResourceDetail"]["PhysicalResourceId"]
    return url
