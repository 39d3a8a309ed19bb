"""A batch of ten SQS messages, from event to answer: read, claimed, invoked, and settled by the worker.

Both sides write their claims into the same table in memory and call the same function in memory, so that what
differs is what each adds around them.
"""

import itertools
import json
import os
import time
from types import SimpleNamespace

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

from silvaengine.errors import ConditionFailedError, ConfigurationError
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import Callee, ExecutionRef, WorkerAnswer
from silvaengine.registry.model import Function
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.sqs import SqsSource, read_calls

QUEUE = "arn:aws:sqs:us-east-1:123456789012:work"
BATCH = 10
PAUSE = float(os.environ.get("BENCHMARK_PAUSE", "0"))

_numbers = itertools.count()
_rows = {}
_context = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 300_000,
    function_name="tasks",
    memory_limit_in_mb=256,
    invoked_function_arn="arn",
    aws_request_id="id",
)


def batch():
    """Return an event of ten messages that nobody has seen before."""
    first = next(_numbers) * BATCH
    return {"Records": [_message(first + n) for n in range(BATCH)]}


def _message(number):
    return {
        "messageId": f"m{number}",
        "receiptHandle": "r",
        "body": json.dumps({"params": {"order": number}}),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {
            "endpoint_id": {"stringValue": "acme", "dataType": "String"},
            "funct": {"stringValue": "take", "dataType": "String"},
        },
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "us-east-1",
    }


class _Table:
    """Conditional writes to the rows, as the ledger's tables do them."""

    def put(self, _table, row, *, condition, values):
        if row["job_id"] in _rows:
            raise ConditionFailedError("there")
        _rows[row["job_id"]] = row

    def update(self, _table, key, change, *, condition, values):
        _rows[key["job_id"]].update(values)


class _Account:
    """The registry, and a worker that settles."""

    function = Function(
        name="take", area="core", aws_lambda_arn="arn", callee=Callee("m", "", "take", "{}"), methods=(),
        funct_type="RequestResponse", auth_required=False, graphql=False, settings={},
        configuration={},
    )  # fmt: skip

    def refresh(self):
        """Nothing changes."""

    def resolve(self, *_):
        return self.function

    def settings(self, setting_id):
        raise ConfigurationError(setting_id)

    def hooks(self, _):
        return []

    def invoke(self, _arn, payload, *, event=False, deadline=None):
        call = json.loads(payload)
        answer = WorkerAnswer("json", take(**json.loads(call["params"]))).encode()
        job = ExecutionRef(**call["job"])
        LEDGER.settle(job, job.owner, "succeeded", {"result": json.dumps(answer)})
        return answer


def take(order):
    """The function; it waits for something where it is told how long."""
    if PAUSE:
        time.sleep(PAUSE)
    return {"taken": order}


LEDGER = Ledger(_Table(), _Table())
_account = _Account()
_claims = Claims(LEDGER, Digests(lambda: b"secret"), PayloadStore(lambda: None, None), 300.0)
_caller = Caller(
    _account,
    _account,
    Dispatcher(_account, _claims.payloads),
    _claims,
    AlertPublisher(None),
    CallHooks(_account, _account),
)
_source = SqsSource(_caller, Bindings(_account), lambda *_: None)


def ours():
    """A batch by the tasks Lambda's source."""
    _rows.clear()
    if _source.serve(batch(), _context, InvocationLog("tasks")) != {"batchItemFailures": []}:
        raise AssertionError


class _Persistence(BasePersistenceLayer):
    """Powertools' own records in the same rows."""

    def _get_record(self, idempotency_key):
        if idempotency_key not in _rows:
            raise IdempotencyItemNotFoundError
        return DataRecord(**_rows[idempotency_key])

    def _put_record(self, data_record):
        if data_record.idempotency_key in _rows:
            raise IdempotencyItemAlreadyExistsError
        _rows[data_record.idempotency_key] = _row(data_record)

    def _update_record(self, data_record):
        _rows[data_record.idempotency_key].update(_row(data_record))

    def _delete_record(self, data_record):
        del _rows[data_record.idempotency_key]


def _row(record):
    return {
        "idempotency_key": record.idempotency_key,
        "status": record.status,
        "expiry_timestamp": record.expiry_timestamp,
        "response_data": record.response_data,
    }


_processor = BatchProcessor(event_type=EventType.SQS)
_config = IdempotencyConfig(event_key_jmespath="messageId")


@idempotent_function(data_keyword_argument="record", persistence_store=_Persistence(), config=_config)
def _once(record):
    payload = json.dumps({"funct": "take", "params": json.dumps(json.loads(record["body"])["params"])})
    return take(**json.loads(json.loads(payload)["params"]))


def _handle(record):
    return _once(record=record.raw_event)


def _same(record):
    _caller.call_all(lambda: read_calls(record.raw_event), deadline_of(_context))


def around():
    """The same claims and calls, in the records' loop of Powertools."""
    _rows.clear()
    answer = process_partial_response(
        event=batch(), record_handler=_same, processor=_processor, context=_context
    )
    if answer != {"batchItemFailures": []}:
        raise AssertionError


def powertools():
    """A batch by Powertools' batch processor, with its idempotency."""
    _rows.clear()
    _config.register_lambda_context(_context)
    answer = process_partial_response(
        event=batch(), record_handler=_handle, processor=_processor, context=_context
    )
    if answer != {"batchItemFailures": []}:
        raise AssertionError
