"""Jobs as an operator sees them: the rows of the ledger."""

from collections.abc import Iterator

from silvaengine.aws.attribute_values import decode_row
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.store import Ledger
from silvaengine.tables import EXECUTIONS
from silvaengine_cli.deployment import Deployment


class Jobs:
    """The ledger of a deployment, with the operator's own rights."""

    def __init__(self, deployment: Deployment) -> None:
        self._dynamodb = deployment.client("dynamodb")
        self._table = deployment.table_prefix + EXECUTIONS.name
        api = BotocoreApi(self._dynamodb)
        reader = TableReader(lambda: api, deployment.table_prefix)
        self._writer = TableWriter(lambda: api, deployment.table_prefix)
        self.ledger = Ledger(reader, self._writer)
        # What boto3 raises; ConditionFailedError comes from the framework's own client alone.
        self._conflict: type[Exception] = self._dynamodb.exceptions.ConditionalCheckFailedException

    def scan(self) -> Iterator[Execution]:
        """Return all executions whose time isn't over, in no order; reads the whole table."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                execution = Execution.from_row(decode_row(item))
                if execution and not execution.is_gone(self.ledger.now()):
                    yield execution

    def retry(self, job_id: str) -> str:
        """Accept a dead or failed job again; return ``accepted``, or why it wasn't."""
        execution = self.ledger.get(job_id)
        if execution is None:
            return "not found"
        if execution.state not in {"dead", "failed"}:
            return f"is {execution.state}"
        try:
            self.ledger.requeue(execution)
        except self._conflict:
            return "was changed meanwhile"
        return "accepted"

    def purge(self, execution: Execution) -> bool:
        """Delete a settled execution unless it has changed meanwhile; return whether it was deleted."""
        if execution.state in LIVE:
            return False
        key, owner = {"job_id": execution.job_id}, {"owner": execution.owner}
        try:
            self._writer.delete(EXECUTIONS, key, condition="#owner = :owner", values=owner)
        except self._conflict:
            return False
        return True
