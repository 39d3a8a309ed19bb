"""What API Gateway takes and waits for, and what it tells a client."""

from typing import override

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.lambda_limits import RESULT_BYTES
from silvaengine_cli.strict.refusals import refuse
from silvaengine_cli.strict.rule import Next, Rule

QUOTAS = "apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html"
REQUEST_BYTES = 10 * 1024 * 1024
MESSAGE_BYTES = 128 * 1024


class ApiRequests(Rule):
    """A REST API takes 10 MB, else it is a 413."""

    source = QUOTAS
    calls = ("Api",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        is_too_large = len(call.request.body) > REQUEST_BYTES
        return refuse(call, 413, "", "Request Too Long") if is_too_large else proceed(call)


class ApiFailures(Rule):
    """A Lambda that fails or returns more than 6 MB is a 502 that says `Internal server error` alone."""

    source = "apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"
    calls = ("Api",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        response = proceed(call)
        # The engine sends Lambda's report; a 502 of the Lambda's own goes out as it is.
        has_failed = response.status == 502 and b"errorMessage" in response.body
        has_failed |= len(response.body) > RESULT_BYTES
        return refuse(call, 502, "", "Internal server error") if has_failed else response


class ApiTimeouts(Rule):
    """A REST API waits 29 seconds for its Lambda, then it is a 504; the Lambda runs on."""

    source = QUOTAS
    calls = ("Api",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        try:
            return self.engine.send(call, self.script.api_seconds)  # no rule comes after this one
        except TimeoutError:
            return refuse(call, 504, "", "Endpoint request timed out")


class ConnectionMessages(Rule):
    """A message to a WebSocket connection has 128 KB at most, else it is a 413."""

    source = "apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"
    calls = ("PostToConnection",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        is_too_large = len(call.request.body) > MESSAGE_BYTES
        return refuse(call, 413, "PayloadTooLargeException", "Too large") if is_too_large else proceed(call)
