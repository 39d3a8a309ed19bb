"""Calls from one function to another, through the tasks Lambda or a queue that it reads."""

import json
from collections.abc import Mapping
from typing import Any

from silvaengine.context import current_invocation
from silvaengine.errors import InvocationError
from silvaengine.invocation import open_invoker
from silvaengine.settings import Settings
from silvaengine_utility.graphql_text import INTROSPECTION
from silvaengine_utility.json_text import dumps, loads

TASKS_LAMBDA = "silvaengine_agenttask"
_GRAPHQL_MEMBERS = frozenset({"data", "errors", "extensions"})


class CallError(InvocationError):
    """The called function answered ``errors``, which are its ``errors``."""

    def __init__(self, function: str, errors: Any) -> None:  # noqa: ANN401 - any JSON value
        super().__init__(
            f"Function {function!r} answered errors", error_message=json.dumps(errors, default=str)
        )
        self.errors = errors

    def __str__(self) -> str:
        """Give the function's own words, for the package that called it."""
        return self.error_message


def call_function(
    endpoint_id: str,
    function: str,
    params: Mapping[str, Any] | None = None,
    *,
    wait: bool = True,
    lambda_client: Any = None,  # noqa: ANN401 - boto3 has no types of its own
) -> Any:  # noqa: ANN401 - any JSON value
    """Call a function of an endpoint through the tasks Lambda.

    Args:
        endpoint_id: the tenant.
        function: its name in the registry.
        params: its parameters, at most 6 MB, 1 MB without waiting.
        wait: for the result; without, the call is only handed over and gives None.
        lambda_client: a boto3 client, in place of one of ours.

    Returns:
        What the function's JSON text says; of ``{"data": ...}`` the data. Numbers and dates are as in JSON.

    Raises:
        CallError: the function answered ``errors``.
        SilvaEngineError: the call failed; see ``silvaengine.invocation.LambdaInvoker.invoke``.
    """
    payload = dumps({"endpoint_id": endpoint_id, "funct": function, "params": dict(params or {})})
    if lambda_client is None:
        invoker = open_invoker(Settings.from_environment())
        result = invoker.invoke(TASKS_LAMBDA, payload, event=not wait, deadline=_deadline())
    else:
        result = _invoke_by(lambda_client, payload, wait=wait)
    return _data(function, _read(result))


def send_to_queue(queue: Any, group: str | None, endpoint_id: str, function: str, params: Any) -> None:  # noqa: ANN401 - boto3's Queue
    """Put a call into a queue that the tasks Lambda reads.

    Args:
        queue: boto3's ``Queue`` resource.
        group: MessageGroupId of a FIFO queue, None for another.
        endpoint_id: the tenant.
        function: its name in the registry.
        params: its parameters; the message has at most 1 MB.
    """
    attributes = {"endpoint_id": endpoint_id, "funct": function}
    message: dict[str, Any] = {
        "MessageAttributes": {
            name: {"StringValue": value, "DataType": "String"} for name, value in attributes.items()
        },
        "MessageBody": dumps({"params": params}),
    }
    queue.send_message(**message, **({"MessageGroupId": group} if group else {}))


def execute_query(
    endpoint_id: str,
    function: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    connection_id: str | None = None,
    lambda_client: Any = None,  # noqa: ANN401 - boto3 has no types of its own
) -> Any:  # noqa: ANN401 - any JSON value
    """Run a GraphQL operation in a function, and give its data; raises what ``call_function`` raises."""
    params = {"query": query, "variables": dict(variables or {})}
    if connection_id:
        params["connection_id"] = connection_id
    return call_function(endpoint_id, function, params, lambda_client=lambda_client)


def fetch_schema(endpoint_id: str, function: str, *, lambda_client: Any = None) -> Any:  # noqa: ANN401 - boto3, JSON
    """Give the ``__schema`` of a GraphQL function; raises what ``call_function`` raises."""
    return execute_query(endpoint_id, function, INTROSPECTION, lambda_client=lambda_client)["__schema"]


def _invoke_by(lambda_client: Any, payload: str, *, wait: bool) -> Any:  # noqa: ANN401 - boto3, JSON
    kind = "RequestResponse" if wait else "Event"
    answer = lambda_client.invoke(FunctionName=TASKS_LAMBDA, InvocationType=kind, Payload=payload)
    text = answer["Payload"].read()
    if "FunctionError" in answer:
        raise InvocationError("The function failed", error_message=text.decode(errors="replace"))
    return json.loads(text) if text else None


def _deadline() -> float | None:
    try:
        return current_invocation().deadline
    except LookupError:
        return None


def _read(result: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Decode the function's own JSON text, which Lambda's result holds as text."""
    if not isinstance(result, str):
        return result
    try:
        return loads(result, parser_number=False, parse_datetime=False)
    except ValueError:
        return result


def _data(function: str, answer: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(answer, dict):
        return answer
    if answer.get("errors"):
        raise CallError(function, answer["errors"])
    return answer["data"] if "data" in answer and answer.keys() <= _GRAPHQL_MEMBERS else answer
