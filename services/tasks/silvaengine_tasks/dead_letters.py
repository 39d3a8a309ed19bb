"""The dead-letter queue: one message for each execution that was given up, with what an operator needs.

It refers to the ledger's row and holds nothing of the call: no parameter, no setting, no result.
"""

import json
from collections.abc import Callable

from silvaengine.aws.botocore import client, translate_errors
from silvaengine.ledger.execution import Execution
from silvaengine.settings import Settings, require

type DeadLetters = Callable[[Execution], None]


def dead_letter(execution: Execution) -> dict[str, object]:
    """Return the message of a dead execution."""
    return {
        "job_id": execution.job_id,
        "endpoint_id": execution.endpoint_id,
        "area": execution.area,
        "function": execution.function,
        "cause": execution.cause,
        "attempts": execution.attempts,
        "request_id": execution.request_id,
        "created_at": execution.created_at,
        "died_at": execution.changed_at,
    }


def open_dead_letters(settings: Settings) -> DeadLetters:
    """Return what sends a dead execution's message to the deployment's queue."""

    def send(execution: Execution) -> None:
        queue = require(settings.dead_letter_queue_url, "DEAD_LETTER_QUEUE_URL")
        with translate_errors("SendMessage to the dead-letter queue"):
            client("sqs", settings.region).send_message(
                QueueUrl=queue, MessageBody=json.dumps(dead_letter(execution))
            )

    return send
