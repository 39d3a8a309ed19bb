"""A worker without Lambda: payloads by name, a context that counts down, a notifier that remembers."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import Handler
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.worker import Worker

from ...fakes.dynamodb import MemoryDynamoDB

type Payload = Callable[..., dict[str, Any]]
type Handle = Callable[..., Any]

PACKAGES = Path(__file__).parent / "packages"
REQUEST_ID = "f" * 32


class LambdaContext:
    """The context that Lambda passes with the event."""

    aws_request_id = "lambda-request"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:worker"

    def __init__(self, milliseconds: int = 30_000) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the process."""
        return self._milliseconds


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the sample packages on the path, freshly imported for each test."""
    monkeypatch.syspath_prepend(PACKAGES)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"sample_functions", "unlisted_functions"}:
            del sys.modules[name]


@pytest.fixture
def payload() -> Payload:
    """Build a payload as the gateway does, or with ``invocation=False`` as the predecessor's did."""

    def build(
        function: str,
        *,
        settings: Mapping[str, Any] | str | None = None,
        params: Mapping[str, Any] | None = None,
        endpoint_id: str = "demo",
        deadline: float | None = 4e9,
        invocation: bool = True,
        **members: Any,
    ) -> dict[str, Any]:
        module, _, rest = function.partition(":")
        class_name, _, name = rest.rpartition(".")
        event: dict[str, Any] = {
            "MODULENAME": f"sample_functions.{module}",
            "CLASSNAME": class_name,
            "funct": name,
            "setting": settings if isinstance(settings, str) else json.dumps(settings or {}),
            "params": json.dumps(params or {}),
            **members,
        }
        if invocation:
            event["invocation"] = {
                "request_id": REQUEST_ID,
                "endpoint_id": endpoint_id,
                "area": "core",
                "function": name,
                "deadline": deadline,
                "attempt": 1,
            }
        return event

    return build


@pytest.fixture
def call(payload: Payload) -> Callable[..., WorkerCall]:
    """Build a payload and decode it."""
    return lambda *args, **members: WorkerCall.decode(payload(*args, **members))


@pytest.fixture
def notices() -> list[tuple[str, dict[str, Any]]]:
    """Hold the subject and the message of each alert."""
    return []


@pytest.fixture
def dynamodb() -> MemoryDynamoDB:
    """Return the tables in memory."""
    return MemoryDynamoDB()


@pytest.fixture
def ledger(dynamodb: MemoryDynamoDB) -> Ledger:
    """Return the ledger in them."""
    return Ledger(TableReader(lambda: dynamodb, "se-"), TableWriter(lambda: dynamodb, "se-"))


@pytest.fixture
def jobs(ledger: Ledger) -> ExecutionRunner:
    """Return a runner of jobs, without a bucket."""
    return ExecutionRunner(ledger, PayloadStore(lambda: None, None), lambda: 0.0)


def no_replies() -> NoReturn:
    """Stand in for the WebSocket API of a deployment that has none."""
    raise NotImplementedError


@pytest.fixture
def handler(notices: list[tuple[str, dict[str, Any]]], jobs: ExecutionRunner) -> Handler:
    """Return a warm worker that allows the sample functions."""
    alerts = AlertPublisher(lambda subject, text: notices.append((subject, json.loads(text))))
    return create_handler(CallServer(Worker(Loader(["sample_functions"])), lambda: jobs, no_replies), alerts)


@pytest.fixture
def handle(handler: Handler, payload: Payload) -> Handle:
    """Call a function by name and return what Lambda would."""

    def run(function: str, *, context: Any = None, **members: Any) -> Any:
        return handler(payload(function, **members), context or LambdaContext())

    return run


@pytest.fixture
def lambda_context() -> type[LambdaContext]:
    """Return the class of contexts, which takes the milliseconds left."""
    return LambdaContext
