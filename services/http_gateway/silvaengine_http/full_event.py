"""Event and Lambda context as functions in full-event areas get them; built nowhere else."""

from collections.abc import Mapping
from typing import Any

from silvaengine_http.request import Request

_CONTEXT_MEMBERS = (
    "function_name",
    "function_version",
    "invoked_function_arn",
    "memory_limit_in_mb",
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "client_context",
    "identity",
)


def full_event(
    event: Mapping[str, Any], request: Request, configuration: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the event with the function's configuration and the extended requestContext."""
    return {**event, "requestContext": request.context, "fnConfigurations": dict(configuration)}


def full_context(context: object) -> dict[str, Any]:
    """Return the nine data members of Lambda's context, None for those that it lacks.

    docs.aws.amazon.com/lambda/latest/dg/python-context.html lists them.
    """
    return {name: _plain(getattr(context, name, None)) for name in _CONTEXT_MEMBERS}


def _plain(value: object) -> object:
    """Return a JSON value; the runtime's own classes, which have slots, become objects."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    names = getattr(value, "__slots__", None) or vars(value)
    return {name: _plain(getattr(value, name, None)) for name in names}
