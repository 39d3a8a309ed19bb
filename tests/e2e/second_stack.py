"""Further stacks of the artefacts that the shared one has."""

import json
from collections.abc import Mapping

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine

from .conftest import Deployment

BUCKET = "templates"


def deploy_again(deployment: Deployment, stack: str, parameters: Mapping[str, str]) -> deploy.StackOutputs:
    """Make a stack by the template that `sam deploy` has made of ours; sam itself would take ten seconds."""
    engine = deployment.engine
    stacks, objects = engine.client("cloudformation"), engine.client("s3")
    template = stacks.get_template(StackName=deploy.LOCAL_STACK)["TemplateBody"]
    objects.create_bucket(Bucket=BUCKET)
    objects.put_object(Bucket=BUCKET, Key=stack, Body=json.dumps(template))
    addresses = {"LocalEndpoint": engine.url, "AwsEndpointUrl": engine.url}
    values = {**addresses, "UsageMetering": "false", **parameters}
    stacks.create_stack(
        StackName=stack,
        TemplateURL=f"{engine.url}/{BUCKET}/{stack}",  # it is too large to be sent along
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.2})
    return deploy.StackOutputs.read(engine, stack)


def update_parameters(engine: LocalEngine, stack: str, changed: Mapping[str, str]) -> None:
    """Give parameters of a stack other values; sam itself would build nothing and take ten seconds."""
    stacks = engine.client("cloudformation")
    (description,) = stacks.describe_stacks(StackName=stack)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in description["Parameters"]}
    values.update(changed)
    stacks.update_stack(
        StackName=stack,
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.2})
