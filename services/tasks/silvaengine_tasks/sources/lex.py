"""Lex V1 and V2: the bot's function responds to the dialog; a failure gets a response, too.

docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html and lambda-response-format.html; for V1
docs.aws.amazon.com/lex/latest/dg/lambda-input-response-format.html.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine_tasks.calls import DirectCall, FunctionCaller, deadline_of, response_value
from silvaengine_tasks.records import Event, member, text

APOLOGY = "Sorry, that did not work. Please try again later."


class LexSource(NamedTuple):
    """Turns of a bot's dialogs.

    Args:
        functions: calls functions.
    """

    functions: FunctionCaller

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is a turn of a dialog."""
        return member(event, "bot", "name") is not None

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> Json:
        """Return the function's response, or one that closes the intent as failed."""
        log.add(source="lex")
        try:
            read_call = partial(self._read_call, event, log)
            return response_value(self.functions.call_directly(read_call, deadline_of(context)))
        except SilvaEngineError as error:
            log.add(status=error.status, error=type(error).__name__)
            return _failed_response(event)

    def _read_call(self, event: Event, log: InvocationLog) -> DirectCall:
        endpoint_id = text(event, "bot", "id")
        name = f"{text(event, 'bot', 'name').lower()}_lex_dispatch"
        log.add(endpoint_id=endpoint_id, function=name)
        self.functions.registry.refresh()
        return DirectCall(endpoint_id, name, dict(event))


def _failed_response(event: Event) -> Json:
    message = {"contentType": "PlainText", "content": APOLOGY}
    if "sessionState" not in event:
        return {"dialogAction": {"type": "Close", "fulfillmentState": "Failed", "message": message}}
    intent = member(event, "sessionState", "intent")
    state: dict[str, Json] = {"dialogAction": {"type": "Close"}}
    if isinstance(intent, Mapping):
        state["intent"] = {**intent, "state": "Failed"}
    return {"sessionState": state, "messages": [message]}
