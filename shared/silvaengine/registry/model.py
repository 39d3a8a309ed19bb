"""What the registry resolves a request to: immutable values made of rows."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.access.api_keys import IMPLIED_SCOPES, KeyHash
from silvaengine.errors import ConfigurationError
from silvaengine.protocol.messages import Callee

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimit
    from silvaengine.aws.table_client import Row

type Values = Mapping[str, Any]

CONFIG_DEFAULTS: Values = MappingProxyType(
    {
        "class_name": "",
        "funct_type": "RequestResponse",
        "methods": ("POST", "GET"),
        "auth_required": False,
        "graphql": False,
    }
)


class FunctionEntry(NamedTuple):
    """A connection's mention of a function: the Lambda that runs it, and a settings id that wins."""

    aws_lambda_arn: str
    setting: str


class KeyAccess(NamedTuple):
    """What an API key opens at an endpoint.

    ``owner`` is the endpoint whose connection row serves: the endpoint itself, or the common one. ``api_key``
    is what the row is named by. ``settings`` are the gateway's own for this area and endpoint, empty when
    there are none. ``key_id`` names the key to authorizers and in logs, and opens nothing. ``limits`` are its
    tenant's and its own. ``key_hashes`` is None for a key that is its own secret.
    """

    endpoint_id: str
    owner: str
    api_key: str
    functions: Mapping[str, FunctionEntry]
    settings: Values
    grants: frozenset[str]
    whitelist: tuple[str, ...]
    key_id: str = ""
    limits: "tuple[RateLimit, ...]" = ()
    key_hashes: tuple[KeyHash, ...] | None = None

    def may(self, grant: str) -> bool:
        """Return whether the key was granted something, or is of the kind that may do it unasked."""
        unasked = IMPLIED_SCOPES if self.key_hashes is None else ()
        return grant in unasked or grant in self.grants or "admin" in self.grants


class Function(NamedTuple):
    """A function as the registry describes it, with its merged settings.

    ``callee`` is what a worker is told to call. ``configuration`` is what authorizers and full-event
    functions are shown as ``fnConfigurations``. ``connection_setting`` is the settings id of the connection's
    entry, often empty. ``broadcasts`` says that it may push to all of a tenant's sockets.
    """

    name: str
    area: str
    aws_lambda_arn: str
    callee: Callee
    funct_type: str
    methods: tuple[str, ...]
    auth_required: bool
    graphql: bool
    settings: Values
    configuration: Values
    connection_setting: str = ""
    broadcasts: bool = False


def read_entries(row: "Row") -> Mapping[str, FunctionEntry]:
    """Index a connection's functions by name; of two entries with one name the first counts, as ever."""
    entries = {}
    for entry in reversed(row.get("functions") or ()):
        entries[entry["function"]] = FunctionEntry(entry["aws_lambda_arn"], entry.get("setting") or "")
    return MappingProxyType(entries)


def function_config(name: str, row: "Row", entry: FunctionEntry) -> dict[str, Any]:
    """Return a function's configuration with the defaults of what its row leaves out.

    Raises:
        ConfigurationError: the row names no module.
    """
    given = {member: value for member, value in (row.get("config") or {}).items() if value}
    config = {**CONFIG_DEFAULTS, **given}
    if "module_name" not in config:
        detail = f"function {name!r} of {entry.aws_lambda_arn}: its row has no config.module_name"
        raise ConfigurationError("The function is misconfigured", detail=detail)
    return config


def read_function(
    name: str, row: "Row", entry: FunctionEntry, config: Mapping[str, Any], settings: "Row"
) -> Function:
    """Return the function that a row describes, with its merged settings."""
    return Function(
        name=name,
        area=row.get("area", ""),
        aws_lambda_arn=entry.aws_lambda_arn,
        callee=Callee(config["module_name"], config["class_name"], name, json.dumps(settings)),
        funct_type="Event" if config["funct_type"].lower() == "event" else "RequestResponse",
        methods=tuple(method.upper() for method in config["methods"]),
        auth_required=bool(config["auth_required"]),
        graphql=bool(config["graphql"]),
        settings=MappingProxyType(settings),
        configuration=MappingProxyType(
            {
                "aws_lambda_arn": entry.aws_lambda_arn,
                "function": name,
                "area": row.get("area"),
                "config": config,
            }
        ),
        connection_setting=entry.setting,
        broadcasts=config.get("broadcasts") is True,
    )
