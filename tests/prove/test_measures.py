"""How long calls take, cold and warm, and what ten thousand of them cost."""

import json
import time
from collections.abc import Mapping
from statistics import mean, median
from typing import Any

from silvaengine_cli.costs.prices import cost

from .conftest import Figures, Target, eventually

CALLS = 100
PRICED = 10_000
LAMBDAS = ("HttpGateway", "Worker")


def test_a_cold_call(target: Target, figures: Figures) -> None:
    """Both Lambdas of a call start anew: their changed configuration ends what is warm."""
    functions = target.client("lambda")
    for name in LAMBDAS:
        arn = target.output(f"{name}Arn")
        functions.update_function_configuration(FunctionName=arn, Description=f"Cold since {time.time_ns()}")
        functions.get_waiter("function_updated_v2").wait(FunctionName=arn)
    since = time.time() - 1
    start = time.perf_counter()
    response = target.api.get("/core/prove/echo?word=cold")
    figures["client ms"] = round((time.perf_counter() - start) * 1000)
    assert response.status == 200
    for name in LAMBDAS:
        (line,) = lines(target, name, {response.headers["x-request-id"]}, since)
        figures[f"{name} ms"] = round(line["total_ms"])
        # The engine keeps a process whose configuration has changed.
        assert line["cold_start"] or target.endpoint_url


def test_warm_calls_and_their_cost(target: Target, figures: Figures) -> None:
    """The median of a hundred calls, and what ten thousand of these cost by the list of prices."""
    since, times, ids = time.time() - 1, [], set[str]()
    for n in range(CALLS):
        start = time.perf_counter()
        response = target.api.get(f"/core/prove/echo?word={n}")
        times.append((time.perf_counter() - start) * 1000)
        assert response.status == 200
        ids.add(response.headers["x-request-id"])
    figures["client median ms"] = round(median(times), 1)
    functions = target.client("lambda")
    quantities: dict[str, float] = {
        "rest_requests": PRICED,
        "lambda_requests": PRICED * len(LAMBDAS),
        "log_gigabytes": 0.0,
    }
    for name in LAMBDAS:
        written = lines(target, name, ids, since)
        figures[f"{name} median ms"] = round(median(line["total_ms"] for line in written), 1)
        configuration = functions.get_function_configuration(FunctionName=target.output(f"{name}Arn"))
        seconds = mean(line["total_ms"] for line in written) / 1000 * PRICED
        (architecture,) = configuration.get("Architectures", ["x86_64"])
        kind = f"lambda_gb_seconds_{architecture}"
        used = seconds * configuration["MemorySize"] / 1024
        quantities[kind] = quantities.get(kind, 0) + used
        quantities["log_gigabytes"] += PRICED * mean(len(json.dumps(line)) for line in written) / 1e9
    figures["USD for 10,000 calls"] = round(cost(quantities), 4)


def lines(target: Target, function: str, ids: set[str], since: float) -> list[Mapping[str, Any]]:
    """Return a Lambda's lines about requests, once all are there."""

    def written() -> list[Mapping[str, Any]]:
        texts = [text[text.index("{") :] for text in target.logged(function, since) if "total_ms" in text]
        return [line for line in map(json.loads, texts) if line.get("request_id") in ids]

    return eventually(written, lambda found: len(found) >= len(ids), 120)
