"""A batch of ten SQS messages, from event to answer: read, claimed, invoked, and settled by the worker.

Both sides make the same claims and calls in memory, so that what differs is the loop around them.
"""

import os
from itertools import count
from types import SimpleNamespace

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from tests.unit.tasks.world import World, message

from silvaengine.errors import ConditionFailedError
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.records import BatchItem
from silvaengine_tasks.sources import deadline_of
from silvaengine_tasks.sources.sqs import SqsSource

BATCH = 10

_numbers = count()
_rows = {}
_context = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 300_000,
    function_name="tasks",
    memory_limit_in_mb=256,
    invoked_function_arn="arn",
    aws_request_id="id",
)


class Table:
    """Conditional writes to the rows, as the ledger's tables do them."""

    def put(self, _table, row, *, condition, values):
        """Write a row that isn't there."""
        if row["job_id"] in _rows:
            raise ConditionFailedError("there")
        _rows[row["job_id"]] = row

    def update(self, _table, key, change, *, condition, values):
        """Change a row."""
        _rows[key["job_id"]].update(values)


_account = World()  # registry and worker
_account.pause = float(os.environ.get("BENCHMARK_PAUSE", "0"))
_account.ledger = Ledger(Table(), Table())
_objects = PayloadStore(lambda: None, None)
_claims = Claims(_account.ledger, Digests(lambda: b"secret"), _objects, 300.0)
_dispatcher = Dispatcher(_account, _objects)
_functions = FunctionCaller(
    _account, _account, _dispatcher, _claims, AlertPublisher(None), CallHooks(_account, _account)
)
_source = SqsSource(_functions, Bindings(_account), lambda *_: None)
_processor = BatchProcessor(event_type=EventType.SQS)


def batch():
    """Return an event of ten messages that nobody has seen before."""
    _rows.clear()
    return {"Records": [message(next(_numbers)) for _ in range(BATCH)]}


def ours():
    """Serve a batch by the tasks Lambda's source."""
    if _source.serve(batch(), _context, InvocationLog("tasks")) != {"batchItemFailures": []}:
        raise AssertionError


def powertools():
    """Serve a batch by the records' loop of Powertools."""
    response = process_partial_response(
        event=batch(), record_handler=call, processor=_processor, context=_context
    )
    if response != {"batchItemFailures": []}:
        raise AssertionError


def call(record):
    """Claim a record and call its function."""
    for each in _source.read_calls(BatchItem(record.raw_event, record.message_id)):
        _functions.call(each, deadline_of(_context))
