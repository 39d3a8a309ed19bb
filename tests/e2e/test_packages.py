"""Function packages in the predecessor's style, unmodified, on rows that its tools wrote."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine

from .conftest import PROJECT, copy_project
from .http_client import Api
from .registry_rows import Rows
from .second_stack import update_parameters
from .socket_client import RefusedError, Socket

PACKAGES = PROJECT / "tests/e2e/packages"
OLD_WORKER = "arn:aws:lambda:us-east-1:123456789012:function:silvaengine_microcore"
FUNCTIONS = {
    "plain_echo": ("plain_engine", "PlainEngine"),
    "pet_graphql": ("pet_engine", "PetEngine"),
    "member_graphql": ("pet_engine", "PetEngine"),
    "dispatch": ("action_engine", "ActionEngine"),
    "shop_lex_dispatch": ("lex_engine", "LexEngine"),
    "talk_stream": ("talk_engine", "TalkEngine"),
    **dict.fromkeys(
        ("take_message", "taken_message", "send_message", "describe_pet", "ask_nonsense", "go_around"),
        ("queue_engine", "QueueEngine"),
    ),
}
QUEUE = "silvaengine_tasks.fifo"
PLAIN = """{
  "params": {
    "endpoint_id": "acme",
    "area": "core",
    "n": 1.5,
    "whole": 3,
    "names": [
      "Grüße",
      "日本"
    ],
    "at": "2026-01-02T03:04:05Z"
  },
  "region": "us-east-1",
  "channel": "acme"
}"""
V2_EVENT = json.loads((PROJECT / "tests/events/http_api_v2.json").read_text())


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the packages and their own requirements, built."""
    project = copy_project(tmp_path_factory.mktemp("migrated") / "project")
    for folder, place in (("functions", "services/worker/functions"), ("authorizers", "authorizers")):
        shutil.copytree(PACKAGES / folder, project / place, dirs_exist_ok=True)
    deploy.build(project)
    return project


@pytest.fixture(scope="module")
def parameters(migrated: Path) -> dict[str, str]:
    """What the stack is deployed with, beside adopted tables."""
    return {
        "TablePrefix": "old-",
        "WorkerArnMap": "silvaengine_microcore",
        "CacheDir": str(migrated.parent / "cache"),
        "TasksFunctionName": "silvaengine_agenttask",
        "EventQueueArn": f"arn:aws:sqs:us-east-1:000000000000:{QUEUE}",
    }


@pytest.fixture(scope="module")
def stack(engine: LocalEngine, migrated: Path, parameters: dict[str, str]) -> deploy.StackOutputs:
    """A stack of them, whose rows name the predecessor's worker."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "2000"}
    engine.client("sqs").create_queue(QueueName=QUEUE, Attributes=attributes)
    outputs = deploy.deploy(migrated, engine, stack="migrated", parameters=parameters)
    allow_what_packages_use(engine, outputs)
    rows = Rows(engine.client("dynamodb"), "old-")
    put_rows(rows)
    *_, api_id, api_stage = outputs.websocket_url.split("/")
    # On AWS the package makes the address of its id and stage by itself.
    api = {"api_id": api_id, "api_stage": api_stage, "api_url": outputs.websocket_url.replace("ws:", "http:")}
    for variable, value in api.items():
        rows.put("configdata", setting_id="plain_engine", variable=variable, value=value)
    return outputs


def allow_what_packages_use(engine: LocalEngine, outputs: deploy.StackOutputs) -> None:
    """Let the worker use the packages' own table and queue, as an operator must."""
    configuration = engine.client("lambda").get_function_configuration(FunctionName=outputs.worker_arn)
    rights = {
        "arn:aws:dynamodb:us-east-1:*:table/pets": [
            f"dynamodb:{action}" for action in ("CreateTable", "DescribeTable", "GetItem", "PutItem", "Query")
        ],
        f"arn:aws:sqs:us-east-1:*:{QUEUE}": ["sqs:GetQueueUrl", "sqs:SendMessage"],
    }
    statements = [{"Effect": "Allow", "Action": actions, "Resource": arn} for arn, actions in rights.items()]
    engine.client("iam").put_role_policy(
        RoleName=configuration["Role"].rpartition("/")[2],
        PolicyName="packages",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )


def put_rows(rows: Rows) -> None:
    """Write what the predecessor's deployment wrote: common key row, no revision, the old ARN."""
    rows.put("endpoints", endpoint_id="acme", special_connection=False)
    rows.put("endpoints", endpoint_id="globex", special_connection=False)
    settings = {"region_name": "us-east-1", "task_queue_name": QUEUE}
    for variable, value in settings.items():
        rows.put("configdata", setting_id="plain_engine", variable=variable, value=value)
    users = {"Bearer a": "ada", "Bearer g": "grace"}
    for area in ("core", "members"):
        rows.put("configdata", setting_id=f"beta_{area}_acme", variable="users", value=users)
    entries = []
    for name, (module, class_name) in FUNCTIONS.items():
        is_guarded = name == "member_graphql"
        config: dict[str, Any] = {
            "class_name": class_name,
            "module_name": module,
            "funct_type": "Event" if name == "talk_stream" else "RequestResponse",
            "methods": ["POST", "GET"],
            "setting": "plain_engine",
            "auth_required": is_guarded,
            "graphql": is_guarded,
            "operations": {"mutation": [], "query": []},
        }
        area = "members" if is_guarded else "core"
        rows.put("functions", aws_lambda_arn=OLD_WORKER, function=name, area=area, config=config)
        entries.append({"aws_lambda_arn": OLD_WORKER, "function": name, "setting": ""})
    whitelist = ["127.0.0.0/8", "192.0.2.1"]
    rows.put("connections", endpoint_id="1", api_key="#####", functions=entries, whitelist=whitelist)


@pytest.fixture(params=["v1", "v2"])
def send(request: pytest.FixtureRequest, stack: deploy.StackOutputs, engine: LocalEngine) -> Any:
    """Send a body to a path by REST, or by an HTTP API's event in payload 2.0; gives status and text."""

    def by_rest(path: str, body: Any, token: str = "") -> tuple[int, str, str]:
        response = Api(stack.api_url).post(path, body, {"Authorization": token})
        return response.status, response.text, response.headers["content-type"]

    def by_event(path: str, body: Any, token: str = "") -> tuple[int, str, str]:
        area, endpoint, proxy = path.removeprefix("/").split("/", 2)
        event = json.loads(json.dumps(V2_EVENT))
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["requestContext"]["http"]["method"] = "POST"
        event["headers"] = {"content-type": "application/json", "authorization": token}
        event |= {"body": json.dumps(body), "isBase64Encoded": False, "rawQueryString": ""}
        event["queryStringParameters"] = {}
        event["pathParameters"] = {"area": area, "endpoint_id": endpoint, "proxy": proxy}
        event["requestContext"]["stage"] = "$default"
        response = engine.client("lambda").invoke(
            FunctionName=stack.http_gateway_arn, Payload=json.dumps(event)
        )
        response = json.loads(response["Payload"].read())
        return response["statusCode"], response["body"], response["headers"]["Content-Type"]

    return by_rest if request.param == "v1" else by_event


def test_a_functions_json_text_goes_out_byte_for_byte(send: Any) -> None:
    """The function's own text goes out byte for byte; its settings and tenant are there."""
    body = {"n": 1.5, "whole": 3, "names": ["Grüße", "日本"], "at": "2026-01-02T03:04:05Z", "none": None}
    status, text, kind = send("/core/acme/plain_echo", body)
    assert (status, kind) == (200, "application/json")
    assert text == PLAIN


def test_a_graphql_package_works_unmodified(send: Any) -> None:
    """Graphene is the package's own version; its tables, cache and base class work."""
    path = "/core/acme/pet_graphql"
    insert = {
        "query": "mutation M($n: String!) { insertPet(name: $n) { pet { name } } }",
        "variables": {"n": "Rex"},
    }
    assert json.loads(send(path, insert)[1]) == {"data": {"insertPet": {"pet": {"name": "Rex"}}}}
    found = ask_until_there(send, path, {"query": '{ version pet(name: "Rex") { data } }'})
    data = {"endpoint_id": "acme", "name": "Rex", "legs": 4}
    assert found == {"data": {"version": "2", "pet": {"data": data}}}


def ask_until_there(send: Any, path: str, body: object) -> Any:
    """Ask for a row that was just written; the package doesn't ask for consistency."""
    deadline = time.monotonic() + 10
    while True:
        status, text, _ = send(path, body)
        if time.monotonic() > deadline or (status == 200 and "errors" not in json.loads(text)):
            return json.loads(text)
        time.sleep(0.1)


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
def test_a_dispatcher_picks_its_action_by_the_path(send: Any, path: str, kind: str, text: str) -> None:
    """What follows the function's name picks the action; YAML and JSON go out as what they are."""
    assert send(f"/core/acme/dispatch/{path}", {}) == (200, text, kind)


def test_a_dict_is_an_answer(send: Any) -> None:
    """A dict is a response."""
    status, text, _ = send("/core/acme/shop_lex_dispatch", {"currentIntent": {"name": "Order"}})
    assert status == 200
    assert json.loads(text)["dialogAction"]["message"]["content"] == "Order"


@pytest.mark.parametrize("way", ["queue", "event"])
def test_functions_call_one_another_without_waiting(stack: deploy.StackOutputs, way: str) -> None:
    """By a FIFO queue or an event to the tasks Lambda, whose function asks a third one and waits."""
    api, order = Api(stack.api_url), {"id": 7, "price": 1.5, "at": "2026-01-02T03:04:05Z"}
    assert api.post("/core/acme/send_message", {"order": order, "way": way}).text == "null"
    deadline = time.monotonic() + 30
    while not (taken := api.get(f"/core/acme/taken_message?via={way}").json()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert taken == {"endpoint_id": "acme", "via": way, "order": order | {"at": "2026-01-02T03:04:05"}}


def test_a_function_queries_another(send: Any) -> None:
    """Its schema and its data come through the tasks Lambda."""
    insert = {"query": 'mutation { insertPet(name: "Bo") { pet { name } } }'}
    assert send("/core/acme/pet_graphql", insert)[0] == 200
    data = {"endpoint_id": "acme", "name": "Bo", "legs": 4}
    found = ask_until_there(send, "/core/acme/describe_pet", {"name": "Bo"})
    assert found == {"pet": {"name": "Bo", "data": data}}


def test_errors_of_a_called_function_fail_the_caller(send: Any) -> None:
    """A client is told which function failed, and no more."""
    status, text, _ = send("/core/acme/ask_nonsense", {})
    assert (status, json.loads(text)["error"]) == (502, "Function 'pet_graphql' failed")


def test_a_loop_of_functions_ends(stack: deploy.StackOutputs, engine: LocalEngine) -> None:
    """A function that calls itself is ended after eight calls, in words that reach the first caller.

    It begins with the seventh: each call holds two more of the engine's instances.
    """
    call = {"endpoint_id": "acme", "funct": "go_around", "hops": 7, "deadline": time.time() + 20}
    response = engine.client("lambda").invoke(FunctionName=stack.tasks_arn, Payload=json.dumps(call))
    response = json.loads(response["Payload"].read())
    words = "Functions have called one another more than 8 times; this looks like a loop"
    assert (response["kind"], response["status"], response["value"]) == ("error", 508, words)


def test_a_function_posts_to_its_connection(stack: deploy.StackOutputs) -> None:
    """A deployed client's message reaches an Event function, whose chunks arrive as it posted them."""
    url = f"{stack.websocket_url}?endpointId=acme&area=core"
    with pytest.raises(RefusedError):
        Socket(url, {"Authorization": "Bearer x"})
    with Socket(url, {"Authorization": "Bearer g"}) as socket:
        payload = json.dumps({"text": "Grüße aus Wien"})
        socket.send({"action": "stream", "funct": "talk_stream", "payload": payload})
        frames = [socket.receive() for _ in range(4)]
    chunks = [json.loads(frame) for frame in frames]
    assert [chunk["chunk"] for chunk in chunks] == ["Grüße", "aus", "Wien", ""]
    assert [chunk["index"] for chunk in chunks] == [0, 1, 2, 3]
    assert frames[3] == '{\n  "index": 3,\n  "chunk": "",\n  "is_message_end": true\n}'


MEMBERS = "/members/acme/member_graphql"


@pytest.mark.parametrize(
    ("token", "query", "status", "words"),
    [
        ("Bearer g", "{ version }", 200, '"grace",\n    [\n      {\n        "name": "member"\n'),
        ("Bearer a", 'mutation { insertPet(name: "Al") { pet { name } } }', 200, '"name": "admin"'),
        ("Bearer g", 'mutation { insertPet(name: "Al") { pet { name } } }', 403, "Access denied"),
        ("Bearer x", "{ version }", 403, "Token is unknown"),
        ("broken", "{ version }", 403, "Access denied"),
    ],
)
def test_an_authorizer_package(send: Any, token: str, query: str, status: int, words: str) -> None:
    """It reads settings, whitelist and query by the library's names; claims and roles reach the function."""
    found, text, _ = send(MEMBERS, {"query": query}, token)
    assert (found, words in text) == (status, True), text


@pytest.mark.parametrize(
    ("token", "effect", "claims"),
    [
        ("Bearer g", "Allow", {"user_id": "grace", "is_admin": False}),
        ("Bearer x", "Deny", {"error_message": "Token is unknown"}),
        ("broken", "Deny", {"error_message": "Access denied"}),
    ],
)
def test_api_gateway_asks_the_authorizer_package(
    stack: deploy.StackOutputs, engine: LocalEngine, token: str, effect: str, claims: dict[str, Any]
) -> None:
    """A policy for what was asked; a known defect: the package's failure ended in another, not in a Deny."""
    event = {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:us-east-1:123456789012:api/beta/GET{MEMBERS}",
        "path": MEMBERS,
        "httpMethod": "GET",
        "headers": {"Authorization": token},
        "queryStringParameters": {"query": "{ version }"},
        "pathParameters": {"area": "members", "endpoint_id": "acme", "proxy": "member_graphql"},
        "requestContext": {"stage": "beta", "identity": {"sourceIp": "127.0.0.1"}},
    }
    response = engine.client("lambda").invoke(FunctionName=stack.http_gateway_arn, Payload=json.dumps(event))
    policy = json.loads(response["Payload"].read())
    (statement,) = policy["policyDocument"]["Statement"]
    assert statement == {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [event["methodArn"]]}
    assert policy["context"].items() >= claims.items()


def test_rows_name_the_worker_and_the_parameter_its_alias(
    stack: deploy.StackOutputs, engine: LocalEngine
) -> None:
    """Calls go to the alias once the parameter names it; where it leads to nothing they fail."""
    functions, api = engine.client("lambda"), Api(stack.api_url)
    version = functions.publish_version(FunctionName=stack.worker_arn)["Version"]
    functions.create_alias(FunctionName=stack.worker_arn, Name="live", FunctionVersion=version)
    update_parameters(engine, "migrated", {"WorkerAlias": "live"})
    assert api.post("/core/acme/dispatch/status", {}).json() == {"status": "ok"}
    functions.delete_alias(FunctionName=stack.worker_arn, Name="live")
    assert api.post("/core/acme/dispatch/status", {}).status == 502


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
