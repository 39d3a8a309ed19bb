"""What a page of another origin sends and reads in Chromium, with credentials and without."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.security.registries import World

from silvaengine.protocol.messages import ExecutionRef, WorkerResponse

from .api_server import serving
from .scripted_server import ScriptedServer

FETCH = """async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        return {status: response.status, headers: Object.fromEntries(response.headers)};
    } catch (error) {
        return {failure: error.message};
    }
}"""

type Fetch = Callable[..., Any]


@pytest.fixture
def world() -> World:
    """Return a gateway with one tenant."""
    made = World()
    made.add_function("book")
    made.add_tenant("acme", "book", rate_limit={"per_second": 100, "burst": 4})
    return made


@pytest.fixture
def fetch(browser: Browser, world: World, server: ScriptedServer) -> Iterator[Fetch]:
    """Call the tenant's function from a page whose origin the tenant lists."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{server.address}/")
    own = {"x-api-key": "acme-key", "traceparent": "00-1-1-00", "X-Own": "1"}

    def send(headers: dict[str, str], **options: Any) -> Any:
        asked = {"method": "POST", "body": "{}", "headers": {**own, **headers}, **options}
        return page.evaluate(FETCH, [f"http://{address}/core/acme/book", asked])

    with serving(world.handler) as address:
        yield send
    context.close()


@pytest.mark.parametrize("credentials", ["include", "omit"])
def test_a_listed_page_sends_and_reads_headers(
    credentials: str, world: World, server: ScriptedServer, fetch: Fetch
) -> None:
    """It sends any header of its own, and reads what the gateway says of jobs, repetitions and limits."""
    policy = {"origins": [f"http://{server.address}"], "credentials": credentials == "include"}
    world.set("beta_core_acme", "cors", policy)
    keyed = {"Content-Type": "application/json", "Idempotency-Key": "k1"}
    first = fetch(keyed, credentials=credentials)["headers"]
    job = ExecutionRef(**world.sent[-1]["job"])  # which the worker ends
    result = {"result": json.dumps(WorkerResponse("text", "{}").encode())}
    world.ledger.settle(job, job.owner, "succeeded", result)
    again = fetch(keyed, credentials=credentials)["headers"]
    accepted = fetch({"Prefer": "respond-async"}, credentials=credentials)
    assert "idempotency-replayed" not in first
    assert again["idempotency-replayed"] == "true"
    assert {"x-request-id", "ratelimit", "ratelimit-policy"} <= again.keys()
    assert (accepted["status"], accepted["headers"]["preference-applied"]) == (202, "respond-async")
    assert {"location", "retry-after"} <= accepted["headers"].keys()
    refused = fetch({}, credentials=credentials, method="DELETE")
    assert (refused["status"], refused["headers"]["allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    limited = fetch({}, credentials=credentials)
    assert (limited["status"], "retry-after" in limited["headers"]) == (429, True)


def test_an_unlisted_page_does_neither(world: World, fetch: Fetch) -> None:
    """Its request isn't even made."""
    world.set("beta_core_acme", "cors", {"origins": ["https://app.example.com"], "credentials": True})
    assert "failure" in fetch({}, credentials="include")
    assert world.sent == []


def test_without_a_policy_any_page_sends_and_reads_headers(fetch: Fetch) -> None:
    """It does so without credentials, as the contract has it."""
    job = fetch({"Prefer": "respond-async"})
    assert job["headers"]["preference-applied"] == "respond-async"
    assert "failure" in fetch({}, credentials="include")
