"""What a package may not ask for, said before anything is made."""

from dataclasses import replace
from pathlib import Path

import pytest

from silvaengine_cli.publishing.refusals import find_refusals
from silvaengine_cli.registry.file import RegistryFileError

from .package_files import HERE, PLATFORM, SMALLEST, package

TABLE = "resources: {Orders: {Type: AWS::DynamoDB::Table}}\n"


def refusals(folder: Path, text: str) -> list[str]:
    """Return what the platform refuses, without the folder's name."""
    read = package(folder, SMALLEST + text)
    try:
        read.check(find_refusals(read, PLATFORM))
    except RegistryFileError as error:
        return [line.removeprefix(f"{folder}/") for line in error.message.splitlines()]
    return []


def permission(action: str, resource: str) -> str:
    """Return a package's table and one permission."""
    return f"{TABLE}permissions:\n  - Effect: Allow\n    Action: {action}\n    Resource: {resource}\n"


@pytest.mark.parametrize(
    "resource",
    [
        "!GetAtt Orders.Arn",
        '[!GetAtt Orders.Arn, !Sub "${Orders.Arn}/index/*"]',
        '!Join ["", [!GetAtt Orders.Arn, /index/*]]',
        f"arn:aws:dynamodb:{HERE}:table/engine-pkg-shop-*",
        f"arn:aws:dynamodb:{HERE}:table/countries",
        '!Sub "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Orders}"',
        '!Sub "arn:aws:dynamodb:*:*:table/${AWS::StackName}-Orders-*"',
    ],
)
def test_a_package_may_name_what_is_its_own(tmp_path: Path, resource: str) -> None:
    """Its resources by reference or by name, and those that are nobody's here."""
    assert refusals(tmp_path, permission("dynamodb:GetItem", resource)) == []


@pytest.mark.parametrize(
    "resource",
    [
        f"arn:aws:dynamodb:{HERE}:table/engine-pkg-billing-Orders-1",
        f"arn:aws:dynamodb:{HERE}:table/engine-pkg-*",
        f"arn:aws:dynamodb:{HERE}:table/engine-pkg-????-*",
        f"arn:aws:dynamodb:{HERE}:table/ENGINE-pkg-billing-Orders-1",
        f"arn:aws:dynamodb:{HERE}:table/se-packages",
        f"arn:aws:dynamodb:{HERE}:table/se-connections/index/*",
        f"arn:aws:dynamodb:{HERE}:table/s?-functions",
        f"arn:aws:dynamodb:{HERE}:table/*",
        "arn:aws:dynamodb:*:*:table/*",
        "arn:aws:*",
        "arn:*",
        '!Sub "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/se-executions"',
        "arn:aws:s3:::engine-payloads/calls/*",
        "arn:aws:s3:::engine-payloads/results/shop-*",
        "arn:aws:s3:::engine-*",
        "arn:aws:s3:::*",
        f"arn:aws:sqs:{HERE}:engine-EventQueue-1",
        f"arn:aws:secretsmanager:{HERE}:secret:engine-ledger-key-??????",
        f"arn:aws:secretsmanager:{HERE}:secret:silvaengine/beta/acme-*",
        f"arn:aws:ssm:{HERE}:parameter/silvaengine/beta/*",
        f"arn:aws:ssm:{HERE}:parameter/engine-pkg-other-x",
    ],
)
def test_a_package_names_no_other_packages_or_the_platforms(tmp_path: Path, resource: str) -> None:
    """Whether by name or by a wildcard that reaches it."""
    quoted = resource if resource.startswith("!") else f"'{resource}'"
    (complaint,) = refusals(tmp_path, permission("dynamodb:GetItem", quoted))
    assert complaint.startswith("package.yaml:8: permissions[0].Resource: ")
    assert "is the platform's or another package's" in complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (permission("'*'", "!GetAtt Orders.Arn"), "package.yaml:7: permissions[0].Action: '*' must name one"),
        (permission("dynamodb:*", "!GetAtt Orders.Arn"), "'dynamodb:*' must name one action"),
        (permission("dynamodb:Get*", "!GetAtt Orders.Arn"), "'dynamodb:Get*' must name one action"),
        (permission("iam:PassRole", "!GetAtt Orders.Arn"), "no package gets rights of iam"),
        (permission("lambda:InvokeFunction", "x"), "no package gets rights of lambda"),
        (permission("STS:AssumeRole", "x"), "must name one action"),
        (permission("dynamodb:GetItem", "'*'"), "is everybody's"),
        (permission("dynamodb:GetItem", "!Select [0, [a]]"), "must be an ARN"),
        (permission("dynamodb:GetItem", "!GetAtt Nothing.Arn"), "must be an ARN"),
        ("resources: {A: {Type: AWS::IAM::Role}}", "resources.A.Type: AWS::IAM::Role is not taken"),
        ("resources: {A: {Type: AWS::Lambda::Function}}", "AWS::Lambda::Function is not taken"),
        ("resources: {A: {Type: AWS::Lambda::Version}}", "AWS::Lambda::Version is not taken"),
        ("resources: {A: {Type: Custom::Thing}}", "Custom::Thing is not taken"),
        ("resources: {A: {Type: AWS::CloudFormation::Stack}}", "AWS::CloudFormation::Stack is not taken"),
        ("resources: {A: {Type: AWS::DynamoDB::Tabel}}", "(did you mean AWS::DynamoDB::Table?)"),
        (
            "resources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: orders}}}",
            "resources.A.Properties.QueueName: must begin with engine-pkg-shop-",
        ),
        (
            "resources: {A: {Type: AWS::S3::Bucket, Properties: {BucketName: engine-pkg-billing-a}}}",
            "must begin with engine-pkg-shop-",
        ),
        (f"resources: {{{'A' * 40}: {{Type: AWS::S3::Bucket}}}}", "more than 63 characters"),
        ("environment: {default: {A1: !ImportValue b}}", "default.A1: Fn::ImportValue is not taken"),
        (
            "resources: {A: {Type: AWS::SQS::Queue, Properties: {Fn::Transform: {Name: b}}}}",
            "Fn::Transform is not taken",
        ),
        (
            'environment: {default: {A1: "{{resolve:secretsmanager:engine-ledger-key}}"}}',
            "dynamic references are not taken",
        ),
        ("environment: {default: {TABLE_PREFIX: x}}", "environment.default.TABLE_PREFIX: is reserved"),
        ("environment: {prod: {AWS_REGION: x}}", "environment.prod.AWS_REGION: is reserved"),
        (
            f"environment: {{beta: {{A1: {'x' * 4090}, B1: y}}}}",
            "at most 4,096: the platform's 37, the package's",
        ),
    ],
)
def test_what_is_refused_is_said_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    """Types, functions, names and variables that are not a package's, and more than Lambda takes."""
    found = refusals(tmp_path, text)
    assert any(complaint in line for line in found), found


def test_an_event_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A queue's events are no table's."""
    events = "area: core, events: [{endpoint: acme, queue: Orders}]}"
    read = package(tmp_path, SMALLEST.replace("area: core}", events) + TABLE)
    with pytest.raises(RegistryFileError, match=r"events\[0\]\.queue: Orders is no AWS::SQS::Queue"):
        read.check(find_refusals(read, PLATFORM))


def test_a_stack_whose_names_would_be_cut_is_refused(tmp_path: Path) -> None:
    """CloudFormation cuts long names, and the platform knows a package's resources by their beginning."""
    read = package(tmp_path, SMALLEST)
    (found,) = find_refusals(read, replace(PLATFORM, stack="a" * 34))
    assert found.path == ("package",)
    assert list(find_refusals(read, replace(PLATFORM, stack="a" * 29))) == []


def test_any_package_may_have_the_actions_that_operators_allow(tmp_path: Path) -> None:
    """What has no resource of its own, such as sending e-mail, is named with '*'; the boundary decides."""
    assert refusals(tmp_path, permission("ses:SendEmail", "'*'")) == []
