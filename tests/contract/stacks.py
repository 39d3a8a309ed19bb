"""Stacks that commands find by their outputs."""

import json
from collections.abc import Mapping
from typing import Any

TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}


def create_stack(
    cloudformation: Any,
    name: str,
    outputs: Mapping[str, str],
    parameters: Mapping[str, str] | None = None,
    resources: Mapping[str, Any] = TOPIC,
) -> None:
    """Create a stack with these outputs and parameters; it needs a resource."""
    given = parameters or {}
    template = {
        "Parameters": {each: {"Type": "String"} for each in given},
        "Resources": resources,
        "Outputs": {each: {"Value": value} for each, value in outputs.items()},
    }
    values = [{"ParameterKey": each, "ParameterValue": value} for each, value in given.items()]
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=values)
