"""``LambdaBase``: the predecessor's functions to invoke Lambdas and to read the registry."""

import json
from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from silvaengine.aws.lambda_invoker import LambdaInvoker, open_invoker
from silvaengine.errors import RequestError
from silvaengine.protocol.json_codec import decode
from silvaengine.registry.registry import Registry, open_registry
from silvaengine.settings import Settings
from silvaengine.tables import DEFAULT_API_KEY


class LambdaBase:
    """The predecessor's static functions, based on the registry and the invoker."""

    @staticmethod
    def invoke(
        arn: str = "",
        payload: Mapping[str, Any] | None = None,
        invocation_type: str = "RequestResponse",
        *,
        function_name: str = "",
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Invoke a Lambda and return its decoded result, None for an ``Event``.

        Args:
            arn: ARN or name of the Lambda; ``function_name`` is another name for it.
            payload: a JSON-able object, at most 6 MB, 1 MB for an ``Event``.
            invocation_type: ``RequestResponse`` or ``Event``.
            function_name: see ``arn``.

        Raises:
            SilvaEngineError: see ``silvaengine.aws.lambda_invoker.LambdaInvoker.invoke``.
        """
        if invocation_type not in ("RequestResponse", "Event"):
            raise RequestError(
                f"invocation_type: expected RequestResponse or Event, found {invocation_type!r}"
            )
        is_event = invocation_type == "Event"
        result = _invoker().invoke(arn or function_name, json.dumps(payload), event=is_event)
        return decode(result or b"null")

    @staticmethod
    def get_setting(setting_id: str) -> dict[str, Any]:
        """Return a setting id's variables and values, an empty dict for an empty id.

        Raises:
            ConfigurationError: the id has no rows.
        """
        return _fresh_registry().settings(setting_id) if setting_id else {}

    @staticmethod
    def get_function(
        endpoint_id: str, funct: str, api_key: str = DEFAULT_API_KEY, method: str | None = None
    ) -> tuple[dict[str, Any], SimpleNamespace]:
        """Return a function's merged settings and its row.

        The row has ``aws_lambda_arn``, ``function``, ``area`` and ``config`` with ``module_name``,
        ``class_name``, ``funct_type``, ``methods`` and its other members.

        Raises:
            RequestError: no such endpoint, key or function, or the function doesn't take the method.
            ConfigurationError: rows that the registry refers to are missing or malformed.
        """
        function = _fresh_registry().resolve(endpoint_id, api_key, "", funct)
        if method and method.upper() not in function.methods:
            allow = ", ".join(function.methods)
            raise RequestError(
                f"Function {funct!r} does not allow the method {method}", status=405, headers={"Allow": allow}
            )
        row = dict(function.configuration)
        return dict(function.settings), SimpleNamespace(**{**row, "config": SimpleNamespace(**row["config"])})


@cache
def _invoker() -> LambdaInvoker:
    return open_invoker(Settings.from_environment())


def _fresh_registry() -> Registry:
    """Return the registry, which has seen whatever a request's registry would see now."""
    registry = _registry()
    registry.refresh()
    return registry


@cache
def _registry() -> Registry:
    return open_registry(Settings.from_environment())
