"""Functions that events of AWS call; `silvaengine events send sqs --local` sends one."""

import logging
from typing import Any

from silvaengine_base import current_invocation


def heard(**params: object) -> dict[str, Any]:
    """Take whatever a source brings: ``event`` or ``record`` where it is bound, else what was sent."""
    current_invocation().logger.info("Heard of %s", ", ".join(sorted(params)))
    return {"heard": sorted(params)}


def process_sqs_event(records: list[dict[str, Any]]) -> list[str]:
    """Take all messages of an event at once, and answer with the ids of those that failed."""
    return [record["messageId"] for record in records if not record["body"]]


def stream_heard(records: list[dict[str, Any]]) -> list[str]:
    """Take changes of a table in order; answer with the number of the one at which one has to stop."""
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records if not record["dynamodb"]["Keys"]]
    return numbers[:1]


def order_lex_dispatch(sessionState: dict[str, Any], **_turn: object) -> dict[str, Any]:  # noqa: N803 - Lex's name
    """End a dialog of the bot `Order`."""
    intent = {**sessionState["intent"], "state": "Fulfilled"}
    words = {"contentType": "PlainText", "content": "Your bread is in the oven."}
    return {"sessionState": {"dialogAction": {"type": "Close"}, "intent": intent}, "messages": [words]}


class Cognito:
    """The hooks of a user pool, made from its settings."""

    def __init__(self, logger: logging.Logger, tenant: str = "demo", **_settings: object) -> None:
        self.logger = logger
        self.tenant = tenant

    def pre_token_generate(self, event: dict[str, Any]) -> dict[str, Any]:
        """Add a claim to a user's token."""
        claims = {"claimsToAddOrOverride": {"tenant": self.tenant}}
        return {**event, "response": {"claimsOverrideDetails": claims}}
