"""Hostile input: T12, T17, T24; requests at random are in test_surface."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from .platform import Platform, json_of, rest_event

KEY = {"x-api-key": "acme-key"}
SIX_MB = 6_291_456


@pytest.fixture(scope="module")
def platform() -> Platform:
    """One tenant whose function answers what came."""
    config = {"module_name": "sample_functions.plain", "methods": ["GET", "POST"]}
    whole = Platform({"echo": config, "wants_body": config})
    whole.add_tenant("acme", "acme-key", {})
    return whole


def post(platform: Platform, body: str | bytes, **headers: str) -> dict[str, Any]:
    """Send a body."""
    sent = {**KEY, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return platform.call(rest_event("POST", "/core/acme/echo", headers=sent, body=body))


def test_t12_no_code_in_what_ships_unpickles() -> None:
    """Neither pickle nor marshal nor eval nor YAML's loader of objects is used anywhere."""
    project = Path(__file__).parents[2]
    forbidden = ("import pickle", "import marshal", "pickle.load", "yaml.load(", " eval(", "yaml.unsafe")
    sources = [path for folder in ("services", "shared") for path in (project / folder).rglob("*.py")]
    assert len(sources) > 80
    found = [(path.name, word) for path in sources for word in forbidden if word in path.read_text()]
    assert found == []


def test_t17_a_bomb_takes_no_more_memory_than_a_body(platform: Platform) -> None:
    """Unpacking ends at the limit: 200 MB behind 200 KB cost less than four bodies of 6 MB."""
    bomb = gzip.compress(bytes(200_000_000))
    tracemalloc.start()
    post(platform, bomb, content_encoding="gzip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * SIX_MB


def test_t24_every_accepted_call_can_be_followed(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """One request id leads from the response through both Lambdas' lines to the ledger's row."""
    response = post(platform, "{}", prefer="respond-async")
    request_id = response["headers"]["x-request-id"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = {line["service"]: line for line in lines if line.get("request_id") == request_id}
    assert set(told) == {"http", "worker"}
    assert {line["endpoint_id"] for line in told.values()} == {"acme"}
    execution = platform.ledger.get(json_of(response)["job_id"])
    assert execution is not None
    assert (execution.request_id, execution.endpoint_id, execution.function) == (request_id, "acme", "echo")
    assert execution.principal
