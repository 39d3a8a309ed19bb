"""What API Gateway takes and waits for, and what it tells a client."""

from typing import override

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.lambda_limits import RESULT_BYTES
from silvaengine_cli.strict.refusals import refuse
from silvaengine_cli.strict.rule import Next, Rule
from silvaengine_cli.strict.websocket import MESSAGE_BYTES, WebSocket, frames_taken

GUIDE = "apigateway/latest/developerguide/"
QUOTAS = f"{GUIDE}api-gateway-execution-service-limits-table.html"
SOCKET_QUOTAS = f"{GUIDE}apigateway-execution-service-websocket-limits-table.html"
REQUEST_BYTES = 10 * 1024 * 1024
HEADER_BYTES = 10_240


class ApiRequests(Rule):
    """A REST API takes 10 MB, else it is a 413."""

    source = QUOTAS
    calls = ("Api",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        is_too_large = len(call.request.body) > REQUEST_BYTES
        return refuse(call, 413, "", "Request Too Long") if is_too_large else proceed(call)


class ApiHeaders(Rule):
    """A REST API takes 10,240 bytes of headers, with their names and line ends, else it is a 431."""

    source = QUOTAS
    calls = ("Api",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        # The page names no status; clients have seen RFC 6585's:
        # backbencher.dev/solved-431-status-code-with-request-header-fields-too-large.
        is_too_large = sum(len(f"{name}: {value}\r\n") for name, value in call.request.fields) > HEADER_BYTES
        return refuse(call, 431, "", "Request Header Fields Too Large") if is_too_large else proceed(call)


class ApiFailures(Rule):
    """A Lambda that fails or returns more than 6 MB is a 502 that says `Internal server error` alone."""

    source = f"{GUIDE}set-up-lambda-proxy-integrations.html"
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

    source = SOCKET_QUOTAS
    calls = ("PostToConnection",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        is_too_large = len(call.request.body) > MESSAGE_BYTES
        return refuse(call, 413, "PayloadTooLargeException", "Too large") if is_too_large else proceed(call)


class Handshakes(Rule):
    """A handshake that `$connect` refuses has the status that it returned, 502 where its Lambda failed."""

    source = f"{GUIDE}apigateway-websocket-api-route-keys-connect-disconnect.html"
    calls = ("Connect",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        response = proceed(call)
        # The page has the statuses of authorizers, as the engine has them, and
        # github.com/dherault/serverless-offline/pull/1301 those of `$connect`, which the engine reports.
        status = response.header("x-connect-status")
        return Response(int(status), []) if status else response


class Frames(Rule):
    """A WebSocket's client sends 32 KB a frame and 128 KB a message at most, else it is a close with 1009."""

    source = SOCKET_QUOTAS
    calls = ("Connect",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        response = proceed(call)
        if isinstance(response, WebSocket):
            response.taken = frames_taken
        return response
