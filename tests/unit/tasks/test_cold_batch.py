"""What a batch reads of the registry before anything of it is in memory."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, override

from silvaengine.aws.table_client import TableReader
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.registry.registry import Registry
from silvaengine.tables import CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.sqs import SqsSource

from ...fakes.dynamodb import MemoryDynamoDB
from .world import World, message


class SlowTables(MemoryDynamoDB):
    """Tables whose reads take a while, so that threads meet, and are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = Counter[str]()

    @override
    def call(
        self, operation: str, request: Mapping[str, Any], resource: str, *, repeatable: bool = False
    ) -> dict[str, Any]:
        self.reads[f"{operation} {resource}"] += 1
        time.sleep(0.02)
        return super().call(operation, request, resource, repeatable=repeatable)


def reads(*messages: Any) -> Counter[str]:
    """Serve a batch with an empty memory; return the reads of the registry's tables."""
    world, tables = World(), SlowTables()
    names = ("f", "g")
    tables.put(ENDPOINTS, endpoint_id="acme", special_connection=True)
    entries = [{"function": name, "aws_lambda_arn": "arn"} for name in names]
    tables.put(CONNECTIONS, endpoint_id="acme", api_key=DEFAULT_API_KEY, functions=entries)
    for name in names:
        config = {"module_name": "m"}
        tables.put(FUNCTIONS, aws_lambda_arn="arn", function=name, area="core", config=config)
    registry = Registry(TableReader(lambda: tables, "se-"), {}, stage="beta")
    functions = FunctionCaller(
        registry, world, Dispatcher(world, PayloadStore(lambda: None, None)), world.functions.claims,
        AlertPublisher(None), CallHooks(registry, world),
    )  # fmt: skip
    queues = SqsSource(functions, Bindings(registry), world)
    response = queues.serve({"Records": list(messages)}, world, InvocationLog("tasks"))
    assert response == {"batchItemFailures": []}
    assert len(world.called) == len(messages)
    return tables.reads


def test_ten_messages_for_one_function_read_what_one_reads() -> None:
    """Their threads find in memory what was read before they started."""
    assert reads(*(message(n) for n in range(10))) == reads(message(0))


def test_two_functions_of_a_batch_are_read_once_each() -> None:
    """Of each function one row is read, whatever number of messages it has."""
    one, ten = reads(message(0)), reads(*(message(n, funct="fg"[n % 2]) for n in range(10)))
    assert ten["GetItem se-functions"] == 2 * one["GetItem se-functions"] > 0
