"""Functions that AWS events call; `silvaengine events send sqs --local` sends one."""

import logging
from typing import Any

from silvaengine_base import current_invocation


def heard(**params: object) -> dict[str, Any]:
    """Take any source's parameters: ``event`` or ``record`` from a binding, else those that were sent."""
    current_invocation().logger.info("Heard of %s", ", ".join(sorted(params)))
    return {"heard": sorted(params)}


def process_sqs_event(records: list[dict[str, Any]]) -> list[str]:
    """Take all messages of an event at once; return the ids of those that failed."""
    return [record["messageId"] for record in records if not record["body"]]


def stream_heard(records: list[dict[str, Any]]) -> list[str]:
    """Take changes of a table in order; return the sequence number of the one to resume from."""
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records if not record["dynamodb"]["Keys"]]
    return numbers[:1]


def order_lex_dispatch(sessionState: dict[str, Any], **_turn: object) -> dict[str, Any]:  # noqa: N803 - Lex's name
    """Close a dialog of the bot `Order`."""
    intent = {**sessionState["intent"], "state": "Fulfilled"}
    words = {"contentType": "PlainText", "content": "Your bread is in the oven."}
    return {"sessionState": {"dialogAction": {"type": "Close"}, "intent": intent}, "messages": [words]}


class Cognito:
    """The triggers of a user pool, created from its settings."""

    def __init__(self, logger: logging.Logger, tenant: str = "demo", **_settings: object) -> None:
        self.logger = logger
        self.tenant = tenant

    def pre_token_generate(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event with a claim for the user's token."""
        claims = {"claimsToAddOrOverride": {"tenant": self.tenant}}
        return {**event, "response": {"claimsOverrideDetails": claims}}
