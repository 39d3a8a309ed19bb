"""What a million requests cost by the levers of a deployment, and without us.

docs/cost.md says what is assumed.
"""

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from silvaengine_cli.costs.bill import GIGABYTE, PLATFORM_BYTES, Setup
from silvaengine_cli.costs.prices import Prices

FUNCTION_MS = (5, 20, 100, 1000)
REQUESTS = 1_000_000
VCPU_MB = 1769  # docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: what has one vCPU
HOP_MS = 8.0  # a Lambda's Invoke of another, beyond what that one takes: assumed
RUNTIME_MS = 0.5  # of Lambda's runtime client for each invocation: assumed
LINE_BYTES = 450 + 26  # one of ours, with CloudWatch's own


class Lambda(NamedTuple):
    """One of a request's Lambdas: its memory, its time at one vCPU beside the function's, and its log."""

    mb: int
    cpu_ms: float
    log_bytes: int = 0


class System(NamedTuple):
    """Lambdas that serve each request: each waits for the next one, and the last one runs the function."""

    name: str
    lambdas: tuple[Lambda, ...]
    setup: Setup = Setup()


def cost_per_million(system: System, function_ms: float, prices: Prices) -> float:
    """Return what a million requests cost, in US dollars."""
    setup, gb_seconds, log_bytes, milliseconds = system.setup, 0.0, 0, function_ms
    for place, each in enumerate(reversed(system.lambdas)):
        milliseconds += each.cpu_ms * VCPU_MB / each.mb + RUNTIME_MS + (HOP_MS if place else 0)
        gb_seconds += each.mb / 1024 * ceil(milliseconds) / 1000
        log_bytes += each.log_bytes + (PLATFORM_BYTES if setup.writes_platform_lines else 0)
    return prices.cost(
        {
            f"{setup.api}_requests": REQUESTS,
            "lambda_requests": REQUESTS * len(system.lambdas),
            f"lambda_gb_seconds_{setup.architecture}": REQUESTS * gb_seconds,
            "log_gigabytes": REQUESTS * log_bytes / GIGABYTE,
        }
    )


# Times at one vCPU: benchmarks/RESULTS.md, "Warm request", in whole hundredths.
GATEWAY = Lambda(256, 0.15, LINE_BYTES)
WORKER = Lambda(512, 0.03, LINE_BYTES)
OURS = (GATEWAY, WORKER)
FASTAPI = (Lambda(512, 0.67),)
CHAINED = (Lambda(512, 0.99), Lambda(512, 0.01))
LEAN = Setup("http", "arm64", writes_platform_lines=False)

SYSTEMS = (
    System("as it is deployed: REST API, gateway of 256 MB, x86_64", OURS),
    System("with `ApiKind=http`", OURS, Setup(api="http")),
    System("with `LogFormat=JSON`", OURS, Setup(writes_platform_lines=False)),
    System("with `Architecture=arm64`", OURS, Setup(architecture="arm64")),
    System("with all three", OURS, LEAN),
    System("with `HttpGatewayMemorySize=512`", (GATEWAY._replace(mb=512), WORKER)),
    System("one FastAPI + Mangum Lambda, REST API", FASTAPI),
    System("the same with an HTTP API, JSON and arm64", FASTAPI, LEAN),
    System("two chained bare Lambdas, REST API", CHAINED),
    System("the same with an HTTP API, JSON and arm64", CHAINED, LEAN),
)


def rows(prices: Prices, function_ms: Iterable[float] = FUNCTION_MS) -> list[tuple[str, list[float]]]:
    """Return each system with its costs, by the function's time."""
    times = list(function_ms)
    return [(each.name, [cost_per_million(each, time, prices) for time in times]) for each in SYSTEMS]
