"""What Lambda takes at most, and what it demands."""

import json
from typing import override

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.engine import Engine
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.refusals import refuse
from silvaengine_cli.strict.rule import Next, Rule
from silvaengine_cli.strict.script import Script

LIMITS = "lambda/latest/dg/gettingstarted-limits.html#function-configuration-deployment-and-execution"
SYNC_BYTES = 6 * 1024 * 1024
EVENT_BYTES = 1024 * 1024
RESULT_BYTES = SYNC_BYTES + 100  # as Lambda's message says
ENVIRONMENT_BYTES = 4096


class Payloads(Rule):
    """An Invoke takes 6 MB, an Event 1 MB, else it is a 413; a larger result is an error of the function."""

    source = LIMITS
    calls = ("Lambda.Invoke",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        kind = call.request.header("x-amz-invocation-type") or "RequestResponse"
        size, limit = len(call.request.body), EVENT_BYTES if kind == "Event" else SYNC_BYTES
        if size > limit:
            message = f"{size} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
            return refuse(call, 413, "RequestTooLargeException", message)
        response = proceed(call)
        if response.is_success and len(response.body) > RESULT_BYTES:
            message = f"Response payload size exceeded maximum allowed payload size ({RESULT_BYTES} bytes)."
            error = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
            return Response.of_json(200, error, x_amz_function_error="Unhandled")
        return response


class Contents(Rule):
    """An Invoke takes JSON alone, else it is a 400."""

    source = "lambda/latest/api/API_Invoke.html#API_Invoke_Errors"
    calls = ("Lambda.Invoke",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        try:
            json.loads(call.request.body or b"{}")
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            return refuse(call, 400, "InvalidRequestContentException", message)
        return proceed(call)


class Environments(Rule):
    """A function's environment variables take 4 KB together, else its creation or update is a 400."""

    source = LIMITS
    calls = ("Lambda.CreateFunction", "Lambda.UpdateFunctionConfiguration")

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        variables = call.json.get("Environment", {}).get("Variables", {})
        if len(json.dumps(variables, separators=(",", ":")).encode()) <= ENVIRONMENT_BYTES:
            return proceed(call)
        message = "Lambda was unable to configure your environment variables: they exceeded the 4KB limit."
        return refuse(call, 400, "InvalidParameterValueException", message)


class TenantIds(Rule):
    """A function with tenant isolation is invoked with a TenantId, any other without, else it is a 400."""

    source = "lambda/latest/dg/tenant-isolation-troubleshooting.html"
    calls = ("Lambda.CreateFunction", "Lambda.DeleteFunction", "Lambda.Invoke")

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        self._isolated: dict[str, bool] = {}  # a function is so from its creation, or never

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if call.name != "Lambda.Invoke":
            self._isolated.pop(call.function, None)
            return proceed(call)
        if call.function not in self._isolated:
            configuration = self.engine.function(call.function, call.qualifier)
            if not configuration:
                return proceed(call)  # there is no such function
            self._isolated[call.function] = "TenancyConfig" in configuration
        if self._isolated[call.function] is bool(call.request.header("x-amz-tenant-id")):
            return proceed(call)
        message = "Tenant ID configuration not specified or passed to a function without tenant isolation"
        return refuse(call, 400, "InvalidParameterValueException", message)
