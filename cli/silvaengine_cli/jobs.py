"""Jobs as an operator sees them: the rows of the ledger."""

from collections.abc import Iterator

import click

from silvaengine.aws.attribute_values import decode_row
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.store import Ledger
from silvaengine.tables import EXECUTIONS
from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.deployment import Deployment

ID_LENGTH = 32  # hex digits, at least


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

    def full_id(self, job_id: str) -> str:
        """Return the id that begins with one that `jobs list` shows, or the same if none does.

        Raises:
            ClickException: several begin so.
        """
        if len(job_id) >= ID_LENGTH or self.ledger.get(job_id):
            return job_id
        beginning = job_id.rstrip("…")
        found = [each.job_id for each in self.scan() if beginning and each.job_id.startswith(beginning)]
        if len(found) > 1:
            raise click.ClickException(f"{len(found)} jobs begin with {beginning}: name more of the id")
        return found[0] if found else job_id

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


def error_of(execution: Execution) -> str | None:
    """Return the error with which a call ended, as its caller was told it; None if it has none."""
    response = parse_json_or_text(execution.result or "")
    if not isinstance(response, dict) or response.get("kind") != "error":
        return None
    return f"{response.get('error_type')}: {response.get('value')}"


def log_of(execution: Execution) -> str:
    """Return where the log of an execution is: its worker's log group, and what to search there."""
    return f"{log_group(execution.aws_lambda_arn)}, request {execution.request_id}"


def log_group(function_arn: str) -> str:
    """Return a Lambda's log group: docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html."""
    return f"/aws/lambda/{function_arn.rpartition(':function:')[2].partition(':')[0]}"
