"""Lex V1 and V2: the bot's function responds to the dialog; a failure gets a response, too.

docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html and lambda-response-format.html; for V1
docs.aws.amazon.com/lex/latest/dg/lambda-input-response-format.html.
"""

from collections.abc import Mapping

from silvaengine.context import LambdaContext
from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine_tasks.calls import DirectCall, FunctionCaller, deadline_of, response_value
from silvaengine_tasks.records import Event, member, text

APOLOGY = "Sorry, that did not work. Please try again later."


class LexSource:
    """Turns of a bot's dialogs."""

    def __init__(self, functions: FunctionCaller) -> None:
        self._functions = functions

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is a turn of a dialog."""
        return member(event, "bot", "name") is not None

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> Json:
        """Return the function's response, or one that closes the intent as failed."""
        log.add(source="lex")
        try:
            return response_value(self._functions.call_directly(_read_call, event, deadline_of(context), log))
        except SilvaEngineError as error:
            log.add(status=error.status, error=type(error).__name__)
            return _failed_response(event)


def _read_call(event: Event) -> DirectCall:
    name = f"{text(event, 'bot', 'name').lower()}_lex_dispatch"
    return DirectCall(text(event, "bot", "id"), name, event)


def _failed_response(event: Event) -> Json:
    message = {"contentType": "PlainText", "content": APOLOGY}
    if "sessionState" not in event:
        return {"dialogAction": {"type": "Close", "fulfillmentState": "Failed", "message": message}}
    intent = member(event, "sessionState", "intent")
    state: dict[str, Json] = {"dialogAction": {"type": "Close"}}
    if isinstance(intent, Mapping):
        state["intent"] = {**intent, "state": "Failed"}
    return {"sessionState": state, "messages": [message]}
