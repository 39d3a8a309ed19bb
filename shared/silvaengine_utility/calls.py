"""Calls from one function to another, through the tasks Lambda or a queue that it reads."""

import json
import time
from base64 import b64decode
from collections.abc import Mapping
from os import urandom
from typing import Any

from silvaengine.aws.lambda_invoker import READ_SECONDS, open_invoker
from silvaengine.context import current_invocation
from silvaengine.errors import InvocationError, LoopError
from silvaengine.ledger.digests import plain_digest
from silvaengine.protocol.messages import WorkerResponse, check_hops
from silvaengine.settings import Settings
from silvaengine_utility.graphql_text import INTROSPECTION, Schema
from silvaengine_utility.json_text import dumps, loads, normalize

type Boto3Client = Any  # boto3 makes its classes at run time
type Boto3Queue = Any


class CallError(InvocationError):
    """The called function failed with the message ``errors``, or returned ``errors``.

    ``code`` and ``details`` are those of the called function's FunctionError, empty without one.
    """

    def __init__(self, function: str, errors: object, failure: WorkerResponse | None = None) -> None:
        self._text = errors if isinstance(errors, str) else json.dumps(errors, default=str)
        super().__init__(f"Function {function!r} failed", detail=self._text)
        self.errors = errors
        if failure is not None:
            self.code, self.details = failure.code, failure.details

    def __str__(self) -> str:
        """Return the function's own message, for the package that called it."""
        return self._text


def call_function(
    endpoint_id: str,
    function: str,
    params: Mapping[str, Any] | None = None,
    *,
    wait: bool = True,
    lambda_client: Boto3Client | None = None,
) -> Any:  # noqa: ANN401 - the function's result
    """Call a function of an endpoint through the tasks Lambda and return its result.

    Args:
        endpoint_id: the tenant.
        function: its name in the registry.
        params: its parameters, at most 6 MB, 1 MB without waiting.
        wait: whether to wait for the result; without, the call is only handed over and returns None.
        lambda_client: a boto3 client instead of the framework's own.

    Returns:
        The function's JSON text decoded, with Decimals and datetimes as ``json_text.loads`` returns them, and
        of ``{"data": ...}`` the data alone; other text and bytes as they are.

    Raises:
        CallError: the function failed, or returned ``errors``.
        LoopError: functions have called one another more than 8 times.
        SilvaEngineError: the call failed; see ``silvaengine.aws.lambda_invoker.LambdaInvoker.invoke``.
    """
    call = {"endpoint_id": endpoint_id, "funct": function, "params": dict(params or {}), "hops": _next_hop()}
    call |= _trace()
    deadline = _deadline()
    payload = dumps(call | {"deadline": deadline} if wait else call)
    settings = Settings.from_environment()
    if lambda_client is None:
        invoker = open_invoker(settings)
        result = invoker.invoke(settings.tasks_function, payload, event=not wait, deadline=deadline)
    else:
        result = _invoke_by_boto3(lambda_client, settings.tasks_function, payload, wait=wait)
    return _data(function, _value(function, WorkerResponse.read(result)))


def send_to_queue(
    queue: Boto3Queue,
    group: str | None,
    endpoint_id: str,
    function: str,
    params: object,
    *,
    deduplication_id: str = "",
) -> None:
    """Send a call to a queue that the tasks Lambda reads.

    Args:
        queue: boto3's ``Queue`` resource.
        group: MessageGroupId, which a FIFO queue needs.
        endpoint_id: the tenant.
        function: its name in the registry.
        params: its parameters; a message has at most 1 MB.
        deduplication_id: for a FIFO queue, which drops a call to the same function of the same tenant in the
            same group with the id of one in the last five minutes; by default each call is one of its own.

    Raises:
        LoopError: functions have called one another more than 8 times.
    """
    attributes = {"endpoint_id": endpoint_id, "funct": function, "hops": str(_next_hop())} | _trace()
    message: dict[str, Any] = {
        "MessageAttributes": {
            name: {"StringValue": value, "DataType": "String"} for name, value in attributes.items()
        },
        "MessageBody": dumps({"params": params}),
    }
    if group:
        message["MessageGroupId"] = group
    if queue.url.endswith(".fifo"):  # by itself SQS compares the body alone, which says neither who nor what
        own_id = deduplication_id or urandom(16).hex()
        message["MessageDeduplicationId"] = plain_digest(group, endpoint_id, function, own_id)
    queue.send_message(**message)


def execute_query(
    endpoint_id: str,
    function: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    connection_id: str | None = None,
    lambda_client: Boto3Client | None = None,
) -> Any:  # noqa: ANN401 - the query's data
    """Run a GraphQL operation in a function and return its data; raises what ``call_function`` raises."""
    params = {"query": query, "variables": dict(variables or {})}
    if connection_id:
        params["connection_id"] = connection_id
    return call_function(endpoint_id, function, params, lambda_client=lambda_client)


def fetch_schema(endpoint_id: str, function: str, *, lambda_client: Boto3Client | None = None) -> Schema:
    """Return the ``__schema`` of a GraphQL function; raises what ``call_function`` raises."""
    data = execute_query(endpoint_id, function, INTROSPECTION, lambda_client=lambda_client)
    schema: Schema = data["__schema"]
    return schema


def _invoke_by_boto3(lambda_client: Boto3Client, name: str, payload: str, *, wait: bool) -> bytes:
    kind = "RequestResponse" if wait else "Event"
    response = lambda_client.invoke(FunctionName=name, InvocationType=kind, Payload=payload)
    text: bytes = response["Payload"].read()
    if "FunctionError" in response:
        raise InvocationError("The function failed", detail=text.decode(errors="replace"))
    return text


def _deadline() -> float:
    try:
        deadline = current_invocation().deadline
    except LookupError:
        deadline = None
    return time.time() + READ_SECONDS if deadline is None else deadline


def _next_hop() -> int:
    try:
        return check_hops(current_invocation().hops + 1)
    except LookupError:
        return 1


def _trace() -> dict[str, str]:
    """Return the member by which the called function's span is below the running one."""
    try:
        traceparent = current_invocation().traceparent
    except LookupError:
        return {}
    return {"traceparent": traceparent} if traceparent else {}


def _value(function: str, response: WorkerResponse) -> object:
    """Return a response's value, decoded where it is the function's own JSON text."""
    if response.kind == "error":
        if response.status == LoopError.default_status:
            raise LoopError(response.value)
        raise CallError(function, response.value, response)
    if response.kind == "base64":
        return b64decode(response.value)
    if not isinstance(response.value, str):
        return normalize(response.value)
    try:
        return loads(response.value)
    except ValueError:
        return response.value


def _data(function: str, value: object) -> object:
    if not isinstance(value, dict):
        return value
    if value.get("errors"):
        raise CallError(function, value["errors"])
    return value.get("data", value)
