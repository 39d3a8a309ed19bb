"""The template of a package's stack: its Lambda, what watches it, and the package's own resources.

Plain CloudFormation without transforms. The code is a parameter that updates leave alone: Lambda's own API
moves it, and versions are releases, so that the template has neither versions nor aliases.
"""

from typing import Any

from silvaengine_cli.publishing.model import ResourceSpec
from silvaengine_cli.publishing.monitoring import alarms, metric_filters
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES
from silvaengine_cli.publishing.sources import add_sources

type Template = dict[str, Any]

FUNCTION, ROLE, LOGS = "PackageFunction", "PackageRole", "PackageLogs"
CODE_BUCKET, CODE_KEY = "CodeBucket", "CodeKey"
HANDLER = "silvaengine_worker.app.handler"
PLATFORM_PREFIX = "Package"  # of the logical ids that aren't the package's own
PLATFORM_STATEMENTS = 2  # log and results, before the package's own
_VERSION = "2012-10-17"


def render(package: Package, platform: Platform) -> Template:
    """Return the template of a package's stack on a platform."""
    resources = {
        LOGS: _logs(package, platform),
        ROLE: _role(package, platform),
        FUNCTION: _function(package, platform),
        **metric_filters(platform, LOGS),
        **(alarms(platform, package.name, FUNCTION) if platform.topic else {}),
        **{name: _resource(package, platform, name, each) for name, each in package.spec.resources.items()},
    }
    add_sources(resources, package, platform)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"SilvaEngine: the package {package.name} of {platform.stack}",
        "Parameters": {CODE_BUCKET: {"Type": "String"}, CODE_KEY: {"Type": "String"}},
        "Resources": resources,
    }


def _logs(package: Package, platform: Platform) -> Template:
    name = f"/aws/lambda/{platform.function_name(package.name)}"
    properties = {"LogGroupName": name, "RetentionInDays": platform.log_retention_days}
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties}


def _role(package: Package, platform: Platform) -> Template:
    """Return a role within the platform's boundary; by its tag the platform's policies know the package."""
    results = f"arn:{platform.partition}:s3:::{platform.bucket}/results/{package.name}-*"
    statements = [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": [LOGS, "Arn"]},
        },
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": results},
        *(each.model_dump(exclude_none=True) for each in package.spec.permissions),
    ]
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": _VERSION,
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                    }
                ],
            },
            "PermissionsBoundary": platform.boundary,
            "ManagedPolicyArns": [platform.policy],
            "Policies": [
                {
                    "PolicyName": "package",
                    "PolicyDocument": {"Version": _VERSION, "Statement": statements},
                }
            ],
            "Tags": [{"Key": "package", "Value": package.name}],
        },
    }


def _function(package: Package, platform: Platform) -> Template:
    spec = package.spec
    properties: Template = {
        "FunctionName": platform.function_name(package.name),
        "Description": f"Runs the functions of the package {package.name}",
        "Handler": HANDLER,
        "Runtime": platform.runtime,
        "Architectures": [platform.architecture],
        "Code": {"S3Bucket": {"Ref": CODE_BUCKET}, "S3Key": {"Ref": CODE_KEY}},
        "Layers": [platform.layer],
        "Role": {"Fn::GetAtt": [ROLE, "Arn"]},
        "MemorySize": spec.memory,
        "Timeout": spec.timeout,
        "EphemeralStorage": {"Size": spec.ephemeral_storage},
        "Environment": {"Variables": {**platform.environment, **package.environment(platform.stage)}},
        "LoggingConfig": {**platform.logging, "LogGroup": {"Ref": LOGS}},
    }
    if spec.concurrency is not None:
        properties["ReservedConcurrentExecutions"] = spec.concurrency
    if package.is_isolated:
        properties["TenancyConfig"] = {"TenantIsolationMode": "PER_TENANT"}
    if platform.network:
        properties["VpcConfig"] = dict(platform.network)
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def _resource(package: Package, platform: Platform, logical_id: str, spec: ResourceSpec) -> Template:
    """Return a resource as the package says it; data outlives the stack unless the package says otherwise."""
    resource = spec.model_dump(exclude_unset=True)
    properties = resource["Properties"] = dict(spec.Properties)
    kind = RESOURCE_TYPES[spec.Type]
    if kind.needs_name:
        properties.setdefault(kind.name, f"{platform.function_name(package.name)}-{logical_id}")
    if kind.is_data:
        # The rollback of a creation deletes what is still empty:
        # docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
        resource.setdefault("DeletionPolicy", "RetainExceptOnCreate")
        resource.setdefault("UpdateReplacePolicy", "Retain")
    return resource
