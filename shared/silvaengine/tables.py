"""Names and keys of the tables, declared once for models, table client and command line.

They are fixed: deployments of the predecessor have rows under them (docs/contract.md); only the executions
and the packages are new.
"""

from collections.abc import Mapping

from silvaengine.named_tuple import NamedTuple


class Table(NamedTuple):
    """A table: its name without the stage's prefix, and the attributes of its primary key."""

    name: str
    hash_key: str
    range_key: str | None = None

    @property
    def key_names(self) -> tuple[str, ...]:
        """Return the attributes of the primary key."""
        return (self.hash_key, self.range_key) if self.range_key else (self.hash_key,)

    def key_of(self, row: Mapping[str, str]) -> tuple[str, ...]:
        """Return the values of the primary key in a row."""
        return tuple(row[name] for name in self.key_names)


class Index(NamedTuple):
    """An index of a table with a number as its sort key; rows without its attributes aren't in it."""

    name: str
    hash_key: str
    range_key: str


ENDPOINTS = Table("endpoints", "endpoint_id")
CONNECTIONS = Table("connections", "endpoint_id", "api_key")
FUNCTIONS = Table("functions", "aws_lambda_arn", "function")
HOOKS = Table("hooks", "api_id", "module_name")
WSS_CONNECTIONS = Table("wss-connections", "endpoint_id", "connection_id")
CONFIG_DATA = Table("configdata", "setting_id", "variable")
EXECUTIONS = Table("executions", "job_id")
PACKAGES = Table("packages", "function_arn", "item")
ADOPTABLE = (ENDPOINTS, CONNECTIONS, FUNCTIONS, HOOKS, WSS_CONNECTIONS, CONFIG_DATA)
USAGE = Table("usage", "month", "item")
TABLES = (*ADOPTABLE, EXECUTIONS, PACKAGES, USAGE)

WSS_CONNECTIONS_INDEX = "connection_id-index"
DUE_INDEX = Index("due-index", "due_shard", "due_at")
DEFAULT_API_KEY = "#####"
COMMON_ENDPOINT = "1"

# Not a function's setting: the row with the registry's generation.
GENERATION_KEY = {"setting_id": "silvaengine", "variable": "generation"}
CACHE_SETTING_ID = "silvaengine:cache:"
KEY_USE_SETTING_ID = "silvaengine:keys"
OUTCOMES_SETTING_ID = "silvaengine:outcomes:"

# Bindings of event sources to functions: variables such as ``queue:orders``; tables have an older setting id.
EVENTS_SETTING_ID = "silvaengine_events"
STREAMS_SETTING_ID = "dynamodb_stream_config"


def cache_generation_key(name: str, owner: str) -> dict[str, str]:
    """Return the key of a cache's clear log, for one tenant or for all."""
    return {"setting_id": CACHE_SETTING_ID + name, "variable": owner}


def key_use_key(key_row_endpoint: str, key_id: str) -> dict[str, str]:
    """Return the key of the row with the last use of an endpoint's API key."""
    return {"setting_id": KEY_USE_SETTING_ID, "variable": f"{key_row_endpoint}:{key_id}"}


def outcomes_setting_id(function_arn: str) -> str:
    """Return the setting id of how calls of a package end, by its Lambda's ARN, while a canary runs."""
    return OUTCOMES_SETTING_ID + function_arn.rpartition(":")[2]


def is_internal(setting_id: str) -> bool:
    """Return whether a setting id holds the framework's own rows instead of settings."""
    internal = (GENERATION_KEY["setting_id"], KEY_USE_SETTING_ID)
    return setting_id in internal or setting_id.startswith((CACHE_SETTING_ID, OUTCOMES_SETTING_ID))
