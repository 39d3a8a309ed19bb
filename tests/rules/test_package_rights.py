"""What the platform gives packages and their publishers; tests/e2e/test_package_walls.py tries it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from silvaengine_cli.preflight.template import Resources
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES

from .test_template import as_list, statements

HERE = "eu-central-1:111122223333"
OWN = "${aws:PrincipalTag/package}"
MANAGED_POLICY = 6_144  # characters: docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# What a package's stack has beside what its package.yaml may name.
MADE = (
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Subscription",
)
VPC = {"SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1"}
# What no package's template says, so that CloudFormation doesn't need it for one.
UNUSED = re.compile(
    r"(kms|kinesis|s3tables|firehose|elasticfilesystem|s3files):.*"
    r"|iam:(CreateServiceLinkedRole|DeleteRolePermissionsBoundary|UntagRole|Update\w+)"
    r"|.*:(?!Get|Describe|List)\w*(CodeSigning|RuntimeAlias|RuntimeManagement|Recursion|Scaling|CapacityProvider"
    r"|Contributor|Kinesis|Import|ResourcePolic|DataProtection|IndexPolic|LogDelivery|KmsKey|BearerToken|Replica"
    r"|DeletionProtection|Analytics|Metadata|Metrics|Replication|Website|Accelerate|Abac|Acl|Logging|ObjectLock"
    r"|Tiering|Inventory)\w*|.*Abac|s3:REST.*|.*:(Untag\w+|RemoveTags\w+|PublishVersion|GetObjectVersion|DeleteRetentionPolicy)"
    r"|dynamodb:(BatchWriteItem|DeleteItem|GetItem|PutItem|Query|Scan|UpdateItem)|s3:(DeleteObject|TagResource"
    r"|GetObjectMetadata|DeleteBucket(Cors|Encryption|Lifecycle))|secretsmanager:GetSecretValue"
    r"|logs:(CreateLogStream|DescribeLogStreams|PutLogEvents)|dynamodb:DescribeImport|lambda:GetCodeSigningConfig"
)


def managed(resources: Resources, name: str) -> list[dict[str, Any]]:
    """Return the statements of a managed policy."""
    found: list[dict[str, Any]] = resources[name]["Properties"]["PolicyDocument"]["Statement"]
    return [each for each in found if each != {"Ref": "AWS::NoValue"}]


def text(arn: Any) -> str:
    """Return an ARN as text, references being their names."""
    plain = arn["Fn::Sub"] if isinstance(arn, dict) and "Fn::Sub" in arn else arn
    return plain.replace("${!", "${") if isinstance(plain, str) else json.dumps(plain)


def reached(found: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield action and resource of statements."""
    for statement in found:
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield action, text(resource)


def test_a_package_moves_its_own_executions_alone(resources: Resources) -> None:
    """The engine ignores the keys: whose they are is the tag of the role, which its stack sets."""
    for name in ("PackagePolicy", "PackageBoundary"):
        (ledger,) = (each for each in managed(resources, name) if each["Action"] == "dynamodb:UpdateItem")
        (worker,) = (
            each for each in statements(resources, "Worker") if each["Action"] == "dynamodb:UpdateItem"
        )
        condition = dict(ledger["Condition"])
        assert condition.pop("ForAllValues:StringLike") == {"dynamodb:LeadingKeys": [f"{OWN}-*"]}
        shared = dict(worker["Condition"])
        assert shared.pop("ForAllValues:StringNotLike") == {"dynamodb:LeadingKeys": ["*-*"]}
        assert condition == shared, "attributes and return values are the worker's"


def test_a_package_has_the_workers_other_rights(
    resources_with: Callable[..., Resources],
) -> None:
    """Nothing more, with every option: what differs is the ledger, the log and the results."""
    resources = resources_with(
        RedisHost="redis",
        RedisPasswordSecret="secret",
        SnsTopicArn="arn:t",
        SubnetIds="s",
        SecurityGroupIds="g",
    )
    worker = [each for each in statements(resources, "Worker") if each["Action"] != "dynamodb:UpdateItem"]
    own = {"logs:CreateLogStream", "logs:PutLogEvents", "s3:PutObject"}
    expected = {pair for pair in reached(worker) if pair[0] not in own}
    common = [each for each in managed(resources, "PackagePolicy") if each["Action"] != "dynamodb:UpdateItem"]
    assert set(reached(common)) == expected


def test_the_boundary_has_no_other_packages_resources(resources_with: Callable[..., Resources]) -> None:
    """Beyond the common rights each resource is named by the tag; * is for what operators allow."""
    resources = resources_with(
        PackageActions="ses:SendEmail,ses:SendRawEmail", SubnetIds="s", SecurityGroupIds="g"
    )
    common = set(reached(managed(resources, "PackagePolicy")))
    beyond = set(reached(managed(resources, "PackageBoundary"))) - common
    everywhere = {action for action, arn in beyond if arn == "*"}
    assert everywhere == {"ses:SendEmail", "ses:SendRawEmail"}
    named = {arn for _, arn in beyond if arn != "*"}
    assert len(named) == 8
    for arn in named:
        assert re.search(rf"(silvaengine-pkg-|/results/){re.escape(OWN)}(-|:)\*$", arn), arn
    assert "*" not in {arn for _, arn in set(reached(managed(resources_with(), "PackageBoundary")))}


@pytest.mark.parametrize("policy", ["PackagePolicy", "PackageBoundary", "PublisherPolicy"])
def test_a_managed_policy_is_as_small_as_aws_takes(
    resources_with: Callable[..., Resources], policy: str
) -> None:
    """With every option, and names as long as they can be."""
    resources = resources_with(
        RedisPasswordSecret="r" * 64,
        SnsTopicArn=f"arn:aws:sns:{HERE}:{'t' * 64}",
        PackageActions=",".join(["ses:SendEmail"] * 10),
        XRayTracing="true",
        **VPC,
        **{"AWS::StackName": "s" * 29},
    )
    assert len(json.dumps(managed(resources, policy), separators=(",", ":"))) + 60 < MANAGED_POLICY


def test_roles_of_packages_are_made_within_the_boundary(resources: Resources) -> None:
    """The service role makes none without it, attaches the packages' policy alone, hands none to others."""
    rights = resources["PackageServiceRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    bounded = {"iam:PermissionsBoundary": {"Ref": "PackageBoundary"}}
    for statement in rights:
        for action in as_list(statement["Action"]):
            condition = statement.get("Condition", {})
            if re.match(r"iam:(CreateRole|PutRole|DeleteRolePolicy)", action):
                assert condition == {"StringEquals": bounded}
            elif action in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"):
                policy = {"iam:PolicyARN": {"Ref": "PackagePolicy"}}
                assert condition == {"StringEquals": bounded, "ArnEquals": policy}
            elif action == "iam:PassRole":
                assert condition == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
            elif action.startswith("iam:"):
                assert action in {"iam:DeleteRole", "iam:TagRole"} or action.startswith(
                    ("iam:Get", "iam:List")
                )


def test_the_service_role_reaches_what_bears_packages_names(resources: Resources) -> None:
    """Without a name are reads, and event source mappings, which have none: those of tasks alone."""
    rights = resources["PackageServiceRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    for action, arn in reached(rights):
        assert "*" not in action
        if arn == "*":
            assert re.search(r":(Describe\w+|GetRandomPassword|\w+EventSourceMapping)$", action), action
        else:
            assert re.search(
                r"[:/]silvaengine-pkg-\*$|/packages/\*$|:layer:silvaengine-SharedLayer:\*$", arn
            ), arn
    (mappings,) = (each for each in rights if "lambda:CreateEventSourceMapping" in each["Action"])
    assert "Tasks" in json.dumps(mappings["Condition"]["ArnLike"]["lambda:FunctionArn"])


@pytest.mark.parametrize("kind", [*RESOURCE_TYPES, *MADE])
def test_the_service_role_can_make_each_type(resources: Resources, kind: str) -> None:
    """It has what CloudFormation's schema says that it needs, but for what packages' templates don't use."""
    rights = resources["PackageServiceRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    given = {action.lower() for action, _ in reached(rights)}
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("handlers", {})
    needed = {action for name, each in handlers.items() if name != "list" for action in each["permissions"]}
    missing = {action for action in needed if action.lower() not in given and not UNUSED.fullmatch(action)}
    assert not missing


def test_a_publisher_changes_code_and_rows_alone(resources: Resources) -> None:
    """No configuration of a Lambda, no role, no stack.

    Of the registry generation, bindings, own rows and tenants' names.
    """
    rights = managed(resources, "PublisherPolicy")
    actions = {action for action, _ in reached(rights)}
    assert {action for action in actions if action.startswith("lambda:")} == {
        "lambda:GetFunction",
        "lambda:GetFunctionConfiguration",
        "lambda:InvokeFunction",
        "lambda:PutFunctionEventInvokeConfig",
        "lambda:UpdateFunctionCode",
    }
    assert not any(action.startswith(("iam:", "sts:")) for action in actions)
    stacks = {action for action in actions if action.startswith("cloudformation:")}
    assert stacks == {
        f"cloudformation:{action}" for action in ("DescribeStackResources", "DescribeStacks", "GetTemplate")
    }
    (names,) = (each for each in rights if each["Action"] == "dynamodb:Scan")
    assert text(names["Resource"]).endswith("/se-endpoints")
    assert names["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["endpoint_id"]},
        "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    }
    keys: dict[str, set[str]] = {}
    for statement in (each for each in rights if "Condition" in each and each is not names):
        (condition,) = statement["Condition"].values()
        for table in as_list(statement["Resource"]):
            found = keys.setdefault(text(table).rpartition("/")[2], set())
            found.update(text(key) for key in condition["dynamodb:LeadingKeys"])
    own = {f"arn:aws:lambda:{HERE}:function:silvaengine-pkg-*", "canaries"}
    outcomes = "silvaengine:outcomes:silvaengine-pkg-*"
    assert keys == {
        "se-packages": own,
        "se-functions": own,
        "se-configdata": {"silvaengine", "silvaengine_events", "dynamodb_stream_config", outcomes},
    }


def test_workflows_publish_on_demand(resources_with: Callable[..., Resources]) -> None:
    """PublisherSubject's workflows may, and no other's: both claims are compared as a whole."""
    subject = "repo:acme/shop:ref:refs/heads/main"
    role = resources_with(PublisherSubject=subject)["PublisherRole"]
    assert role["Condition"] == "HasPublisher"
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": subject,
        }
    }
    assert role["Properties"]["ManagedPolicyArns"] == [{"Ref": "PublisherPolicy"}]


def test_packages_events_may_invoke_tasks(resources: Resources) -> None:
    """S3's, whose ARNs have no account, of this account alone."""
    allowed = {
        each["Properties"]["Principal"]: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::Lambda::Permission" and name.startswith("Package")
    }
    sources = {principal: text(each["SourceArn"]) for principal, each in allowed.items()}
    assert sources == {
        "s3.amazonaws.com": "arn:aws:s3:::silvaengine-pkg-*",
        "sns.amazonaws.com": f"arn:aws:sns:{HERE}:silvaengine-pkg-*",
        "events.amazonaws.com": f"arn:aws:events:{HERE}:rule/silvaengine-pkg-*",
    }
    assert allowed["s3.amazonaws.com"]["SourceAccount"] in ("111122223333", {"Ref": "AWS::AccountId"})
    assert all(each["FunctionName"] == {"Ref": "TasksEvents"} for each in allowed.values())
