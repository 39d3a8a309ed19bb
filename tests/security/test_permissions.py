"""T20, T25: what the built template's roles may do; tests/rules lists their rights, tests/e2e tries them."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

type Resources = dict[str, dict[str, Any]]

EVERYTHING = {
    "SnsTopicArn": "arn:aws:sns:eu-central-1:111122223333:failures",
    "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
    "IsolatedWorker": "true",
    "RegistryStreams": "own",
    "OtherWorkerArns": "arn:aws:lambda:eu-central-1:111122223333:function:acme-Worker",
}
# What AWS has no narrower resource for: docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html.
UNNAMED = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
# Where a wildcard ends a name: a log group's streams, the names of all log groups, a folder of a bucket,
# secrets of this stage, the suffix that Secrets Manager adds to a name, the connections of the stack's own
# socket API, a table's streams, the stack's published packages.
ENDS = re.compile(
    r"(:log-group:(/aws/lambda/silvaengine-(\w+:|pkg-))?\*|/(calls|results)/\*|:parameter/silvaengine/beta/\*"
    r"|:secret:silvaengine/beta/\*|:secret:silvaengine-[a-z-]+-\*|/(POST|GET|DELETE|\*)/@connections/\*"
    r"|:table/se-[a-z]+/stream/\*|:(function:|table/)?silvaengine-pkg-\*(/stream/\*)?)$"
)
NEVER = re.compile(
    r"^(iam|sts|kms|organizations):|^lambda:(?!InvokeFunction$)|:\w*(Admin|PassRole|CreateTable|DeleteTable)"
    r"|^dynamodb:(Scan|BatchWriteItem|PartiQL\w*|Export\w*)$|^s3:(List|Delete)\w*|^secretsmanager:(?!GetSecretValue$)"
)


def as_list(value: Any) -> list[Any]:
    """Take one thing or a list of them, as IAM does."""
    return value if isinstance(value, list) else [value]


# Of no Lambda, for making stacks and publishing; tests/rules/test_package_rights.py has their rights.
OTHERS = ("PackageServiceRole", "PublisherRole")


def statements(resources: Resources) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return every statement of the policies of the Lambdas' roles."""
    for name, resource in resources.items():
        if name in OTHERS:
            continue
        properties = resource.get("Properties", {})
        documents = [
            each["PolicyDocument"] for each in properties.get("Policies", ()) if isinstance(each, dict)
        ]
        if resource["Type"] == "AWS::IAM::Policy":
            documents.append(properties["PolicyDocument"])
        for document in documents:
            for statement in document["Statement"]:
                yield name, statement


@pytest.fixture(scope="session", params=[{}, EVERYTHING], ids=["defaults", "everything"])
def resources(request: pytest.FixtureRequest, resources_with: Callable[..., Resources]) -> Resources:
    """Return the built template's resources."""
    return resources_with(**request.param)


def test_t20_no_right_has_a_wildcard_where_a_name_can_stand(resources: Resources) -> None:
    """No action has a star, no resource is one but for a VPC, and one stands only at the end of a name."""
    seen = 0
    for name, statement in statements(resources):
        assert statement["Effect"] == "Allow"
        assert {"NotAction", "NotResource", "NotPrincipal"}.isdisjoint(statement)
        for action in as_list(statement["Action"]):
            seen += 1
            assert "*" not in action, (name, action)
            assert not NEVER.search(action), (name, action)
            for resource in as_list(statement.get("Resource", [])):
                text = resource if isinstance(resource, str) else str(*resource.values())
                if "*" in text and action not in UNNAMED:
                    assert ENDS.search(text), (name, action, text)
                    assert text.count("*") <= 2
    assert seen > 40


def test_t20_every_function_has_a_role_of_its_own(resources: Resources) -> None:
    """What one Lambda may do no other gets along with it, and Lambda alone takes the roles."""
    roles = [
        str(each["Properties"]["Role"])
        for each in resources.values()
        if each["Type"] == "AWS::Lambda::Function"
    ]
    assert len(roles) == len(set(roles)) >= 4
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role" and name not in OTHERS:
            (statement,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] in (
                {"Service": "lambda.amazonaws.com"},
                {"Service": ["lambda.amazonaws.com"]},
                {"Service": "scheduler.amazonaws.com"},
            )


def test_t20_lambdas_are_invoked_by_name_alone(resources: Resources) -> None:
    """Every right to invoke names one Lambda of this stack, or those that the operator has listed."""
    names = set()
    for _, statement in statements(resources):
        if "lambda:InvokeFunction" in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                names |= set(re.findall(r"function:([\w-]+)", str(resource))) or {str(resource)}
    own = {
        f"silvaengine-{name}" for name in ("Worker", "WorkerIsolated", "Tasks", "Broadcaster", "pkg-")
    }  # and with the last each package of the stack
    assert names <= own | {"acme-Worker"}, names


def test_t25_who_may_invoke_the_stacks_lambdas_is_named(resources_with: Callable[..., Resources]) -> None:
    """Unsigned payloads are taken (the contract), so that each permission names its one source."""
    topic = "arn:aws:sns:eu-central-1:111122223333:events"
    resources = resources_with(**EVERYTHING, EventTopicArn=topic)
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::Permission":
            properties = resource["Properties"]
            assert properties["Action"] == "lambda:InvokeFunction"
            assert properties["Principal"].endswith(".amazonaws.com"), name
            assert "SourceArn" in properties, name
