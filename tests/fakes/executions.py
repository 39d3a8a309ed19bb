"""An execution for tests of the ledger."""

from typing import Any

from silvaengine.ledger.execution import Execution, shard_of

JOB_ID = "a" * 32


def accepted_execution(now: int, **changes: Any) -> Execution:
    """Return an execution that was accepted now and is due in 90 seconds, but for the changes."""
    values = {
        "job_id": JOB_ID, "state": "accepted", "owner": "gateway", "effect": "e" * 32, "fence": 1,
        "attempts": 0, "endpoint_id": "acme", "area": "core", "function": "f", "aws_lambda_arn": "arn",
        "setting": "", "principal": "p", "on_lost": "retry", "max_attempts": 3, "keep_seconds": 100,
        "backoff_seconds": 10, "request_id": "r", "digest": "d", "created_at": now, "due_at": now + 90,
        "content": "{}", **changes,
    }  # fmt: skip
    first = {"changed_at": values["created_at"], "due_shard": shard_of(values["job_id"])}
    return Execution(**{**first, **values})
