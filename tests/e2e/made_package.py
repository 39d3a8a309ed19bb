"""A package whose stack a test makes on the engine; its code is a stand-in that returns its event."""

import io
import zipfile
from pathlib import Path
from typing import Any

from silvaengine_cli import deployment as command_line
from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.engine import REGION
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.stack import PackageStack

from .conftest import Deployment, with_role

PACKAGE = """\
package: {name}
environment:
  default: {{ORDERS_TABLE: !Ref Orders, GREETING: Hello}}
functions:
  {name}_hello:
    call: "{name}:hello"
    area: core
    events:
      - {{endpoint: e2e, queue: Inbox}}
      - {{endpoint: e2e, table: Orders}}
      - {{endpoint: e2e, bucket: Uploads, prefix: in/}}
      - {{endpoint: e2e, topic: News}}
      - {{endpoint: e2e, schedule: rate(1 hour)}}
resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
  Inbox: {{Type: AWS::SQS::Queue}}
  Uploads: {{Type: AWS::S3::Bucket}}
  News: {{Type: AWS::SNS::Topic}}
permissions:
  - {{Effect: Allow, Action: [dynamodb:GetItem, dynamodb:PutItem], Resource: !GetAtt Orders.Arn}}
"""


class MadePackage:
    """A package's stack on the engine."""

    def __init__(self, deployment: Deployment, folder: Path, name: str) -> None:
        self.deployment = deployment
        self.command_line = command_line.Deployment(
            stack=LOCAL_STACK, region=REGION, endpoint_url=deployment.engine.url
        )
        self.platform = Platform.read(self.command_line)
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        (self.folder / f"{name}.py").write_text("def hello(): ...\n")
        self.write(PACKAGE.format(name=name))
        self.key = f"packages/{name}/code.zip"
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as code:
            code.writestr("silvaengine_worker/app.py", "def handler(event, context): return event\n")
        deployment.engine.client("s3").put_object(
            Bucket=self.platform.bucket, Key=self.key, Body=archive.getvalue()
        )
        self.said: list[str] = []

    def write(self, text: str) -> None:
        """Replace package.yaml."""
        (self.folder / "package.yaml").write_text(text)

    def stack(self) -> PackageStack:
        """Return the stack of the package as its folder is now."""
        return PackageStack(self.command_line, self.platform, Package.read(self.folder))

    def publish(self) -> list[str]:
        """Make or change the stack; return what was to be done."""
        stack = self.stack()
        plan = stack.plan()
        if plan.is_needed:
            stack.carry_out(plan, self.platform.bucket, self.key, self.said.append)
        return plan.lines()

    def physical_id(self, logical_id: str) -> str:
        """Return a resource's name."""
        found = self.deployment.engine.client("cloudformation").describe_stack_resource(
            StackName=self.stack().name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    @property
    def lambda_name(self) -> str:
        """The name of the package's Lambda."""
        return self.platform.function_name(self.name)

    def client(self, service: str) -> Any:
        """Return a client with the rights of the package's role."""
        functions = self.deployment.engine.client("lambda")
        role = functions.get_function_configuration(FunctionName=self.lambda_name)["Role"]
        return with_role(self.deployment.engine, role, service)
