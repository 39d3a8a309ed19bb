"""Registry rows in the contract's form, written straight to the tables as the predecessor's tools do."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from ..canaries import SETTINGS

ENDPOINT = "e2e"
API_KEY = "e2e-key"
ADMIN_KEY = "e2e-admin-key"
OTHER_ENDPOINT = "e2e-other"
LIMITED_ENDPOINT = "e2e-limited"
MANY_ENDPOINT = "e2e-many"
BILLED_ENDPOINT = "e2e-billed"
AGENTS_ENDPOINT, AGENTS_LIMITED_ENDPOINT = "agents", "agents-limited"
LARGE_ROW, LARGE_SETTINGS = 350_000, 1_400_000  # more than an event takes, in rows that DynamoDB takes
FUNCTIONS: Mapping[str, Mapping[str, Any]] = {
    "settings": {"class_name": "Told", "setting": "e2e"},
    "secret": {"class_name": "Told", "setting": "e2e-secret"},
    "rotated": {"class_name": "Told", "setting": "e2e-rotated"},
    "arguments": {"class_name": "Told", "setting": "e2e"},
    "tenant": {"class_name": "Told", "setting": "e2e"},
    "event": {"class_name": "Told", "setting": "e2e", "area": "whole"},
    "body_size": {},
    "settings_size": {"setting": "e2e-large"},
    "tell": {"setting": "e2e-tell"},
    "tell_later": {"funct_type": "Event", "max_attempts": 1, "setting": "e2e-tell"},
    "fail": {},
    "fail_loudly": {},
    "fail_later": {"funct_type": "Event", "max_attempts": 1},
    "fail_again": {"funct_type": "Event", "max_attempts": 1},
    "effect": {"backoff_seconds": 1},
    "stored": {},
    "received": {},
    "effect_once": {"on_lost": "fail", "idempotency": "required"},
    "effect_later": {"funct_type": "Event", "max_attempts": 3, "backoff_seconds": 1, "setting": "e2e"},
    "large": {},
    "wait": {},
    "work": {"funct_type": "Event"},
    "read_table": {},
    "number": {},
    "total": {"typed": True},
    "note": {"funct_type": "Event"},
    "echo": {},
    "echo_all": {"function_name": "echo", "keep_empty": True},
    "explain": {},
    "attach": {"typed": True},
    "next_page": {"typed": True},
    "show_context": {"typed": True},
    "count": {},
    "count_slowly": {},
    "note_effect": {},
    "show_guarded": {"auth_required": True, "area": "talks"},
    "push": {"broadcasts": True},
    "begin_story": {"broadcasts": True},
    "show": {},
    "metered": {},
    "metered_later": {"function_name": "metered", "funct_type": "Event"},
    "only_post": {"methods": ["POST"]},
    "guarded": {"auth_required": True},
    "members_context": {"auth_required": True, "area": "members"},
    "tokens_context": {"auth_required": True, "area": "tokens"},
    "foreign": {"module_name": "os", "methods": ["GET"]},
}


class Rows:
    """Writes rows past every check of ours; they carry no revision."""

    def __init__(self, tables: Any, prefix: str) -> None:
        self._tables = tables
        self._prefix = prefix

    def put(self, table: str, **row: object) -> None:
        """Put one row."""
        item = {name: TypeSerializer().serialize(value) for name, value in row.items()}
        self._tables.put_item(TableName=self._prefix + table, Item=item)

    def put_test_registry(self, worker_arn: str) -> None:
        """Make the tests' functions reachable at endpoint `e2e` with its key."""
        self.put("endpoints", endpoint_id=ENDPOINT, special_connection=True)
        self.put("configdata", setting_id="e2e", variable="greeting", value="Hello")
        self.put("configdata", setting_id="e2e", variable="password", value="hunter2")
        self.put(
            "configdata", setting_id="e2e-secret", variable="password", value="ssm:/silvaengine/beta/e2e"
        )
        self.put("configdata", setting_id="e2e-tell", variable="database", value=SETTINGS["database"])
        for part in range(LARGE_SETTINGS // LARGE_ROW):
            self.put("configdata", setting_id="e2e-large", variable=f"part{part}", value="x" * LARGE_ROW)
        self.put("configdata", setting_id="e2e-own", variable="greeting", value="Good day")
        for name in FUNCTIONS:
            self.put_function(worker_arn, name)
        entries = [_entry(worker_arn, name) for name in FUNCTIONS]
        self.put("connections", endpoint_id=ENDPOINT, api_key=API_KEY, functions=entries, whitelist=[])
        self.put_limited(worker_arn)
        self.put("endpoints", endpoint_id=OTHER_ENDPOINT, special_connection=True)
        for endpoint_id in (ENDPOINT, OTHER_ENDPOINT):
            grants = ["cache:admin"]
            self.put(
                "connections", endpoint_id=endpoint_id, api_key=ADMIN_KEY, functions=entries, grants=grants
            )

    def put_limited(self, worker_arn: str) -> None:
        """Make one function reachable at an endpoint that lets in eight calls at once and closes its CORS."""
        limit = {"per_second": Decimal("0.01"), "burst": 8}
        self.put("endpoints", endpoint_id=LIMITED_ENDPOINT, special_connection=True, rate_limit=limit)
        entries = [_entry(worker_arn, "number")]
        self.put("connections", endpoint_id=LIMITED_ENDPOINT, api_key=API_KEY, functions=entries)
        self.put(
            "configdata",
            setting_id=f"beta_core_{LIMITED_ENDPOINT}",
            variable="cors",
            value={"origins": ["https://app.example.com"], "credentials": True},
        )

    def put_billed(self, worker_arn: str) -> None:
        """Make the functions that meter reachable at an endpoint of their own."""
        self.put("endpoints", endpoint_id=BILLED_ENDPOINT, special_connection=True)
        entries = [_entry(worker_arn, name) for name in ("metered", "metered_later")]
        self.put("connections", endpoint_id=BILLED_ENDPOINT, api_key=API_KEY, functions=entries)

    def put_agents(self, worker_arn: str) -> None:
        """Make functions the tools of an endpoint, and of one that lets in two calls at once."""
        limit = {"per_second": Decimal("0.01"), "burst": 2}
        entries = [_entry(worker_arn, name) for name in ("count", "effect_later", "number", "work")]
        for endpoint_id, limits in ((AGENTS_ENDPOINT, {}), (AGENTS_LIMITED_ENDPOINT, {"rate_limit": limit})):
            self.put("endpoints", endpoint_id=endpoint_id, special_connection=True, **limits)
            self.put("connections", endpoint_id=endpoint_id, api_key=API_KEY, functions=entries)
            self.put("configdata", setting_id=f"beta_core_{endpoint_id}", variable="mcp", value=True)

    def put_many_tools(self, worker_arn: str) -> None:
        """Make an endpoint of two pages of tools, fifty and ten."""
        names = [f"tool_{number:02}" for number in range(60)]
        config = {"module_name": "e2e_functions", "function_name": "number", "mcp": True}
        for name in names:
            self.put("functions", aws_lambda_arn=worker_arn, function=name, area="core", config=config)
        entries = [_entry(worker_arn, name) for name in names]
        self.put("endpoints", endpoint_id=MANY_ENDPOINT, special_connection=True)
        self.put("connections", endpoint_id=MANY_ENDPOINT, api_key=API_KEY, functions=entries)

    def put_function(self, worker_arn: str, name: str) -> None:
        """Put the row of one of the tests' functions."""
        config = {"module_name": "e2e_functions", "methods": ["GET", "POST"], **FUNCTIONS[name]}
        area = config.pop("area", "core")
        self.put("functions", aws_lambda_arn=worker_arn, function=name, area=area, config=config)


def _entry(worker_arn: str, name: str) -> dict[str, str]:
    setting = "e2e-own" if name == "settings" else ""
    return {"aws_lambda_arn": worker_arn, "function": name, "setting": setting}
