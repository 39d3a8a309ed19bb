"""A caller of functions in memory, with what its sources deliver and what its workers did."""

import json
import time
from types import SimpleNamespace
from typing import Any, override
from urllib.parse import quote_plus

from tests.fakes.lambdas import as_result

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.errors import (
    ConfigurationError,
    InvocationError,
    NotFoundError,
    NotStartedError,
    UnavailableError,
)
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import Callee, ExecutionRef, WorkerResponse
from silvaengine.registry.model import Function
from silvaengine.registry.policy import ExecutionPolicy
from silvaengine.registry.registry import Registry
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.eventbridge import EventBridgeSource
from silvaengine_tasks.sources.s3 import S3Source
from silvaengine_tasks.sources.sns import SnsSource
from silvaengine_tasks.sources.sqs import SqsSource
from silvaengine_tasks.sources.streams import StreamSource

from ...fakes.dynamodb import MemoryDynamoDB

NOW = 1_700_000_000
NO_POLICY = ExecutionPolicy()
TASKS = "arn:aws:lambda:us-east-1:123456789012:function:tasks"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:work"


class World(Registry, Invoker):
    """A registry, a caller, a worker that settles as the real one does, and what they did."""

    def __init__(self) -> None:
        self.aws_request_id = self.function_name = "tasks"
        self.invoked_function_arn = f"{TASKS}:events"
        self.now = NOW
        self.seconds = 60.0
        self.pause = 0.0
        self.ran: list[Any] = []
        self.hidden: list[tuple[str, str, int]] = []
        self.most_receives: int | None = None
        self.is_policy_denied = False
        self.notices: list[str] = []
        self.subjects: list[str] = []
        self.refuses = False
        self.too_late = False
        self.dies = False
        self.is_deaf = False
        self.jobs: list[ExecutionRef] = []
        self.config: dict[str, Any] = {}
        self.bound: dict[str, dict[str, Any]] = {}
        self.response: Any = None
        self.events: list[str] = []
        self.hops: list[int] = []
        self.hooked: list[dict[str, Any]] = []
        self.responses: dict[str, Any] = {}
        self.slept: list[float] = []
        self.called: list[str] = []
        self.broken: set[str] = set()
        self.breaking: set[str] = set()
        self.missing = {"missing"}
        self.request_ids: list[str] = []
        client = MemoryDynamoDB()
        self.ledger = Ledger(
            TableReader(lambda: client, "se-"), TableWriter(lambda: client, "se-"), clock=lambda: self.now
        )
        payloads = PayloadStore(SimpleNamespace, "bucket")
        self.functions = FunctionCaller(
            self, self, Dispatcher(self, payloads),
            Claims(self.ledger, Digests(lambda: b"secret"), payloads, 300.0),
            AlertPublisher(self.publish), CallHooks(self, self),
        )  # fmt: skip
        self.bindings = Bindings(self)
        self.queues = SqsSource(self.functions, self.bindings, self)

    def publish(self, subject: str, text: str) -> None:
        """Stand for the operator's topic."""
        self.subjects.append(subject)
        self.notices.append(text)

    def hide(self, queue_arn: str, receipt: str, seconds: int) -> None:
        """Note which message is hidden."""
        self.hidden.append((queue_arn, receipt, seconds))

    def max_receives(self, _queue_arn: str) -> int | None:
        """Return the queue's redrive policy, which not every role may read."""
        if self.is_policy_denied:
            raise ConfigurationError("The service is misconfigured", detail="AccessDenied")
        return self.most_receives

    @override
    def refresh(self, command: object = None) -> None:
        """Change nothing."""

    @override
    def settings(self, setting_id: str) -> dict[str, Any]:
        return self.bound[setting_id]

    @override
    def find_settings(self, setting_id: str) -> dict[str, Any]:
        return self.bound.get(setting_id, {})

    @override
    def hooks(self, endpoint_id: str) -> list[dict[str, Any]]:
        return [row for row in self.hooked if row["api_id"] == endpoint_id]

    def bind(self, variable: str, *functions: str, **options: Any) -> None:
        """Bind a source to functions of acme, as ``silvaengine apply`` does."""
        bound = [{"endpoint_id": "acme", "funct": name, **options} for name in functions]
        self.bound.setdefault("silvaengine_events", {}).setdefault(variable, []).extend(bound)

    @override
    def resolve(self, endpoint_id: str, api_key: str, area: str, name: str) -> Function:
        if name in self.missing:
            raise NotFoundError(f"Function {name!r} does not exist")
        return Function(
            name=name, area="core", aws_lambda_arn="arn", callee=Callee("m", "", name, "{}"),
            funct_type="RequestResponse", methods=(), auth_required=False, graphql=False, settings={},
            configuration={}, policy=ExecutionPolicy.from_config(self.config) if self.config else NO_POLICY,
        )  # fmt: skip

    @override
    def invoke(
        self, arn: str, payload: str, *, event: bool = False, deadline: float | None = None, **_: object
    ) -> bytes:
        if self.refuses:
            raise UnavailableError("throttled")
        if self.too_late:
            raise NotStartedError("The request's deadline has passed", status=504)
        call = json.loads(payload)
        self.events += [call["funct"]] if event else []
        params = json.loads(call["params"])
        if call["funct"] in self.breaking:
            raise ZeroDivisionError
        self.jobs += [ExecutionRef(**call["job"])] if "job" in call else []
        if self.dies:
            raise InvocationError("The function failed", error_type="Runtime.ExitError")
        self.hops.append(call["invocation"]["hops"])
        self.request_ids.append(call["invocation"]["request_id"])
        time.sleep(self.pause)
        response = WorkerResponse("json", self.responses.get(call["funct"], self.response) or {"got": params})
        if call["funct"] in self.broken or params.get("poison"):
            response = WorkerResponse("error", "poisoned", 500, "ValueError")
            response = response._replace(details={"left": 1}, code="poisoned")
        self.ran.append(params)
        self.called.append(call["funct"])
        if "job" in call:
            job = ExecutionRef(**call["job"])
            state: Any = "failed" if response.kind == "error" else "succeeded"
            self.ledger.settle(job, job.owner, state, {"result": json.dumps(response.encode())})
        if self.is_deaf:
            raise InvocationError("The connection to the function was lost")
        return as_result(response)

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)

    def sqs(self, *messages: Any) -> list[str]:
        """Deliver messages; return the ids that go back."""
        response = self.queues.serve({"Records": list(messages)}, self, InvocationLog("tasks"))
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def s3(self, *keys: str) -> None:
        """Deliver objects."""
        self.s3_records(*map(stored, keys))

    def s3_records(self, *records: Any) -> None:
        """Deliver what a bucket says of objects."""
        event = {"Records": list(records)}
        assert S3Source.matches(event)
        S3Source(self.functions, self.bindings).serve(event, self, InvocationLog("tasks"))

    def sns(self, *records: Any) -> None:
        """Deliver messages of a topic."""
        event = {"Records": list(records)}
        assert SnsSource.matches(event)
        SnsSource(self.functions, self.bindings).serve(event, self, InvocationLog("tasks"))

    def rule(self, event: Any) -> None:
        """Deliver an event of EventBridge."""
        assert EventBridgeSource.matches(event)
        EventBridgeSource(self.functions, self.bindings).serve(event, self, InvocationLog("tasks"))

    def stream(self, *records: Any, endpoint_id: str | None = None) -> list[str]:
        """Deliver records of a table; return what goes back."""
        event = {"Records": list(records)}
        assert StreamSource.matches(event)
        streams = StreamSource(self.functions, self.bindings, endpoint_id, self.slept.append)
        response = streams.serve(event, self, InvocationLog("tasks"))
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def message(
    number: int, *, funct: str = "f", group: str = "", receives: int = 1, **params: Any
) -> dict[str, Any]:
    """Return a message in the form of SQS."""
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"r{number}",
        "body": json.dumps({"params": {"n": number, **params}}),
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            **({"MessageGroupId": group} if group else {}),
        },
        "messageAttributes": {
            "endpoint_id": {"stringValue": "acme", "dataType": "String"},
            "funct": {"stringValue": funct, "dataType": "String"},
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE + (".fifo" if group else ""),
    }


def stored(key: str) -> dict[str, Any]:
    """Return a record in the form of S3, its key encoded as S3 does."""
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": quote_plus(key, safe="/"), "sequencer": "01"}},
    }
