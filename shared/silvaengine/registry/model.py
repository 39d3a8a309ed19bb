"""What the registry resolves a request to: immutable values made from rows."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from silvaengine.access.api_keys import IMPLIED_SCOPES, KeyHash
from silvaengine.errors import ConfigurationError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import Callee
from silvaengine.registry.policy import ExecutionPolicy

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimit
    from silvaengine.aws.table_client import Row
    from silvaengine.registry.outcomes import Outcome
    from silvaengine.registry.packages import PackageEntry, Release

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
    """A key row's entry of a function: the Lambda that runs it, and a setting id that overrides its own.

    ``route`` is the function's, empty if it has none: so it is known without reading the function's row.
    """

    aws_lambda_arn: str
    setting_id: str
    route: str = ""


class KeyAccess(NamedTuple):
    """What an API key opens at an endpoint.

    ``key_row_endpoint`` is the endpoint of the key row: the endpoint itself, or the common one. ``api_key``
    is the row's key. ``settings`` are the gateway's own for this area and endpoint, empty if there are none.
    ``scopes`` are the row's ``grants``, ``allowlist`` its ``whitelist``. ``key_id`` names the key to
    authorizers and in logs, and opens nothing. ``limits`` are the tenant's and the key's. ``key_hashes`` is
    None for a key that is its own secret. ``functions`` are those of workers; ``packages`` open published
    ones, an entry of a function of its own before those of whole packages.
    """

    endpoint_id: str
    key_row_endpoint: str
    api_key: str
    functions: Mapping[str, FunctionEntry]
    settings: Values
    scopes: frozenset[str]
    allowlist: tuple[str, ...]
    key_id: str = ""
    limits: "tuple[RateLimit, ...]" = ()
    key_hashes: tuple[KeyHash, ...] | None = None
    packages: "tuple[PackageEntry, ...]" = ()

    def may(self, scope: str) -> bool:
        """Return whether the key has a scope: by its row, or because all keys of its kind have it."""
        implied = IMPLIED_SCOPES if self.key_hashes is None else ()
        return scope in implied or scope in self.scopes or "admin" in self.scopes


class Function(NamedTuple):
    """A function as the registry describes it, with its merged settings.

    ``callee`` is what the worker calls. ``configuration`` is what authorizers and full-event functions get as
    ``fnConfigurations``. ``entry_setting_id`` is the setting id of the key row's entry, often empty.
    ``policy`` has the rules for its executions, ``broadcasts`` says whether it may push to all of a tenant's
    sockets, ``internal`` whether it is for events and other functions only, not for clients. ``release`` is
    that of a published one, None for a function of the worker's artefact; ``outcome`` counts how its calls
    end for the tenant that it was resolved for, None where nobody counts.
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
    entry_setting_id: str = ""
    broadcasts: bool = False
    internal: bool = False
    policy: ExecutionPolicy = ExecutionPolicy()
    release: "Release | None" = None
    outcome: "Outcome | None" = None

    @property
    def is_isolated(self) -> bool:
        """Whether its Lambda is invoked for a tenant: it has environments for each."""
        return self.release is not None and self.release.is_isolated


def opens_endpoint(key_row: "Row", endpoint_id: str) -> bool:
    """Return whether a key opens an endpoint: any if its row has no list, none if the list is empty."""
    endpoints = key_row.get("endpoints")
    return endpoints is None or endpoint_id in endpoints


def read_limits(endpoint: "Row", key_row: "Row", endpoint_id: str, key_id: str) -> "tuple[RateLimit, ...]":
    """Return the limits in a tenant's row and a key's; raises ConfigurationError."""
    if "rate_limit" not in endpoint and "rate_limit" not in key_row:
        return ()
    from silvaengine.access.rate_limits import rate_limits_of  # lazy: only a row with limits needs it

    return rate_limits_of(endpoint, key_row, endpoint_id, key_id)


def read_entries(
    row: "Row", package_prefix: str | None
) -> "tuple[Mapping[str, FunctionEntry], tuple[PackageEntry, ...]]":
    """Return what a key row opens: entries of workers' functions by name, and those of published packages.

    Of two functions with the same name the first counts. ``package_prefix`` is the beginning of the ARNs of
    packages' Lambdas; without one there are none.
    """
    entries = {}
    for entry in reversed(row.get("functions") or ()):
        entries[entry["function"]] = FunctionEntry(
            entry["aws_lambda_arn"], entry.get("setting") or "", entry.get("route") or ""
        )
    packages: tuple[PackageEntry, ...] = ()
    if package_prefix and (
        row.get("packages")
        or any(entry.aws_lambda_arn.startswith(package_prefix) for entry in entries.values())
    ):
        packages = _split_packages(row, entries, package_prefix)
    return MappingProxyType(entries), packages


def _split_packages(
    row: "Row", entries: dict[str, FunctionEntry], package_prefix: str
) -> "tuple[PackageEntry, ...]":
    """Return a key row's entries of packages; take those of their functions out of ``entries``."""
    from silvaengine.registry.packages import PackageEntry  # lazy: only published functions need it

    names = [name for name, entry in entries.items() if entry.aws_lambda_arn.startswith(package_prefix)]
    own = [PackageEntry(*entries.pop(name)[:2], name) for name in names]
    listed = [
        PackageEntry(package_prefix + entry["package"], entry.get("setting") or "")
        for entry in row.get("packages") or ()
    ]
    return (*own, *listed)


def function_config(name: str, row: "Row", entry: FunctionEntry) -> dict[str, Any]:
    """Return a function's configuration, with defaults for what its row leaves out.

    Raises:
        ConfigurationError: the row names no module.
    """
    members = {member: value for member, value in (row.get("config") or {}).items() if value}
    config = {**CONFIG_DEFAULTS, **members}
    if "module_name" not in config:
        detail = f"function {name!r} of {entry.aws_lambda_arn}: its row has no config.module_name"
        raise ConfigurationError("The function is misconfigured", detail=detail)
    return config


def read_function(
    name: str,
    row: "Row",
    entry: FunctionEntry,
    config: Mapping[str, Any],
    settings: "Row",
    release: "Release | None" = None,
) -> Function:
    """Return the function of a row, which may be a release's, with its merged settings."""
    return Function(
        name=name,
        area=row.get("area", ""),
        aws_lambda_arn=entry.aws_lambda_arn,
        callee=Callee(
            config["module_name"],
            config["class_name"],
            config.get("function_name") or name,
            json.dumps(settings),
            release.digest if release else "",
            config.get("typed") is True,
            config.get("keep_empty") is True,
        ),
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
        entry_setting_id=entry.setting_id,
        broadcasts=config.get("broadcasts") is True,
        internal=config.get("internal") is True,
        policy=ExecutionPolicy.from_config(config),
        release=release,
    )
