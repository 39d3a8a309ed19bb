"""What a request costs as the registry grows: warm it must be flat, cold it follows the connection's row."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.harness.loopback import Rows, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import cold_instructions, warm_instructions
from benchmarks.subjects import RESULT, gateway, registry
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS


def run(*, quick: bool) -> str:
    """Return the section."""
    results = []
    for name, rows in list(registries())[: 1 if quick else None]:
        with loopback(rows, RESULT) as server:
            subject = gateway(server)
            warm = warm_instructions(subject, 5 if quick else 50)
            results.append((name, warm, cold_instructions(replace(subject, warm_ups=1))))
    first = results[0]
    rows_of_table = [(name, warm, warm / first[1], cold, cold / first[2]) for name, warm, cold in results]
    return table(("", "instructions, warm", "ratio", "instructions, cold", "ratio"), rows_of_table)


def registries() -> Iterator[tuple[str, Rows]]:
    """Yield registries that differ in one thing each."""
    for count in (10, 1_000, 4_000):
        yield f"{count:,} functions in the connection", registry(count)
    base = registry(10)
    functions = [{**base[FUNCTIONS][0], "function": f"function-{number}"} for number in range(100_000)]
    yield "100,000 functions of other connections", {**base, FUNCTIONS: [*base[FUNCTIONS], *functions]}
    others = [{"endpoint_id": f"endpoint-{number}"} for number in range(100_000)]
    yield "100,000 endpoints", {**base, ENDPOINTS: [*base[ENDPOINTS], *others]}
    keys = [{"endpoint_id": "1", "api_key": f"key-{number}", "functions": []} for number in range(100_000)]
    yield "100,000 connections", {**base, CONNECTIONS: [*base[CONNECTIONS], *keys]}
    settings = [{"setting_id": "demo", "variable": f"v{number}", "value": "x"} for number in range(1_000)]
    yield "1,000 more settings of the function", {**base, CONFIG_DATA: [*base[CONFIG_DATA], *settings]}
