"""This project's HTTP gateway with its registry, and an Invoke that answers at once without being sent."""

from silvaengine.aws.lambda_invoker import open_invoker
from silvaengine.observability.handler import lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.settings import Settings
from silvaengine_http.app import compose
from silvaengine_http.request import HttpCall

RESULT = (
    b'{"silvaengine": 1, "kind": "json", "value": {"message": "Hello, Ada!"}, "status": 200, "error_type": ""'
    b', "takes_context": false}'
)


class Answering(type(open_invoker(Settings()))):
    """The invoker, but for what it sends."""

    def __init__(self):
        """Have no client."""

    def invoke(self, arn, payload, *, event=False, **_):
        """Answer at once."""
        payload.encode()
        return RESULT


settings = Settings.from_environment()
configure_logging(settings)
serve = compose(settings, Answering())
handler = lambda_handler("http", HttpCall, lambda: serve, encode)
