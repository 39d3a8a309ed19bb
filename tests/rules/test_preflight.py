"""What AWS would refuse of the template is found on paper, for every set of parameters."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from silvaengine_cli.commands.preflight import parameter_sets
from silvaengine_cli.preflight.rules import RULES, schemas
from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.preflight.template import Resources
from silvaengine_cli.preflight.updates import conflicts
from silvaengine_cli.project import Project

from .conftest import TEMPLATE

SETS = parameter_sets()


def stack(name: str = "silvaengine", **parameters: str) -> Stack:
    """Return a stack of the template."""
    return Stack.of(TEMPLATE, name, parameters)


def findings(found: Stack) -> list[str]:
    """Return all that the rules find."""
    return [*schemas(found), *quick_findings(found)]


def quick_findings(found: Stack) -> list[str]:
    """Return all that the rules find but for cfn-lint's, which take seconds."""
    return [each for rule in RULES if rule is not schemas for each in rule(found)]


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_parameters_can_be_deployed(name: str) -> None:
    """AWS refuses nothing that can be seen on paper, nor the update from the defaults."""
    made = stack(**SETS[name])
    assert quick_findings(made) == []
    assert list(conflicts(stack(), made)) == []


# By day it is the defaults', and below the one of all sets together: each takes cfn-lint seconds.
@pytest.mark.parametrize(
    "name", [name if name == "defaults" else pytest.param(name, marks=pytest.mark.nightly) for name in SETS]
)
def test_a_set_of_parameters_is_valid_to_the_schemas(name: str) -> None:
    """No resource of it is one that cfn-lint refuses."""
    assert list(schemas(stack(**SETS[name]))) == []


def test_the_sets_name_every_condition() -> None:
    """Each condition of the template holds in one set and fails in another."""
    conditional = [name for name, each in TEMPLATE["Resources"].items() if "Condition" in each]
    made = [stack(**parameters).resources for parameters in SETS.values()]
    assert [name for name in conditional if not any(name in each for each in made)] == []
    assert [name for name in conditional if all(name in each for each in made)] == []


def test_the_longest_name_of_a_stack_fits() -> None:
    """A stack may have 47 characters, as docs/deploy.md says, and no more."""
    everything = {name: value for each in SETS.values() for name, value in each.items()}
    everything["ApiKind"] = "rest"  # an HTTP API takes no web ACL
    assert findings(stack("s" * 47, **everything)) == []
    assert any("FunctionName" in each for each in schemas(stack("s" * 48, **everything)))


def test_lambda_s_own_lines_are_left_out_on_demand() -> None:
    """Of all functions: in its JSON format Lambda writes warnings alone; its text format has no levels."""
    for log_format, level in (("Text", {}), ("JSON", {"SystemLogLevel": "WARN"})):
        for name, function in stack(LogFormat=log_format).of_type("AWS::Lambda::Function").items():
            expected = {"LogFormat": log_format, **level, "LogGroup": {"Ref": f"{name}Logs"}}
            assert function["Properties"]["LoggingConfig"] == expected


def put(resources: Resources, resource: str, **properties: Any) -> None:
    """Set properties of a resource."""
    resources[resource]["Properties"].update(properties)


def statements(resources: Resources, policy: str) -> list[dict[str, Any]]:
    """Return the statements of a policy, to be changed."""
    found: list[dict[str, Any]] = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
    return found


def multiply(resources: Resources, policy: str, times: int) -> None:
    """Write each statement of a policy several times."""
    statements(resources, policy).extend(statements(resources, policy) * times)


def let_read_another_stream(resources: Resources) -> None:
    """Give the tasks' right to read a stream for another table's."""
    for each in statements(resources, "TasksPolicy"):
        if "dynamodb:GetRecords" in each["Action"]:
            each["Resource"] = "arn:aws:dynamodb:eu-central-1:111122223333:table/other/stream/*"


def forbid_sockets(resources: Resources) -> None:
    """Take all permissions of the WebSocket API away."""
    for name in [name for name in resources if name.startswith("WebsocketApi") and "Permission" in name]:
        del resources[name]


HANDLES = {f"Handle{number}": {"Type": "AWS::CloudFormation::WaitConditionHandle"} for number in range(500)}
# What is wrong with a stack, by the beginning of what is found: of cfn-lint in one run, for it takes seconds.
LINTED: dict[str, Callable[[Resources], object]] = {
    "E3004 Resources/EventQueue": lambda it: it["EventQueue"].update(DependsOn="TasksQueue"),
    "E1010 Resources/SweeperPolicy/": lambda it: it.pop("DeadLetterQueue"),
    "E3031 Resources/Worker/Properties/FunctionName": lambda it: put(it, "Worker", FunctionName="a b"),
    "E3010 Resources": lambda it: it.update(HANDLES),
    "E3027 Resources/EventScheduleRule": lambda it: put(
        it, "EventScheduleRule", ScheduleExpression="rate(1 hours)"
    ),
}
BROKEN: dict[str, Callable[[Resources], object]] = {
    "WorkerRole: its inline policies have": lambda it: multiply(it, "WorkerPolicy", 8),
    "QueuesPolicy: its policy has": lambda it: multiply(it, "QueuesPolicy", 200),
    "PackageBoundary: its policy has": lambda it: multiply(it, "PackageBoundary", 2),
    "Worker: its environment has": lambda it: put(
        it, "Worker", Environment={"Variables": {"NAME": "y" * 4_096}}
    ),
    "RestApibetaStage: 'my.stage' is no name": lambda it: put(it, "RestApibetaStage", StageName="my.stage"),
    "TasksQueue: EventQueue hides": lambda it: put(it, "EventQueue", VisibilityTimeout="300"),
    "FifoQueue: it or its dead-letter": lambda it: it["FifoDeadLetterQueue"]["Properties"].pop("FifoQueue"),
    "FifoQueueMapping: it invokes WorkerIsolated": lambda it: put(
        it, "FifoQueueMapping", FunctionName={"Ref": "WorkerIsolated"}
    ),
    "Worker: it is in a VPC, and SecurityGroupIds": lambda it: put(
        it, "Worker", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": [""]}
    ),
    "TasksQueue: nothing that is made before it lets TasksRole do sqs:ReceiveMessage": lambda it: put(
        it, "TasksPolicy", Roles=[{"Ref": "SweeperRole"}]
    ),
    "StreamMapping: nothing that is made before it lets TasksRole do": let_read_another_stream,
    "TopicSubscription: sns.amazonaws.com has no permission": lambda it: it.pop("TopicPermission"),
    "EventRule: events.amazonaws.com has no permission": lambda it: put(
        it, "EventRulePermission", FunctionName={"Ref": "Tasks"}
    ),
    "EventBucket: s3.amazonaws.com has no permission": lambda it: it.pop("NewBucketPermission"),
    "EventBucket: it may be made before NewBucketPermission": lambda it: it["EventBucket"].pop("DependsOn"),
    "RestApi get: apigateway.amazonaws.com": lambda it: it.pop("HttpGatewayPermission"),
    "WebsocketApiConnectAuthorizer: apigateway.amazonaws.com has no permission": forbid_sockets,
}


@pytest.fixture(scope="session")
def whole() -> Stack:
    """A stack with everything that parameters can ask for."""
    chosen = [SETS[name] for name in ("sources", "network", "isolated", "told")]
    return stack(**{name: value for each in chosen for name, value in each.items()})


def broken(whole: Stack, change: Callable[[Resources], object]) -> Stack:
    """Return the stack after a change."""
    resources = deepcopy(whole.resources)
    change(resources)
    return Stack(whole.name, whole.parameters, resources, {})


@pytest.mark.parametrize("finding", BROKEN)
def test_a_broken_stack_is_found(whole: Stack, finding: str) -> None:
    """Each rule finds what it is there for."""
    changed = broken(whole, BROKEN[finding])
    assert [each for each in quick_findings(changed) if each.startswith(finding)] != []


def test_what_a_schema_refuses_is_found(whole: Stack) -> None:
    """The stack as it would be made goes through cfn-lint, which sees more than in the template."""
    found = list(schemas(broken(whole, lambda it: [change(it) for change in LINTED.values()])))
    assert [finding for finding in LINTED if not any(each.startswith(finding) for each in found)] == []


def test_a_name_that_moves_is_found() -> None:
    """A resource with a name of its own can neither be replaced nor get another logical id in an update."""
    before, resources = stack(), deepcopy(stack().resources)
    resources["EndpointsTable"]["Properties"]["KeySchema"] = []
    resources["NewPepper"] = resources.pop("KeyPepper")
    found = list(conflicts(before, Stack("silvaengine", {}, resources, {})))
    assert [each.partition(":")[0] for each in found] == ["EndpointsTable", "NewPepper"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Stage": "my_stage"}, "Stage is 'my_stage'"),  # SAM makes a logical id of it
        ({"WorkerTimeout": "900"}, "WorkerTimeout is 900"),
        ({"HttpRateLimit": "many"}, "HttpRateLimit is many; expected a number"),
        ({"RedisTls": "yes"}, "allowed are true, false"),
        ({"Stag": "x"}, "no parameter Stag"),
    ],
)
def test_a_parameter_that_the_template_refuses_is_named(parameters: dict[str, str], message: str) -> None:
    """The message names the parameter and what it may be."""
    with pytest.raises(ValueError, match=message):
        stack(**parameters)


@pytest.mark.parametrize(
    "overrides",
    ['["Stage=beta", "LogLevel=INFO"]', '"Stage=\\"beta\\" LogLevel=INFO"', '"Stage=beta LogLevel=INFO"'],
)
def test_an_environments_parameters_are_read_as_sam_reads_them(tmp_path: Path, overrides: str) -> None:
    """`sam deploy --guided` writes them as one text."""
    (tmp_path / "samconfig.toml").write_text(f"[dev.deploy.parameters]\nparameter_overrides = {overrides}\n")
    (tmp_path / "template.yaml").touch()
    (tmp_path / "services").mkdir()
    assert Project.find(tmp_path).stage("dev").parameters == {"Stage": "beta", "LogLevel": "INFO"}
