"""``Utility``: the predecessor's names for functions of the modules beside this one."""

import ipaddress
import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import getattr_static
from types import ModuleType
from typing import TYPE_CHECKING, Any

from silvaengine_utility.graphql_text import Schema, format_error, generate_operation
from silvaengine_utility.json_text import dumps, is_json, loads, normalize

if TYPE_CHECKING:
    from silvaengine_utility.calls import Boto3Client, Boto3Queue
    from silvaengine_utility.databases import Session


class _PerformanceMonitor:
    """Measures nothing: the worker's log line has each call's time and failure."""

    @staticmethod
    def monitor_operation[**P, T](
        log_threshold: float | None = None,  # noqa: ARG004 - the contract's signature
        operation_name: str | None = None,  # noqa: ARG004 - likewise
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator that leaves a function as it is."""
        return lambda function: function


class Utility:
    """Static functions under their old names.

    Calls accept ``logger``, ``setting`` and ``test_mode`` and ignore them: region, credentials and log are
    the worker's.
    """

    json_dumps = staticmethod(dumps)
    json_loads = staticmethod(loads)
    json_normalize = staticmethod(normalize)
    is_json_string = staticmethod(is_json)
    format_error = staticmethod(format_error)
    generate_graphql_operation = staticmethod(generate_operation)
    performance_monitor = _PerformanceMonitor()

    @staticmethod
    def in_subnet(ip: str, subnet: str) -> bool:
        """Return whether an address is in a network (CIDR); other texts are compared."""
        try:
            return ipaddress.ip_address(ip) in ipaddress.ip_network(subnet, strict=False)
        except ValueError:
            return ip.strip() == subnet.strip()

    @staticmethod
    def import_dynamically(
        module_name: str | None,
        function_name: str | None,
        class_name: str | None = None,
        constructor_parameters: Mapping[str, Any] | None = None,
    ) -> Callable[..., Any] | None:
        """Return a module's function, or the method of a new object of its class; None if there is neither.

        Args:
            module_name: import path; the caller is responsible for where it comes from.
            function_name: the function or method.
            class_name: the class; no object is made for a static method without ``constructor_parameters``.
            constructor_parameters: arguments of its constructor, by keyword.

        Raises:
            ImportError: the module exists and imports one that doesn't.
        """
        if not module_name or not function_name:
            return None
        owner: Any = _module(module_name.strip())
        name = function_name.strip()
        if class_name and hasattr(owner, class_name.strip()):
            owner = getattr(owner, class_name.strip())
            if constructor_parameters or not isinstance(getattr_static(owner, name, None), staticmethod):
                owner = owner(**(constructor_parameters or {}))
        function: Callable[..., Any] | None = getattr(owner, name, None)
        return function

    @staticmethod
    def create_database_session(settings: Mapping[str, Any]) -> "Session":
        """See ``silvaengine_utility.databases.open_session``."""
        # lazy: only a function with a database needs it
        from silvaengine_utility.databases import open_session

        return open_session(settings)

    @staticmethod
    def invoke_funct_on_aws_lambda(
        logger: logging.Logger | None,
        endpoint_id: str,
        funct: str,
        params: Mapping[str, Any] | None = None,
        *,
        aws_lambda: "Boto3Client | None" = None,
        invocation_type: str = "RequestResponse",
        message_group_id: str | None = None,
        task_queue: "Boto3Queue | None" = None,
        **_ignored: object,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Call a function; with ``task_queue`` and a group, send the call there and return None."""
        from silvaengine_utility.calls import call_function  # lazy: only a call of another function needs it

        if task_queue is not None and message_group_id:
            call = {"endpoint_id": endpoint_id, "funct": funct, "params": params}
            Utility._invoke_funct_on_aws_sqs(logger, task_queue, message_group_id, **call)
            return None
        is_event = invocation_type == "Event"
        return call_function(endpoint_id, funct, params, wait=not is_event, lambda_client=aws_lambda)

    @staticmethod
    def _invoke_funct_on_aws_sqs(
        logger: logging.Logger | None,  # noqa: ARG004 - the contract's signature
        task_queue: "Boto3Queue",
        message_group_id: str | None,
        **call: Any,  # noqa: ANN401 - endpoint_id, funct and params
    ) -> None:
        """See ``silvaengine_utility.calls.send_to_queue``."""
        from silvaengine_utility.calls import send_to_queue  # lazy: only a call of another function needs it

        send_to_queue(
            task_queue, message_group_id, call["endpoint_id"], call["funct"], call.get("params") or {}
        )

    @staticmethod
    def execute_graphql_query(
        logger: logging.Logger | None,  # noqa: ARG004 - the contract's signature
        endpoint_id: str,
        funct: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        aws_lambda: "Boto3Client | None" = None,
        connection_id: str | None = None,
        **_ignored: object,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """See ``silvaengine_utility.calls.execute_query``."""
        from silvaengine_utility.calls import execute_query  # lazy: only a call of another function needs it

        return execute_query(
            endpoint_id, funct, query, variables, connection_id=connection_id, lambda_client=aws_lambda
        )

    @staticmethod
    def fetch_graphql_schema(
        logger: logging.Logger | None,  # noqa: ARG004 - the contract's signature
        endpoint_id: str,
        funct: str,
        *,
        aws_lambda: "Boto3Client | None" = None,
        **_ignored: object,
    ) -> Schema:
        """See ``silvaengine_utility.calls.fetch_schema``."""
        from silvaengine_utility.calls import fetch_schema  # lazy: only a call of another function needs it

        return fetch_schema(endpoint_id, funct, lambda_client=aws_lambda)


def _module(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
        return None
