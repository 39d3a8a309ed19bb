"""``Utility``: the predecessor's names, each a thin face of a function of a module beside this one."""

import ipaddress
import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import getattr_static
from typing import Any

from silvaengine_utility.graphql_text import format_error, generate_operation
from silvaengine_utility.json_text import dumps, is_json, loads, normalize


class Utility:
    """Static functions under their old names.

    ``logger``, ``setting`` and ``test_mode`` of the calls are accepted and not needed: region, credentials
    and the log are the worker's.
    """

    json_dumps = staticmethod(dumps)
    json_loads = staticmethod(loads)
    json_normalize = staticmethod(normalize)
    is_json_string = staticmethod(is_json)
    format_error = staticmethod(format_error)
    generate_graphql_operation = staticmethod(generate_operation)

    @staticmethod
    def in_subnet(ip: str, subnet: str) -> bool:
        """Return whether an address is in a network (CIDR), or the same text as what is no network."""
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
        """Import a module and give its function, or the method of an object of its class, None for neither.

        Args:
            module_name: import path; the caller answers for where it comes from.
            function_name: the function.
            class_name: the class whose object is made, by keyword; not for a static method without
                parameters.
            constructor_parameters: what its constructor takes.

        Raises:
            ImportError: the module is there and imports what isn't.
        """
        if not module_name or not function_name:
            return None
        owner = _module(module_name.strip())
        name = function_name.strip()
        if class_name and hasattr(owner, class_name.strip()):
            owner = getattr(owner, class_name.strip())
            if constructor_parameters or not isinstance(getattr_static(owner, name, None), staticmethod):
                owner = owner(**(constructor_parameters or {}))
        function: Callable[..., Any] | None = getattr(owner, name, None)
        return function

    @staticmethod
    def create_database_session(settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - SQLAlchemy's
        """See ``silvaengine_utility.databases.open_session``."""
        from silvaengine_utility.databases import open_session  # few functions need one

        return open_session(settings)

    @staticmethod
    def invoke_funct_on_aws_lambda(
        logger: logging.Logger | None,
        endpoint_id: str,
        funct: str,
        params: Mapping[str, Any] | None = None,
        *,
        aws_lambda: Any = None,  # noqa: ANN401 - boto3 has no types of its own
        invocation_type: str = "RequestResponse",
        message_group_id: str | None = None,
        task_queue: Any = None,  # noqa: ANN401 - boto3 has no types of its own
        **_ignored: object,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Call a function, through ``task_queue`` in a group; see ``silvaengine_utility.calls``."""
        from silvaengine_utility.calls import call_function  # most functions call no other

        if task_queue is not None and message_group_id:
            members = {"endpoint_id": endpoint_id, "funct": funct, "params": params}
            Utility._invoke_funct_on_aws_sqs(logger, task_queue, message_group_id, **members)
            return None
        is_event = invocation_type == "Event"
        return call_function(endpoint_id, funct, params, wait=not is_event, lambda_client=aws_lambda)

    @staticmethod
    def _invoke_funct_on_aws_sqs(
        logger: logging.Logger | None,  # noqa: ARG004 - the contract's form
        task_queue: Any,  # noqa: ANN401 - boto3 has no types of its own
        message_group_id: str | None,
        **kwargs: Any,  # noqa: ANN401 - endpoint_id, funct and params
    ) -> None:
        """See ``silvaengine_utility.calls.send_to_queue``."""
        from silvaengine_utility.calls import send_to_queue  # most functions call no other

        params = kwargs.get("params") or {}
        send_to_queue(task_queue, message_group_id, kwargs["endpoint_id"], kwargs["funct"], params)

    @staticmethod
    def execute_graphql_query(
        logger: logging.Logger | None,  # noqa: ARG004 - the contract's form
        endpoint_id: str,
        funct: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        aws_lambda: Any = None,  # noqa: ANN401 - boto3 has no types of its own
        connection_id: str | None = None,
        **_ignored: object,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """See ``silvaengine_utility.calls.execute_query``."""
        from silvaengine_utility.calls import execute_query  # most functions call no other

        return execute_query(
            endpoint_id, funct, query, variables, connection_id=connection_id, lambda_client=aws_lambda
        )

    @staticmethod
    def fetch_graphql_schema(
        logger: logging.Logger | None,  # noqa: ARG004 - the contract's form
        endpoint_id: str,
        funct: str,
        *,
        aws_lambda: Any = None,  # noqa: ANN401 - boto3 has no types of its own
        **_ignored: object,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """See ``silvaengine_utility.calls.fetch_schema``."""
        from silvaengine_utility.calls import fetch_schema  # most functions call no other

        return fetch_schema(endpoint_id, funct, lambda_client=aws_lambda)


def _module(name: str) -> Any:  # noqa: ANN401 - a module, None where there is none
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
        return None
