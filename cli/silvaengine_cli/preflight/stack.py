"""The resources of a stack as CloudFormation would make them from the template and one set of parameters."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from silvaengine_cli.preflight.template import PLACE, Property, Resources, made, parameters_of

_ACCOUNT = "111122223333"
# What CloudFormation adds to the name of a resource that has none of its own.
_RANDOM = "1A2B3C4D5E6F7"
_REFERENCES = frozenset({"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join"})
_NAMES = {
    "AWS::ApiGateway::Stage": "StageName",
    "AWS::ApiGatewayV2::Stage": "StageName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SecretsManager::Secret": "Name",
}
_KINDS = {"Function": "function:", "Table": "table/", "Secret": "secret:", "Role": "role/", "Rule": "rule/"}


@dataclass(frozen=True)
class Stack:
    """A stack on paper; its account and the ends of generated names are made up, in AWS's lengths."""

    name: str
    parameters: Mapping[str, str]
    resources: Resources = field(repr=False)
    outputs: Resources = field(repr=False)
    region: str = "eu-central-1"
    account: str = _ACCOUNT

    @classmethod
    def of(
        cls,
        template: Mapping[str, Any],
        name: str,
        parameters: Mapping[str, str],
        region: str = "eu-central-1",
    ) -> Self:
        """Return the stack that a template makes.

        Raises:
            ValueError: a parameter is none of the template's, or a transform refuses the template.
        """
        values = parameters_of(template, parameters)
        resources, outputs = made(template, values, _pseudo(name, region))
        return cls(name, values, resources, outputs, region)

    def of_type(self, *types: str) -> Resources:
        """Return the resources of these types by their logical ids."""
        return {name: each for name, each in self.resources.items() if each["Type"] in types}

    @cached_property
    def transformed(self) -> dict[str, Any]:
        """The template that CloudFormation would carry out."""
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": self.resources,
            "Outputs": self.outputs,
        }

    def text(self, value: Property) -> str:
        """Return a property's value in full, references being names or ARNs of the length that AWS's have."""
        if isinstance(value, dict):
            ((kind, inner),) = value.items()
            if kind == "Ref":
                return self._reference(inner)
            if kind == "Fn::GetAtt":
                return self._attribute(*inner)
            if kind == "Fn::Join":
                return str(inner[0]).join(self.text(part) for part in inner[1])
            return PLACE.sub(lambda place: self._place(place[1]), inner)
        return "" if value is None else str(value)

    def document(self, value: Property) -> str:
        """Return a policy, or another structure, as the JSON that AWS counts: without white space."""
        return json.dumps(self._plain(value), separators=(",", ":"))

    def _plain(self, value: Property) -> Property:
        if is_reference(value):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self._plain(inner) for name, inner in value.items()}
        return [self._plain(inner) for inner in value] if isinstance(value, list) else value

    def _place(self, name: str) -> str:
        logical_id, dot, attribute = name.partition(".")
        return self._attribute(logical_id, attribute) if dot else self._reference(logical_id)

    def _reference(self, logical_id: str) -> str:
        resource = self.resources.get(logical_id, {"Type": ""})
        if resource["Type"] == "AWS::Lambda::Alias":
            properties = resource["Properties"]
            return f"{self.function_arn(properties['FunctionName'])}:{self.text(properties['Name'])}"
        if resource["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self._name(logical_id)}"
        return self._name(logical_id)

    def own_name(self, logical_id: str) -> str:
        """Return the name that the template gives a resource, empty where CloudFormation makes one up."""
        resource = self.resources.get(logical_id, {"Type": ""})
        return self.text(resource.get("Properties", {}).get(_NAMES.get(resource["Type"], "")))

    def _name(self, logical_id: str) -> str:
        return self.own_name(logical_id) or f"{self.name}-{logical_id}-{_RANDOM}"

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if attribute != "Arn":
            return self._name(logical_id)
        _, service, kind = self.resources.get(logical_id, {"Type": "AWS::?::?"})["Type"].split("::")
        if service == "S3":
            return f"arn:aws:s3:::{self._name(logical_id)}"
        region = "" if service == "IAM" else self.region
        name = f"{_KINDS.get(kind, '')}{self._name(logical_id)}"
        return f"arn:aws:{service.lower()}:{region}:{self.account}:{name}"

    def function_arn(self, value: Property) -> str:
        """Return the ARN of the function or alias that a property names by name, ARN or reference."""
        text = self.text(value)
        return (
            text
            if text.startswith("arn:")
            else f"arn:aws:lambda:{self.region}:{self.account}:function:{text}"
        )


def is_reference(value: Property) -> bool:
    """Return whether a value is an intrinsic function that only a deployment can resolve."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _REFERENCES


def references(value: Property) -> Iterator[str]:
    """Yield the logical ids that a value refers to."""
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)
    elif isinstance(value, dict):
        if "Ref" in value:
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        elif "Fn::Sub" in value:
            yield from (place[1].partition(".")[0] for place in PLACE.finditer(value["Fn::Sub"]))
        else:
            yield from references(list(value.values()))


def _pseudo(name: str, region: str) -> dict[str, str]:
    return {
        "AWS::AccountId": _ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::Region": region,
        "AWS::StackName": name,
        "AWS::URLSuffix": "amazonaws.com",
    }
