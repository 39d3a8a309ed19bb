"""Lex V1 and V2: the bot's function answers the dialog, and a failure is an answer of the dialog too.

docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html and lambda-response-format.html; for V1
docs.aws.amazon.com/lex/latest/dg/lambda-input-response-format.html.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.calls import Caller, deadline_of, decoded
from silvaengine_tasks.records import member, text

APOLOGY = "Sorry, that did not work. Please try again later."


class Bots(NamedTuple):
    """Serves Lex events."""

    caller: Caller

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> Any:  # noqa: ANN401 - Lex's answer
        """Return the function's answer, or one that ends the intent as failed."""
        line.add(source="lex")
        try:
            endpoint_id = text(event, "bot", "id")
            name = f"{text(event, 'bot', 'name').lower()}_lex_dispatch"
            line.add(endpoint_id=endpoint_id, function=name)
            self.caller.registry.refresh()
            answer = self.caller.directly(endpoint_id, name, dict(event), deadline_of(context))
            return decoded(answer)
        except SilvaEngineError as error:
            line.add(error=type(error).__name__)
            return _failed(event)


def is_turn(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a turn of a dialog."""
    return member(event, "bot", "name") is not None


def _failed(event: Mapping[str, Any]) -> dict[str, Any]:
    message = {"contentType": "PlainText", "content": APOLOGY}
    if "sessionState" not in event:
        return {"dialogAction": {"type": "Close", "fulfillmentState": "Failed", "message": message}}
    intent = member(event, "sessionState", "intent")
    state: dict[str, Any] = {"dialogAction": {"type": "Close"}}
    if isinstance(intent, Mapping):
        state["intent"] = {**intent, "state": "Failed"}
    return {"sessionState": state, "messages": [message]}
