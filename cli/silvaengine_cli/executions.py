"""The ledger as an operator sees it: its rows, and the queue that tells of the dead."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.errors import ConditionFailedError
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.store import Ledger
from silvaengine.tables import EXECUTIONS
from silvaengine_cli.target import Deployment

HOLD_SECONDS = 20  # how long a message that is looked at is hidden from others


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue."""

    receipt: str
    facts: dict[str, Any]


class Executions:
    """The ledger of a deployment, with the operator's own rights."""

    def __init__(self, target: Deployment) -> None:
        self._dynamodb = target.client("dynamodb")
        self._table = EXECUTIONS.full_name(target.table_prefix)
        api = BotocoreApi(self._dynamodb)
        reader = TableReader(lambda: api, target.table_prefix)
        self.ledger = Ledger(reader, TableWriter(lambda: api, target.table_prefix))

    def all(self) -> Iterator[Execution]:
        """Read all executions that count, in no order; the whole table is scanned."""
        from boto3.dynamodb.types import TypeDeserializer  # slow, and `--help` needs none

        decode = TypeDeserializer().deserialize
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                row = {name: decode(value) for name, value in item.items()}
                execution = Execution.of(row)
                if execution and not execution.is_gone(self.ledger.now()):
                    yield execution

    def retry(self, job_id: str) -> str:
        """Accept a dead or failed job anew; tell what was done."""
        execution = self.ledger.get(job_id)
        if execution is None:
            return "not found"
        if execution.state not in {"dead", "failed"}:
            return f"is {execution.state}"
        try:
            self.ledger.requeue(execution)
        except ConditionFailedError:
            return "was moved by somebody else"
        return "accepted"

    def purge(self, execution: Execution) -> bool:
        """Delete a settled execution; tell whether it was still as it was seen."""
        if execution.state in LIVE:
            return False
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key={"job_id": {"S": execution.job_id}},
                ConditionExpression="#o = :o",
                ExpressionAttributeNames={"#o": "owner"},
                ExpressionAttributeValues={":o": {"S": execution.owner}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True


class DeadLetterQueue:
    """The queue that tells of the dead."""

    def __init__(self, target: Deployment) -> None:
        self._sqs = target.client("sqs")
        self._url = target.output("DeadLetterQueueUrl")

    def look(self, limit: int) -> Iterator[DeadLetter]:
        """Return messages once each; they come back to the queue after twenty seconds."""
        seen: set[str] = set()
        deadline = time.monotonic() + HOLD_SECONDS / 2
        while len(seen) < limit and time.monotonic() < deadline:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=HOLD_SECONDS, WaitTimeSeconds=1
            )
            messages = [each for each in answer.get("Messages", ()) if each["MessageId"] not in seen]
            if not messages:
                return
            for message in messages[: limit - len(seen)]:
                seen.add(message["MessageId"])
                yield DeadLetter(message["ReceiptHandle"], _facts(message["Body"]))

    def delete(self, letter: DeadLetter) -> None:
        """Take a message out of the queue."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)


def _facts(body: str) -> dict[str, Any]:
    """Read a message; one that isn't ours is shown as it is."""
    try:
        facts = json.loads(body)
    except ValueError:
        facts = None
    return facts if isinstance(facts, dict) else {"message": body}
