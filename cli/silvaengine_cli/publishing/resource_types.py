"""The types of resources that a package may have: its data, what brings events, and what tells of them."""

from types import MappingProxyType
from typing import NamedTuple


class ResourceType(NamedTuple):
    """What the platform knows of a type.

    ``name`` is the property that gives a resource its name in the account, empty where it has none.
    CloudFormation begins the names that it makes up with the stack's, unless it ``needs_name``; they may be
    ``longest`` characters. Resources that hold data are ``is_data``: these are never replaced or deleted.
    """

    name: str
    service: str
    arn: str = ""  # of a resource, from its name on
    is_data: bool = False
    needs_name: bool = False
    longest: int = 255


RESOURCE_TYPES = MappingProxyType(
    {
        "AWS::CloudWatch::Alarm": ResourceType("AlarmName", "cloudwatch", "alarm:{}"),
        "AWS::DynamoDB::Table": ResourceType("TableName", "dynamodb", "table/{}", is_data=True),
        "AWS::Logs::MetricFilter": ResourceType("", "logs"),
        "AWS::S3::Bucket": ResourceType("BucketName", "s3", "{}", is_data=True, longest=63),
        "AWS::S3::BucketPolicy": ResourceType("", "s3"),
        "AWS::SNS::Topic": ResourceType("TopicName", "sns", "{}"),
        "AWS::SNS::TopicPolicy": ResourceType("", "sns"),
        "AWS::SQS::Queue": ResourceType("QueueName", "sqs", "{}", is_data=True, longest=80),
        "AWS::SQS::QueuePolicy": ResourceType("", "sqs"),
        "AWS::SSM::Parameter": ResourceType("Name", "ssm", "parameter/{}", needs_name=True),
        "AWS::SecretsManager::Secret": ResourceType(
            "Name", "secretsmanager", "secret:{}", is_data=True, needs_name=True
        ),
    }
)
