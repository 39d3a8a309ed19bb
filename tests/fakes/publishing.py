"""A package's Lambda by Lambda's API, and a deployment that has it."""

import json
from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

from silvaengine.registry.packages import PROTOCOL, release_digest
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.registry.tables import RegistryTables

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:demo-Worker"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:demo-pkg-shop"


class PackageLambda:
    """A Lambda with versions, by their code.

    ``states`` are those that aren't Active, ``refusals`` come before ``answers`` of Invokes.
    """

    exceptions = SimpleNamespace(
        ResourceNotFoundException=type("ResourceNotFoundException", (Exception,), {}),
        PreconditionFailedException=type("PreconditionFailedException", (Exception,), {}),
    )

    def __init__(self) -> None:
        self.code: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.answers: list[Any] = []
        self.invoked: list[dict[str, Any]] = []
        self.refusals: list[ClientError] = []
        self.revision = "r1"
        self.reserved: int | None = None

    def update_function_code(self, *, RevisionId: str, **_: Any) -> Any:  # noqa: N803
        if RevisionId != self.revision:
            raise self.exceptions.PreconditionFailedException
        return {"Version": "2"}

    def get_function(self, *, FunctionName: str, Qualifier: str = "") -> Any:  # noqa: N803 - boto3's names
        if not Qualifier:
            reserved = {"ReservedConcurrentExecutions": self.reserved}
            return {} if self.reserved is None else {"Concurrency": reserved}
        if Qualifier not in self.code:
            raise self.exceptions.ResourceNotFoundException
        state = self.states.get(Qualifier, "Active")
        return {"Configuration": {"State": state, "CodeSha256": self.code[Qualifier]}}

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: str, **options: str) -> Any:  # noqa: N803
        if self.refusals:
            raise self.refusals.pop(0)
        self.invoked.append({"Qualifier": Qualifier, **json.loads(Payload), **options})
        if self.states.get(Qualifier) == "Inactive":
            self.states[Qualifier] = "Pending"
            raise refused("ResourceNotReadyException", "The function is inactive")
        answer = self.answers.pop(0) if self.answers else {"functions": {}, "rights": {}}
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": BytesIO(json.dumps(answer).encode()), **failed}


def refused(code: str, message: str) -> ClientError:
    """Return what boto3 raises for a refusal of Lambda's."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Invoke")


def deployment_of(dynamodb: Any, functions: PackageLambda | None = None) -> Deployment:
    """Return a deployment with a package's Lambda, and without a stack or Redis."""
    sts = SimpleNamespace(get_caller_identity=lambda: {"Arn": "arn:aws:iam::123456789012:user/ada"})
    clients = {"dynamodb": dynamodb, "lambda": functions, "sts": sts}
    deployment = SimpleNamespace(
        client=clients.__getitem__,
        table_prefix="se-",
        worker_arn=WORKER,
        caller_arn=sts.get_caller_identity()["Arn"],
        has_output=lambda _name: False,
        tables=lambda: RegistryTables(dynamodb),
    )
    return cast("Deployment", deployment)


def release_row(number: int, *names: str, code: str = "c0de", **members: Any) -> dict[str, Any]:
    """Return the row of a release with these functions."""
    config = {"module_name": "shop", "class_name": "", "methods": ["GET"]}
    functions = json.dumps(
        {name: {"area": "core", "config": {**config, "function_name": name}} for name in names}
    )
    return {
        "package": "shop",
        "release": number,
        "protocol": PROTOCOL,
        "code": code,
        "functions": functions,
        "isolated": False,
        "digest": release_digest("shop", code, functions, is_isolated=False),
        "code_sha256": f"sha-{number}",
        "object": f"packages/shop/{number}.zip",
        "platform": "platform",
        "memory": 512,
        "timeout": 300,
        "created_at": 1_700_000_000,
        "by": "arn:aws:iam::123456789012:user/ada",
        **members,
    }
