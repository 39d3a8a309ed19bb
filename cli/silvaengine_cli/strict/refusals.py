"""AWS's refusals, in the form that the caller's service has for them."""

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Response


def refuse(call: Call, status: int, code: str, message: str, **members: str) -> Response:
    """Return an error: an API's, Lambda's, a JSON service's or, for all others, in XML.

    docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors,
    smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html, …/aws-query-protocol.html.
    """
    if call.is_api:
        return Response.of_json(status, {"message": message})
    if call.is_lambda or call.name == "PostToConnection":
        body = {"Type": "User" if status < 500 else "Service", "message": message, **members}
        return Response.of_json(status, body, x_amzn_errortype=code)
    if call.request.header("x-amz-target"):
        body = {"__type": code, "message": message, **members}
        return Response.of_json(status, body, content_type="application/x-amz-json-1.0")
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Response(status, [("content-type", "text/xml")], text.encode())


def throttled(call: Call) -> Response:
    """Return the refusal of a service that is asked too often.

    docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#api-requests,
    docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html,
    docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html.
    """
    if call.is_api:
        return refuse(call, 429, "", "Too Many Requests")
    if call.name == "Lambda.Invoke":
        reason = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
        return refuse(call, 429, "TooManyRequestsException", "Rate Exceeded.", **reason)
    if call.is_lambda:
        return refuse(
            call, 429, "TooManyRequestsException", "Rate exceeded", Reason="CallerRateLimitExceeded"
        )
    if call.name == "PostToConnection":
        return refuse(call, 429, "LimitExceededException", "Rate exceeded")
    if call.name.startswith("DynamoDB."):
        return refuse(call, 400, "ProvisionedThroughputExceededException", "Rate exceeded")
    return refuse(call, 400, "Throttling" if call.form else "ThrottlingException", "Rate exceeded")


def failed(call: Call) -> Response:
    """Return the 500 of a service that failed; it may have done what was asked."""
    if call.is_api:
        return refuse(call, 500, "", "Internal server error")
    code = "InternalServerError" if call.name.startswith("DynamoDB.") else "ServiceException"
    return refuse(call, 500, code, "An internal error occurred")
