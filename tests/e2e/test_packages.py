"""Function packages in the predecessor's style, unmodified, on rows that its tools wrote."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine

from .conftest import PROJECT, copy_project
from .http_client import Api
from .registry_rows import Rows

PACKAGES = PROJECT / "tests/e2e/packages"
OLD_WORKER = "arn:aws:lambda:us-east-1:123456789012:function:silvaengine_microcore"
FUNCTIONS = {
    "plain_echo": ("plain_engine", "PlainEngine"),
    "pet_graphql": ("pet_engine", "PetEngine"),
    "dispatch": ("action_engine", "ActionEngine"),
    "shop_lex_dispatch": ("lex_engine", "LexEngine"),
    "take_message": ("queue_engine", "QueueEngine"),
}
V2_EVENT = json.loads((PROJECT / "tests/events/http_api_v2.json").read_text())


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the packages and their own requirements, built."""
    project = copy_project(tmp_path_factory.mktemp("migrated") / "project")
    functions = project / "services/worker/functions"
    for source in PACKAGES.rglob("*.*"):
        target = functions / source.relative_to(PACKAGES)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    deploy.build(project)
    return project


@pytest.fixture(scope="module")
def stack(engine: LocalEngine, migrated: Path) -> deploy.StackOutputs:
    """A stack of them, whose rows name the predecessor's worker."""
    parameters = {
        "TablePrefix": "old-",
        "WorkerArnMap": "silvaengine_microcore",
        "CacheDir": str(migrated.parent / "cache"),
    }
    outputs = deploy.deploy(migrated, engine, stack="migrated", parameters=parameters)
    allow_pets(engine, outputs)
    put_rows(Rows(engine.client("dynamodb"), "old-"))
    return outputs


def allow_pets(engine: LocalEngine, outputs: deploy.StackOutputs) -> None:
    """Let the worker use the package's own table, as an operator must: its role has the system's alone."""
    configuration = engine.client("lambda").get_function_configuration(FunctionName=outputs.worker_arn)
    actions = ["CreateTable", "DescribeTable", "GetItem", "PutItem", "Query"]
    statement = {
        "Effect": "Allow",
        "Action": [f"dynamodb:{action}" for action in actions],
        "Resource": "arn:aws:dynamodb:us-east-1:*:table/pets",
    }
    engine.client("iam").put_role_policy(
        RoleName=configuration["Role"].rpartition("/")[2],
        PolicyName="pets",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def put_rows(rows: Rows) -> None:
    """Write what the predecessor's deployment wrote: common connection, no revision, the old ARN."""
    rows.put("endpoints", endpoint_id="acme", special_connection=False)
    rows.put("configdata", setting_id="plain_engine", variable="region_name", value="us-east-1")
    entries = []
    for name, (module, class_name) in FUNCTIONS.items():
        config = {
            "class_name": class_name,
            "module_name": module,
            "funct_type": "RequestResponse",
            "methods": ["POST", "GET"],
            "setting": "plain_engine",
            "auth_required": False,
            "graphql": False,
            "operations": {"mutation": [], "query": []},
        }
        rows.put("functions", aws_lambda_arn=OLD_WORKER, function=name, area="core", config=config)
        entries.append({"aws_lambda_arn": OLD_WORKER, "function": name, "setting": ""})
    unknown = {"aws_lambda_arn": f"{OLD_WORKER}_2", "function": "lost", "setting": ""}
    rows.put("functions", aws_lambda_arn=f"{OLD_WORKER}_2", function="lost", area="core", config=config)
    rows.put("connections", endpoint_id="1", api_key="#####", functions=[*entries, unknown])


@pytest.fixture(params=["v1", "v2"])
def send(request: pytest.FixtureRequest, stack: deploy.StackOutputs, engine: LocalEngine) -> Any:
    """Send a body to a path by REST, or by an HTTP API's event in payload 2.0; gives status and text."""

    def by_rest(path: str, body: Any) -> tuple[int, str, str]:
        answer = Api(stack.api_url).post(path, body)
        return answer.status, answer.text, answer.headers["content-type"]

    def by_event(path: str, body: Any) -> tuple[int, str, str]:
        area, endpoint, proxy = path.removeprefix("/").split("/", 2)
        event = json.loads(json.dumps(V2_EVENT))
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["requestContext"]["http"]["method"] = "POST"
        event["headers"] = {"content-type": "application/json"}
        event |= {"body": json.dumps(body), "isBase64Encoded": False, "rawQueryString": ""}
        event["queryStringParameters"] = {}
        event["pathParameters"] = {"area": area, "endpoint_id": endpoint, "proxy": proxy}
        event["requestContext"]["stage"] = "$default"
        answer = engine.client("lambda").invoke(
            FunctionName=stack.http_gateway_arn, Payload=json.dumps(event)
        )
        answer = json.loads(answer["Payload"].read())
        return answer["statusCode"], answer["body"], answer["headers"]["Content-Type"]

    return by_rest if request.param == "v1" else by_event


def test_plain_json(send: Any) -> None:
    """The function's own text goes out byte for byte; its settings and tenant are there."""
    status, text, _ = send("/core/acme/plain_echo", {"n": 1.5, "endpoint_id": "globex"})
    params = {"endpoint_id": "acme", "area": "core", "n": 1.5}
    assert (status, json.loads(text)) == (200, {"params": params, "region": "us-east-1", "channel": "acme"})
    assert text.startswith('{\n  "params": {\n    "')


def test_graphql_engine(send: Any) -> None:
    """Graphene is the package's own version; its tables, cache and base class work."""
    path = "/core/acme/pet_graphql"
    insert = {
        "query": "mutation M($n: String!) { insertPet(name: $n) { pet { name } } }",
        "variables": {"n": "Rex"},
    }
    assert json.loads(send(path, insert)[1]) == {"data": {"insertPet": {"pet": {"name": "Rex"}}}}
    _, text, _ = send(path, {"query": '{ version pet(name: "Rex") { data } }'})
    data = {"endpoint_id": "acme", "name": "Rex", "legs": 4}
    assert json.loads(text) == {"data": {"version": "2", "pet": {"data": data}}}


def test_graphql_errors_are_a_200(send: Any) -> None:
    """They are in the body, where GraphQL's clients look."""
    status, text, _ = send("/core/acme/pet_graphql", {"query": "{ nothing }"})
    assert status == 200
    assert "nothing" in json.loads(text)["errors"][0]["message"]


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("spec", "application/x-yaml", "openapi: 3.0.0\nservers:\n- url: acme\n"),
        ("status", "application/json", '{\n  "status": "ok"\n}'),
    ],
)
def test_action_dispatcher(send: Any, path: str, kind: str, text: str) -> None:
    """What follows the function's name picks the action; YAML and JSON go out as what they are."""
    assert send(f"/core/acme/dispatch/{path}", {}) == (200, text, kind)


def test_lex_function(send: Any) -> None:
    """A dict is an answer."""
    status, text, _ = send("/core/acme/shop_lex_dispatch", {"currentIntent": {"name": "Order"}})
    assert status == 200
    assert json.loads(text)["dialogAction"]["message"]["content"] == "Order"


def test_queue_worker(send: Any) -> None:
    """What a queue's message holds comes back from the cache of the old name."""
    status, text, _ = send("/core/acme/take_message", {"order": {"id": 7}})
    assert (status, json.loads(text)["order"]) == (200, {"id": 7})


def test_an_unmapped_worker(send: Any) -> None:
    """A row whose ARN is neither mapped nor listed is a bad gateway, without its name."""
    status, text, _ = send("/core/acme/lost", {})
    assert status == 502
    assert "arn:" not in text


def test_requirements_of_packages_come_before_the_layers(migrated: Path) -> None:
    """In AWS's order of paths, which isn't the local engine's, a package gets the versions that it pins."""
    built = migrated / ".aws-sam/build"
    code = "import sys; sys.path[:0] = sys.argv[1:]; import pet_engine, graphene, pynamodb;"
    code += "print(graphene.__version__, pynamodb.__version__, pynamodb.__file__)"
    command: list[str | Path] = [
        sys.executable,
        "-I",
        "-c",
        code,
        built / "Worker",
        built / "SharedLayer/python",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split()[:2] == ["2.1.9", "5.5.1"], done.stderr
    assert done.stdout.split()[2].startswith(str(built / "Worker"))
