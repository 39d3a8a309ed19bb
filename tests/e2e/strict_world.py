"""An engine, as it is and behind the double, with what the double's tests do to both."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from silvaengine_cli import AwsClient
from silvaengine_cli.deploy import zip_files
from silvaengine_cli.engine import CREDENTIALS, REGION, LocalEngine, local_engine
from silvaengine_cli.strict import Double, Script

from .probe import Probe, deploy_probe

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
CODE = zip_files({"main.py": Path(__file__).with_name("strict_function.py").read_bytes()})
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class World:
    """An engine, as it is and behind the double."""

    double: Double
    alone: LocalEngine
    behind: LocalEngine
    probe: Probe

    @property
    def sides(self) -> tuple[AwsClient, AwsClient]:
        """Lambda's clients that repeat nothing, of the engine and of the double."""
        return client(self.alone, "lambda"), client(self.behind, "lambda")

    def make_role(self) -> str:
        """Make a role, past the double; return its ARN."""
        name = f"role-{next(_numbers)}"
        roles = client(self.alone, "iam")
        arn: str = roles.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        return arn

    def make_function(self, side: LocalEngine | None = None, **members: Any) -> str:
        """Make a function, past the double unless at a side; return its name."""
        name = f"function-{next(_numbers)}"
        settings = {"Role": self.make_role()} if "Role" not in members else {}
        client(side or self.alone, "lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="main.handler",
            Code={"ZipFile": CODE},
            **settings,
            **members,
        )
        return name


def client(engine: LocalEngine, service: str) -> AwsClient:
    """Return a client that repeats nothing."""
    options: Any = {"config": Config(retries={"total_max_attempts": 1}, parameter_validation=False)}
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
    return boto3.client(service, region_name=REGION, endpoint_url=engine.url, **keys, **options)  # type: ignore[call-overload]


def invoke(functions: AwsClient, name: str, payload: bytes = b"{}", **options: Any) -> Any:
    """Invoke a function; return Lambda's response with its payload read."""
    response = functions.invoke(FunctionName=name, Payload=payload, **options)
    return {**response, "Payload": response["Payload"].read()}


def code_of(error: ClientError) -> tuple[int, str]:
    """Return an error's status and code."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def refusal(call: Any, **members: Any) -> tuple[int, str]:
    """Return status and code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    return code_of(caught.value)


def allow(engine: LocalEngine, function: str, action: str) -> None:
    """Let a function's role do something, as said at a side."""
    role = client(engine, "lambda").get_function_configuration(FunctionName=function)["Role"]
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client(engine, "iam").put_role_policy(
        RoleName=role.rpartition("/")[2], PolicyName="allowed", PolicyDocument=document
    )


def make_table(engine: LocalEngine) -> str:
    """Make a table whose key is `id`; return its name."""
    name = f"table-{next(_numbers)}"
    client(engine, "dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return name


@contextmanager
def open_world(program: Path, state: Path) -> Iterator[World]:
    """Run an engine for a block; what passes by itself passes after one call, and never by time."""
    script = Script(calls=1, seconds=3600, stale_seconds=3600, throttle_every=0)
    double = Double(script)
    with local_engine(program, state, double=double) as behind:
        alone = replace(behind, port=int((state / "port").read_text()))
        yield World(double, alone, behind, deploy_probe(alone))
