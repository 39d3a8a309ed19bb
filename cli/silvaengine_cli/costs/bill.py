"""What usage costs: the parts of a bill that a tenant's calls cause, by a list of prices.

What is there without calls (alarms, secrets, storage, Redis, a NAT gateway) is in nobody's bill, and cold
starts are in it without their initialization, of which no line tells.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import click

from silvaengine_cli.costs.prices import Prices
from silvaengine_cli.deployment import Deployment
from silvaengine_tasks.usage.counting import EVENT_BYTES

GIGABYTE = 1_000_000_000
MB_US = 1024 * 1_000_000  # megabytes times microseconds in a gigabyte-second
JOB_WRITES = 6  # accepted, begun and settled, each with its entry in the index
# Of Lambda's START, END and REPORT lines: docs.aws.amazon.com/lambda/latest/dg/python-logging.html.
PLATFORM_BYTES = 280 + 3 * EVENT_BYTES

type Quantities = Mapping[str, float]


class Setup(NamedTuple):
    """What a deployment's parameters decide of its bill.

    ``api`` is ``rest`` or ``http``; ``writes_platform_lines`` whether Lambda writes lines of its own.
    """

    api: str = "rest"
    architecture: str = "x86_64"
    writes_platform_lines: bool = True

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        """Return a deployment's."""
        return cls(
            _parameter(deployment, "ApiKind", "rest"),
            _parameter(deployment, "Architecture", "x86_64"),
            _parameter(deployment, "LogFormat", "Text") == "Text",
        )


def bill(amounts: Mapping[str, int], setup: Setup) -> dict[str, Quantities]:
    """Return what usage is billed by, in the names of the list of prices, for each part of the bill.

    A WebSocket message counts twice, for its response; what functions push is counted of broadcasts alone.
    """
    used = {name: amounts.get(name, 0) for name in ("requests", "invocations", "messages", "pushes", "jobs")}
    own_lines = used["invocations"] * PLATFORM_BYTES if setup.writes_platform_lines else 0
    return {
        "API": {
            f"{setup.api}_requests": used["requests"],
            "websocket_messages": 2 * used["messages"] + used["pushes"],
        },
        "Lambda": {
            "lambda_requests": used["invocations"],
            f"lambda_gb_seconds_{setup.architecture}": amounts.get("mb_us", 0) / MB_US,
        },
        "logs": {"log_gigabytes": (amounts.get("log_bytes", 0) + own_lines) / GIGABYTE},
        "jobs": {"table_writes": JOB_WRITES * used["jobs"]},
        "sent": {"sent_gigabytes": amounts.get("bytes_out", 0) / GIGABYTE},
    }


def price(parts: Mapping[str, Quantities], prices: Prices) -> dict[str, float]:
    """Return what each part costs, in US dollars."""
    return {part: prices.cost(quantities) for part, quantities in parts.items()}


def _parameter(deployment: Deployment, name: str, default: str) -> str:
    """Return a parameter of the stack; the default of one that an older stack doesn't have."""
    try:
        return deployment.parameter(name)
    except click.ClickException:
        return default
