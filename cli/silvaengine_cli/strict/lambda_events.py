"""Asynchronous invocations of a version or an alias."""

import json
import threading
import time
import uuid
from typing import override

from silvaengine_cli.strict.calls import LATEST, Call
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.rule import Next, Rule

# docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRIES = 2
PAUSE_SECONDS = 0.2  # AWS waits for one minute, then for two


class QualifiedEvents(Rule):
    """An Event of a version or alias follows the event-invoke configuration of that version or alias."""

    source = "lambda/latest/api/API_PutFunctionEventInvokeConfig.html"
    calls = ("Lambda.Invoke",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if call.request.header("x-amz-invocation-type") != "Event" or call.qualifier == LATEST:
            return proceed(call)
        # Whether it is there, and the caller may.
        tried = proceed(self.engine.changed(call, x_amz_invocation_type="DryRun"))
        if not tried.is_success:
            return tried
        request_id = str(uuid.uuid4())
        threading.Thread(target=self._run, args=(call, request_id), daemon=True).start()
        return Response(202, [("x-amzn-requestid", request_id)])

    def _run(self, call: Call, request_id: str) -> None:
        configuration = self.engine.function(call.function, call.qualifier, "event-invoke-config")
        attempts = configuration.get("MaximumRetryAttempts", RETRIES) + 1
        waiting = self.engine.changed(call, x_amz_invocation_type="RequestResponse")
        for attempt in range(attempts):
            time.sleep(attempt * PAUSE_SECONDS)
            response = self.engine.send(waiting)
            result = response.json()
            if response.is_success and not response.header("x-amz-function-error"):
                return
        target = configuration.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if target.startswith("arn:aws:sqs:"):
            self._send_on(target, call, request_id, attempts, result)

    def _send_on(self, queue: str, call: Call, request_id: str, attempts: int, result: object) -> None:
        """Send what failed: docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
        context = {
            "requestId": request_id,
            "functionArn": f"{call.function}:{call.qualifier}",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempts,
        }
        record = {"requestContext": context, "requestPayload": call.json, "responsePayload": result}
        name = {"QueueName": queue.rpartition(":")[2]}
        url = self.engine.json_call("sqs", "AmazonSQS.GetQueueUrl", name)["QueueUrl"]
        message = {"QueueUrl": url, "MessageBody": json.dumps({"version": "1.0", **record})}
        self.engine.json_call("sqs", "AmazonSQS.SendMessage", message)
