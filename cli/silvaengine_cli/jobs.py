"""Jobs as an operator sees them: the rows of the ledger."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import click

from silvaengine.aws.attribute_values import decode_row
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.ledger.execution import DAY, LARGEST, LIVE, Execution
from silvaengine.ledger.store import WITHDRAWN, Ledger
from silvaengine.tables import EXECUTIONS
from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.output import utc_time
from silvaengine_cli.registry.tables import Key

ID_LENGTH = 32  # hex digits, at least
STATES = ("accepted", "running", "succeeded", "failed", "dead")
HIDDEN = ("owner", "effect", "content", "result", "principal", "digest")


class Summary(NamedTuple):
    """What a list shows of an execution."""

    job_id: str
    state: str
    endpoint_id: str
    function: str
    attempts: int
    changed_at: int
    cause: str = ""
    expires_at: int = LARGEST

    @classmethod
    def from_row(cls, row: Row) -> "Summary | None":
        """Read a row; None for one that no transition has written: a function may write rows, too."""
        row = cls._field_defaults | {name: _plain(value) for name, value in row.items()}
        kinds = cls.__annotations__.items()
        is_ours = all(isinstance(row.get(name), kind) for name, kind in kinds)
        return cls(**row) if is_ours and 0 <= row["changed_at"] <= LARGEST else None


class Jobs:
    """The ledger of a deployment, with the operator's own rights."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
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

    def part(
        self, most: int, state: str | None, endpoint: str | None, after: Key | None
    ) -> tuple[list[Summary], Key | None]:
        """Return executions, as ``RegistryTables.part`` does."""
        equal = {name: value for name, value in (("state", state), ("endpoint_id", endpoint)) if value}
        rows, following = self._deployment.tables().part(EXECUTIONS, most, after, Summary._fields, equal, {})
        now = self.ledger.now()
        return [each for each in map(Summary.from_row, rows) if each and each.expires_at > now], following

    def settled(self, days: int, state: str | None) -> list[Execution]:
        """Return the executions that were settled so many days ago; reads the whole table."""
        limit = self.ledger.now() - days * DAY
        return [
            each
            for each in self.scan()
            if each.state not in LIVE and each.changed_at <= limit and state in (None, each.state)
        ]

    def ids(self, endpoint_id: str) -> list[str]:
        """Return the ids of all executions of an endpoint, expired ones as well; reads the whole table."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._table,
            ConsistentRead=True,
            ProjectionExpression="job_id",
            FilterExpression="endpoint_id = :endpoint",
            ExpressionAttributeValues={":endpoint": {"S": endpoint_id}},
        )
        return [item["job_id"]["S"] for page in pages for item in page["Items"]]

    def delete(self, job_ids: Sequence[str]) -> None:
        """Delete executions, whatever their state, with their contents and results; reads the whole bucket.

        A function that runs goes on, and its outcome is recorded nowhere: its worker is no longer the owner.

        Raises:
            ClickException: an object can't be deleted; no execution was.
        """
        if not job_ids:
            return
        wanted, bucket = set(job_ids), self._deployment.output("PayloadBucket")
        s3 = self._deployment.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [each["Key"] for each in page.get("Contents", ())]
            objects = [{"Key": key} for key in keys if not wanted.isdisjoint(key.split("/"))]
            if not objects:
                continue
            response = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            for error in response.get("Errors", ()):
                raise click.ClickException(f"{error['Key']} can't be deleted: {error['Code']}")
        for job_id in job_ids:
            self._writer.delete(EXECUTIONS, {"job_id": job_id})

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

    def find(self, job_id: str) -> Execution:
        """Return a job by the beginning of its id; raise ClickException for none and for several."""
        execution = self.ledger.get(self.full_id(job_id))
        if execution is None:
            raise click.ClickException(f"there is no job {job_id}")
        return execution

    def cancel(self, job_id: str) -> str:
        """End a job that has not ended; return ``cancelled``, or why it wasn't."""
        execution = self.ledger.get(job_id)
        if execution is None:
            return "not found"
        if execution.state not in LIVE:
            return f"is {execution.state}"
        try:
            self.ledger.withdraw(execution)
        except self._conflict:
            return "was changed meanwhile"
        return "cancelled"

    def retry(self, job_id: str) -> str:
        """Accept a dead or failed job again; return ``accepted``, or why it wasn't."""
        execution = self.ledger.get(job_id)
        if execution is None:
            return "not found"
        if execution.state not in {"dead", "failed"}:
            return f"is {execution.state}"
        if execution.cause == WITHDRAWN:
            return "was cancelled by its caller"
        try:
            self.ledger.requeue(execution)
        except self._conflict:
            return "was changed meanwhile"
        return "accepted"

    def move(self, execution: Execution, function_arn: str) -> bool:
        """Let an accepted execution go on in another Lambda, as soon as the sweeper comes to it.

        An attempt that is on its way to the former Lambda is refused there.

        Returns:
            Whether it was moved: nobody has changed it meanwhile.

        """
        values = {
            "aws_lambda_arn": function_arn,
            "owner": self.ledger.new_token(),
            "due_at": self.ledger.now(),
        }
        try:
            self._writer.update(
                EXECUTIONS,
                {"job_id": execution.job_id},
                "SET " + ", ".join(f"#{name} = :{name}" for name in values),
                condition="#owner = :seen OR #owner = :owner",
                values={**values, "seen": execution.owner},
            )
        except self._conflict:
            return False
        return True

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


def facts_of(execution: Execution) -> dict[str, Any]:
    """Return the attributes that neither show the call's content nor let anybody change the row."""
    row = {name: value for name, value in execution.to_row().items() if name not in HIDDEN}
    times = ("created_at", "changed_at", "due_at", "expires_at")
    return row | {name: utc_time(row[name]) for name in times if name in row}


def error_of(execution: Execution) -> str | None:
    """Return the error with which a call ended, as its caller was told it; None if it has none."""
    response = parse_json_or_text(execution.result or "")
    if not isinstance(response, dict) or response.get("kind") != "error":
        return None
    details = f" {json.dumps(details, ensure_ascii=False)}" if (details := response.get("details")) else ""
    return f"{response.get('error_type')}: {response.get('value')}{details}"


def log_of(execution: Execution) -> str:
    """Return where the log of an execution is: its worker's log group, and what to search there."""
    return f"{log_group(execution.aws_lambda_arn)}, request {execution.request_id}"


def log_group(function_arn: str) -> str:
    """Return a Lambda's log group: docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html."""
    return f"/aws/lambda/{function_arn.rpartition(':function:')[2].partition(':')[0]}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - a row's
    """Return a value as the ledger has it: the registry's tables keep numbers as decimals."""
    return int(value) if isinstance(value, Decimal) and value.is_finite() else value
