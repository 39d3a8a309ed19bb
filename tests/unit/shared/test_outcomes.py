"""How calls of published functions end, as instances count it, and report it while a canary runs."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from silvaengine.errors import (
    DeadlineError,
    InvocationError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.outcomes import HOUR_SECONDS, MAX_TENANTS, REPORT_SECONDS, sum_outcomes
from silvaengine.tables import CONFIG_DATA, ENDPOINTS, FUNCTIONS

from .published import WORKER, Lambdas, Published
from .test_published import as_job, by_queue, by_socket, directly, keyed, once, over_http

SETTING_ID = "silvaengine:outcomes:se-pkg-shop"
CANARY = {"release": 2, "tenants": ["demo"], "started_at": 1_000_000}
PROXIED = WorkerResponse("json", {"statusCode": 503, "body": "{}"})  # of HTTP: to tasks it is a value
FAILURES = (
    DeadlineError("too late"),
    InvocationError("it crashed"),
    UnavailableError("throttled"),
    WorkerResponse("error", "it failed", 500),
    PROXIED,
)
NO_FAILURES = (RequestError("too large", status=413), WorkerResponse("error", "no such thing", 404))


@pytest.fixture
def world() -> Published:
    """Return a deployment with release 1 of the package ``shop``, and a second one that serves nobody."""
    made = Published()
    made.publish(1)
    made.write_release(2)
    return made


@pytest.fixture
def lambdas(world: Published) -> Lambdas:
    """Return its Lambdas."""
    return Lambdas(world)


def reports(world: Published) -> list[dict[str, Any]]:
    """Return the rows of all reports."""
    return world.reader.query(CONFIG_DATA, SETTING_ID)


def outcomes(world: Published, started_at: int = CANARY["started_at"]) -> dict[str, list[int]]:  # type: ignore[assignment]
    """Return what all instances have reported of a canary, by tenant."""
    return sum_outcomes(reports(world), started_at)


def start(world: Published, **changes: Any) -> None:
    """Start a canary of release 2."""
    world.turn(1, canary={**CANARY, **changes})


def test_a_tenants_hour_before_and_its_calls_since_are_reported(world: Published, lambdas: Lambdas) -> None:
    """Of those whom the canary covers; others' calls are on the release before, and nobody's business."""
    for _ in range(2):
        lambdas.http()
        lambdas.http("acme")
    world.failure = DeadlineError("too late")
    lambdas.http()
    start(world)
    lambdas.http("acme")
    assert outcomes(world) == {"demo": [3, 1, 0, 0]}
    world.failure = InvocationError("it crashed")
    for _ in range(4):
        lambdas.http()
    world.now += REPORT_SECONDS
    lambdas.http("acme")
    assert outcomes(world) == {"demo": [3, 1, 4, 1]}


@pytest.mark.parametrize("failure", [*FAILURES, *NO_FAILURES], ids=str)
@pytest.mark.parametrize("call", [Lambdas.http, keyed, directly], ids=lambda call: call.__name__)
def test_a_failure_has_a_status_from_500_on(
    failure: Any, call: Callable[[Lambdas], object], world: Published, lambdas: Lambdas
) -> None:
    """Time-outs, crashes and refusals too, by whichever way one waits; what the client did wrong is none."""
    start(world)
    world.failure = failure
    with suppress(SilvaEngineError, AssertionError):
        call(lambdas)
    has_failed = failure in FAILURES and not (failure is PROXIED and call is directly)
    assert outcomes(world) == {"demo": [0, 0, 1, int(has_failed)]}


@pytest.mark.parametrize("call", [over_http, keyed, directly, by_queue], ids=lambda call: call.__name__)
def test_whoever_waits_for_an_answer_counts_it(
    call: Callable[[Lambdas], None], world: Published, lambdas: Lambdas
) -> None:
    """Requests, keyed ones, direct calls and events."""
    start(world)
    call(lambdas)
    assert outcomes(world) == {"demo": [0, 0, 1, 0]}


@pytest.mark.parametrize("call", [as_job, by_socket, once], ids=lambda call: call.__name__)
def test_what_nobody_waits_for_is_not_counted(
    call: Callable[[Lambdas], None], world: Published, lambdas: Lambdas
) -> None:
    """Jobs and messages are handed over; how they end is their worker's to tell."""
    start(world)
    call(lambdas)
    assert reports(world) == []


def test_only_what_reached_the_function_is_counted(world: Published, lambdas: Lambdas) -> None:
    """No refusal of the gateway's own, no replay of an answer, no question about a job."""
    start(world)
    for key, status in [("a", 200), ("a", 409), ("b", 200)]:
        assert lambdas.http(idempotency_key=key)["statusCode"] == status
    job_id = json.loads(lambdas.http(prefer="respond-async")["body"])["job_id"]
    lambdas.http(function="job_status", job_id=job_id)
    assert lambdas.http(function="nothing")["statusCode"] == 404
    world.now += REPORT_SECONDS
    assert lambdas.http()["statusCode"] == 200
    assert outcomes(world) == {"demo": [0, 0, 3, 0]}


def test_it_writes_once_in_ten_seconds_and_never_without_a_canary(world: Published, lambdas: Lambdas) -> None:
    """No call more of any kind; with a canary one, and none where there is nothing new to say."""
    lambdas.http()
    before = len(world.reads)
    for _ in range(50):
        lambdas.http()
        world.now += 0.01
    assert len(world.reads) == before
    assert reports(world) == []
    start(world)
    lambdas.http()
    before = len(world.reads)
    for _ in range(50):
        lambdas.http()
        world.now += 0.19
    assert world.reads[before:].count("PutItem") == 0
    world.now += 1
    for _ in range(50):
        lambdas.http()
    assert world.reads[before:].count("PutItem") == 1
    world.now += REPORT_SECONDS
    lambdas.http("acme")
    lambdas.http("acme")
    world.now += REPORT_SECONDS
    lambdas.http("acme")
    assert world.reads[before:].count("PutItem") == 2


def test_each_instance_has_a_row_of_its_own(world: Published, lambdas: Lambdas) -> None:
    """They are summed, and a row that is written again counts once."""
    start(world)
    for each in (lambdas, Lambdas(world)):
        for _ in range(3):
            each.http()
            world.now += REPORT_SECONDS
    assert len(reports(world)) == 2
    assert outcomes(world) == {"demo": [0, 0, 6, 0]}


def test_only_the_last_hour_is_before(world: Published, lambdas: Lambdas) -> None:
    """In ten-minute parts; what is older is forgotten."""
    lambdas.http()
    world.now += HOUR_SECONDS / 2
    lambdas.http()
    world.now += HOUR_SECONDS / 2 + 600
    start(world)
    lambdas.http("acme")
    assert outcomes(world) == {"demo": [1, 0, 0, 0]}


def test_what_was_before_stays_so(world: Published, lambdas: Lambdas) -> None:
    """A canary that runs for hours is compared with the hour before it; one that grows, too."""
    lambdas.http()
    lambdas.http("acme")
    start(world)
    lambdas.http()
    lambdas.http("acme")
    world.now += 3 * HOUR_SECONDS
    start(world, tenants=["demo", "acme"])
    lambdas.http("acme")
    assert outcomes(world) == {"demo": [1, 0, 1, 0], "acme": [1, 0, 1, 0]}


def test_a_second_canary_begins_at_nothing(world: Published, lambdas: Lambdas) -> None:
    """Also one of the same release, which was taken back."""
    lambdas.http()
    start(world)
    lambdas.http()
    world.turn(1)
    lambdas.http()
    start(world, started_at=1_000_100)
    lambdas.http()
    assert outcomes(world) == {"demo": [1, 0, 1, 0]}
    assert outcomes(world, 1_000_100) == {"demo": [2, 0, 1, 0]}


def test_a_pinned_tenant_takes_no_part(world: Published, lambdas: Lambdas) -> None:
    """It isn't on the canary, or is by somebody's wish."""
    world.turn(1, pins={"demo": 2}, canary={**CANARY, "tenants": ["demo", "acme"]})
    lambdas.http()
    assert reports(world) == []


def test_a_report_that_fails_changes_no_answer(
    world: Published, lambdas: Lambdas, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and said with the next one."""

    def fail(**_: Any) -> None:
        raise UnavailableError("busy", detail="PutItem: throttled")

    start(world)
    with monkeypatch.context() as patched:
        patched.setattr(world.tables, "put_item", fail)
        assert lambdas.http()["statusCode"] == 200
    assert "PutItem: throttled" in caplog.text
    world.now += REPORT_SECONDS
    lambdas.http()
    assert outcomes(world) == {"demo": [0, 0, 2, 0]}


def test_memory_is_bounded_by_tenants(world: Published, lambdas: Lambdas) -> None:
    """Those that called least lately go first, also of those that a canary covers."""
    for number in range(MAX_TENANTS + 2):
        world.tables.put(ENDPOINTS, endpoint_id=f"t{number}")
        lambdas.http(f"t{number}")
    start(world, tenants=[], percent=100)
    lambdas.http("demo")
    told = outcomes(world)
    assert len(told) == MAX_TENANTS + 1
    assert "t0" not in told
    assert told[f"t{MAX_TENANTS + 1}"] == [1, 0, 0, 0]


def test_memory_is_bounded_by_time(world: Published, lambdas: Lambdas) -> None:
    """A tenant that calls all day has the parts of an hour."""
    for _ in range(100):
        lambdas.http()
        world.now += 601
    outcomes = lambdas.registry._outcomes
    assert outcomes
    assert len(outcomes._packages["shop"]._tenants["demo"]) == HOUR_SECONDS // 600


def test_a_shipped_function_is_not_counted(world: Published, lambdas: Lambdas) -> None:
    """Nothing of this is even imported for it."""
    world.tables.put(
        FUNCTIONS, aws_lambda_arn=WORKER, function="own", area="core", config={"module_name": "m"}
    )
    world.open({"aws_lambda_arn": WORKER, "function": "own"})
    start(world)
    lambdas.http(function="own")
    assert reports(world) == []
    assert "_outcomes" not in vars(lambdas.registry)
