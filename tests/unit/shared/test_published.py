"""Published functions: which release a call goes to, by every way in, and which one it stays on."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.aws.worker_routing import worker_for
from silvaengine.errors import ConfigurationError, DeadlineError, NotStartedError
from silvaengine.observability.logging import InvocationLog
from silvaengine.registry.packages import PROTOCOL, Release, release_digest, release_item
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, FUNCTIONS, HOOKS
from silvaengine_cli.events import sample
from silvaengine_tasks.sources.direct import DirectSource

from ..websocket.conftest import event
from .published import PREFIX, SHOP, WORKER, Lambdas, Published
from .test_redis_rows import FakeRedis
from .test_worker_routing import FakeLambda
from .ways import connected

CONTEXT: Any = SimpleNamespace(
    aws_request_id="r", function_name="tasks", get_remaining_time_in_millis=lambda: 60_000
)


@pytest.fixture
def world() -> Published:
    """Return a deployment with release 1 of the package ``shop``."""
    made = Published()
    made.publish(1)
    return made


@pytest.fixture
def lambdas(world: Published) -> Lambdas:
    """Return its Lambdas."""
    return Lambdas(world)


def over_http(lambdas: Lambdas) -> None:
    """Call by a request."""
    assert lambdas.http()["statusCode"] == 200


def as_job(lambdas: Lambdas) -> None:
    """Call by a job."""
    assert lambdas.http(prefer="respond-async")["statusCode"] == 202


def keyed(lambdas: Lambdas) -> None:
    """Call by a request with a key."""
    assert lambdas.http(idempotency_key=f"key-{lambdas.world.now}")["statusCode"] == 200


def by_socket(lambdas: Lambdas) -> None:
    """Call by a message."""
    say(lambdas, {"funct": "heard"})


def once(lambdas: Lambdas) -> None:
    """Call by a message with an id of its own."""
    say(lambdas, {"funct": "heard", "id": f"id {lambdas.world.now}", "once": True})


def by_queue(lambdas: Lambdas) -> None:
    """Call by an event."""
    assert lambdas.queue.serve(sample("sqs"), CONTEXT, InvocationLog("tasks")) == {"batchItemFailures": []}


def directly(lambdas: Lambdas) -> None:
    """Call by a direct invoke."""
    DirectSource(lambdas.functions).serve(
        {"endpoint_id": "demo", "funct": "heard"}, CONTEXT, InvocationLog("tasks")
    )


def say(lambdas: Lambdas, message: dict[str, Any]) -> None:
    """Send a message."""
    said = connected(lambdas.socket)
    assert said
    assert lambdas.socket(event("$default", said, body=json.dumps(message)), None) == {"statusCode": 200}
    assert not [frame for frame in lambdas.frames if "error" in frame], lambdas.frames


WAYS = (over_http, as_job, keyed, by_socket, once, by_queue, directly)
HELD = (as_job, keyed, once, by_queue)


@pytest.mark.parametrize("call", WAYS)
def test_a_call_goes_to_the_version_of_the_release_that_serves(
    call: Callable[[Lambdas], None], world: Published, lambdas: Lambdas
) -> None:
    """It names the release by its digest, calls the function's own name, and is of the public one."""
    call(lambdas)
    world.publish(2)
    call(lambdas)
    first, second = world.calls
    assert (first.arn, second.arn) == (f"{SHOP}:1", f"{SHOP}:2")
    assert first.payload["release"] != second.payload["release"]
    assert (second.payload["MODULENAME"], second.payload["CLASSNAME"]) == ("shop", "Shop")
    assert (second.payload["funct"], second.payload["invocation"]["function"]) == ("hear", "heard")


def test_with_redis_the_next_request_sees_a_turned_pointer() -> None:
    """Instances share pointers and releases there, each generation its own."""
    world = Published(FakeRedis())
    first, second = Lambdas(world), Lambdas(world)
    for number in (1, 2, 1):
        world.publish(number)
        assert [each.release_of() for each in (first, second)] == [str(number)] * 2


def test_a_pin_holds_one_tenant_of_a_common_key_row(world: Published, lambdas: Lambdas) -> None:
    """Others get the release that serves; what is kept for one is never another's."""
    world.publish(2)
    world.turn(2, pins={"demo": 1})
    for endpoint_id, release in [("demo", "1"), ("acme", "2"), ("demo", "1"), ("acme", "2")]:
        assert lambdas.release_of(endpoint_id) == release
    world.turn(2)
    assert lambdas.release_of("demo") == "2"


def test_an_entry_of_a_function_may_be_a_packages(world: Published, lambdas: Lambdas) -> None:
    """It leads to the release that serves like the package itself, with settings of its own."""
    world.tables.put(CONFIG_DATA, setting_id="own", variable="color", value="own")
    world.open({"aws_lambda_arn": SHOP, "function": "heard", "setting": "own"}, packages=())
    world.write_release(2, heard={"setting": "shop"})
    world.turn(2)
    assert lambdas.release_of() == "2"
    assert json.loads(world.calls[-1].payload["setting"]) == {"color": "own"}
    world.open(packages=[{"package": "shop", "setting": "own"}])
    world.announce()
    assert lambdas.release_of() == "2"
    assert json.loads(world.calls[-1].payload["setting"]) == {"color": "own"}


def test_an_entry_of_a_version_is_a_release_for_good(world: Published, lambdas: Lambdas) -> None:
    """Whatever the pointer says of the others, and of their areas."""
    world.open({"aws_lambda_arn": f"{SHOP}:1", "function": "heard"}, packages=())
    world.publish(2, other={})
    assert lambdas.release_of() == "1"
    assert connected(lambdas.socket)


@pytest.mark.parametrize("arn", [WORKER, f"{PREFIX}mail"])
def test_an_own_entry_wins(arn: str, world: Published, lambdas: Lambdas) -> None:
    """A key row's entry says whose a function is, if a package that it lists has one of the name, too."""
    world.tables.put(
        FUNCTIONS, aws_lambda_arn=WORKER, function="heard", area="core", config={"module_name": "m"}
    )
    world.publish(1, package="mail", heard={})
    world.open(
        {"aws_lambda_arn": arn, "function": "heard"}, packages=[{"package": "shop"}, {"package": "mail"}]
    )
    world.announce()
    assert lambdas.http()["statusCode"] == 200
    assert world.calls[-1].arn.startswith(arn)


def test_what_a_release_lacks_is_missing_as_what_was_never_listed(world: Published, lambdas: Lambdas) -> None:
    """A name of no release, a package without a pointer, and an entry of a name that its package lacks."""
    missing = lambdas.http(function="nothing")
    assert (missing["statusCode"], "'nothing' does not exist at" in missing["body"]) == (404, True)
    entry = {"aws_lambda_arn": f"{PREFIX}mail", "function": "heard"}
    for functions, packages in (((), ["mail"]), ([entry], ["shop"])):
        world.open(*functions, packages=[{"package": package} for package in packages])
        world.announce()
        missing = lambdas.http()
        assert (missing["statusCode"], "'heard' does not exist at" in missing["body"]) == (404, True)
    assert not world.calls


def test_packages_open_areas(world: Published, lambdas: Lambdas) -> None:
    """A socket connects in an area that only a release has, and stays out of any other."""
    assert connected(lambdas.socket)
    world.write_release(2, heard={})
    world.turn(2)
    world.open({"aws_lambda_arn": SHOP, "function": "other"}, packages=())
    world.announce()
    assert not connected(lambdas.socket)


def test_a_release_is_read_once(world: Published, lambdas: Lambdas) -> None:
    """A warm call reads nothing; a turned pointer costs its own read and the new release's, no other's."""
    lambdas.release_of()
    world.reads.clear()
    assert lambdas.release_of() == "1"
    assert world.reads == []
    world.publish(2)
    lambdas.release_of()
    after_first = len(world.reads)
    world.turn(1)
    world.reads.clear()
    assert lambdas.release_of() == "1"
    assert len(world.reads) == after_first - 1


@pytest.mark.parametrize("call", HELD)
def test_the_id_of_a_held_call_begins_with_the_package(
    call: Callable[[Lambdas], None], world: Published, lambdas: Lambdas
) -> None:
    """Its row names the version, so that retries stay on it."""
    call(lambdas)
    (row,) = world.tables.items("se-executions")
    assert row["job_id"]["S"].startswith("shop-")
    assert row["aws_lambda_arn"]["S"] == f"{SHOP}:1"


def test_a_jobs_status_is_there_whatever_serves(world: Published, lambdas: Lambdas) -> None:
    """Its function may be gone from the package by then, but not the package from the key."""
    accepted = json.loads(lambdas.http(prefer="respond-async")["body"])
    world.publish(2, other={})
    for packages, status in (("shop", 200), ("mail", 404)):
        world.open(packages=[{"package": packages}])
        world.announce()
        response = lambdas.http(function="job_status", job_id=accepted["job_id"])
        assert response["statusCode"] == status


def test_a_retry_by_the_sweeper_stays_on_its_release(world: Published, lambdas: Lambdas) -> None:
    """A job that 1 has accepted is sent to 1 again, whatever serves by then."""
    as_job(lambdas)
    world.publish(2)
    world.now += 100
    assert lambdas.sweeper.run(lambda: True).counts["dispatched"] == 1
    first, again = world.calls
    assert (first.arn, first.payload["release"]) == (again.arn, again.payload["release"])
    assert again.payload["job"]["job_id"] == first.payload["job"]["job_id"]


def test_a_job_whose_release_is_gone_ends_and_says_so(
    world: Published, lambdas: Lambdas, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not retried for ever; letter, alert and log name package and release."""
    as_job(lambdas)
    world.publish(2)
    world.forget(1)
    world.now += 600  # a release is kept in memory for ten minutes
    assert lambdas.sweeper.run(lambda: True).counts["buried"] == 1
    (row,) = world.tables.items("se-executions")
    assert (row["state"]["S"], row["cause"]["S"]) == ("dead", "release_missing")
    ((_, facts),) = world.alerts
    assert (facts["package"], facts["release"], facts["cause"]) == ("shop", "1", "release_missing")
    assert "Release 1 of package 'shop' does not exist any more" in caplog.text
    assert len(world.calls) == 1


def test_a_repeated_key_takes_over_on_its_release(world: Published, lambdas: Lambdas) -> None:
    """The attempt that was lost was of 1: so is the next one, though the request resolves to 2."""
    world.write_release(1, heard={"on_lost": "retry"})
    world.announce()
    world.failure = DeadlineError("The function did not respond in time")
    assert lambdas.http(idempotency_key="order-1")["statusCode"] == 504
    world.publish(2)
    world.now += 400
    assert lambdas.http(idempotency_key="order-1")["statusCode"] == 200
    assert [sent.release for sent in world.calls] == ["1", "1"]


def test_a_repeated_message_takes_over_on_its_release(world: Published, lambdas: Lambdas) -> None:
    """As over HTTP."""
    said = connected(lambdas.socket)
    assert said
    message = event("$default", said, body=json.dumps({"funct": "heard", "id": "1", "once": True}))
    world.failure = DeadlineError("The event was not taken in time")
    assert lambdas.socket(message, None)["statusCode"] == 200
    world.publish(2)
    world.now += 400
    assert lambdas.socket(message, None) == {"statusCode": 200}
    assert [sent.release for sent in world.calls] == ["1", "1"]


@pytest.mark.parametrize("batch", [False, True])
def test_a_record_that_is_delivered_again_stays_on_its_release(
    batch: bool, world: Published, lambdas: Lambdas
) -> None:
    """A record that 1 claimed and lost is called on 1 again, a new one of the same event on 2."""
    old, new = sample("sqs")["Records"][0], sample("sqs")["Records"][0]
    if batch:
        world.set(
            "silvaengine_events", "queue:sample", [{"endpoint_id": "demo", "funct": "heard", "batch": True}]
        )
    world.failure = DeadlineError("The function did not respond in time")
    lambdas.queue.serve({"Records": [old]}, CONTEXT, InvocationLog("tasks"))
    world.publish(2)
    world.now += 400
    served = lambdas.queue.serve({"Records": [old, new]}, CONTEXT, InvocationLog("tasks"))
    assert served == {"batchItemFailures": []}
    assert sorted(sent.release for sent in world.calls) == ["1", "1", "2"]


def test_a_record_whose_release_is_gone_goes_back_unclaimed(world: Published, lambdas: Lambdas) -> None:
    """Its source has it again at once, and gives it up in its own time."""
    event = sample("sqs")
    world.failure = DeadlineError("The function did not respond in time")
    lambdas.queue.serve(event, CONTEXT, InvocationLog("tasks"))
    world.publish(2)
    world.forget(1)
    world.now += 700
    served = lambdas.queue.serve(event, CONTEXT, InvocationLog("tasks"))
    assert len(served["batchItemFailures"]) == 1
    (row,) = world.tables.items("se-executions")
    assert row["state"]["S"] == "accepted"
    assert [sent.release for sent in world.calls] == ["1"]


def test_a_hook_runs_on_the_release_of_its_call(world: Published, lambdas: Lambdas) -> None:
    """The worker of the version would refuse it otherwise."""
    world.tables.put(HOOKS, api_id="demo", module_name="shop", function_name="before", status=True)
    directly(lambdas)
    hook, call = world.calls[-2:]
    assert (hook.arn, hook.payload["release"]) == (call.arn, call.payload["release"])


@pytest.mark.parametrize("call", WAYS)
def test_an_isolated_package_is_invoked_for_the_tenant(
    call: Callable[[Lambdas], None], world: Published, lambdas: Lambdas
) -> None:
    """Every way in says so to the invoker, which then sends the tenant's id."""
    call(lambdas)
    world.publish(2, isolated=True)
    call(lambdas)
    assert [sent.is_isolated for sent in world.calls] == [False, True]


def test_the_invoker_sends_the_tenants_id_of_an_isolated_package() -> None:
    """And of no other, which Lambda would refuse."""
    client, payload = FakeLambda(), json.dumps({"invocation": {"endpoint_id": "acme"}})
    invoker = LambdaInvoker(lambda: client)
    for is_isolated in (True, False):
        invoker.invoke(f"{SHOP}:1", payload, is_isolated=is_isolated)
    assert [headers.get("x-amz-tenant-id") for headers in client.headers] == ["acme", None]


@pytest.mark.parametrize("others", [(), ("*",)])
def test_a_package_is_invoked_by_a_version_alone(others: tuple[str, ...]) -> None:
    """What CloudFormation or an update leaves in ``$LATEST`` never serves, whatever else may be invoked."""
    settings = Settings(worker_arn=WORKER, other_workers=others)
    assert worker_for(f"{SHOP}:12", settings) == f"{SHOP}:12"
    for arn in (SHOP, f"{SHOP}:$LATEST", f"{SHOP}:live"):
        with pytest.raises(NotStartedError):
            worker_for(arn, settings)


@pytest.mark.parametrize("call", [over_http, by_socket, directly])
def test_a_log_line_names_package_and_release(
    call: Callable[[Lambdas], None], lambdas: Lambdas, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each of the callers; a worker's function has neither."""
    log = InvocationLog("tasks")
    if call is directly:
        DirectSource(lambdas.functions).serve({"endpoint_id": "demo", "funct": "heard"}, CONTEXT, log)
        log.emit()
    else:
        call(lambdas)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["package"], line["release"]) == ("shop", 1)


@pytest.mark.parametrize("call", [over_http, by_queue])
def test_a_failure_names_package_and_release(
    call: Callable[[Lambdas], None], world: Published, lambdas: Lambdas, caplog: pytest.LogCaptureFixture
) -> None:
    """In the alert, and for records, which have no line of their own, in the log."""
    world.failure = DeadlineError("The function did not respond in time")
    with pytest.raises(AssertionError):
        call(lambdas)
    ((subject, facts),) = world.alerts
    assert (subject, facts["package"], facts["release"]) == (f"{SHOP}:1", "shop", 1)
    if call is by_queue:
        assert "'heard' of tenant 'demo', release 1 of package 'shop', failed" in caplog.text


@pytest.mark.parametrize(
    ("protocol", "is_served"),
    [(PROTOCOL - 2, False), (PROTOCOL - 1, True), (PROTOCOL, True), (PROTOCOL + 1, False), (None, False)],
)
def test_this_protocol_and_the_last_are_served(protocol: int | None, is_served: bool) -> None:
    """A platform's packages are rebuilt after its upgrade, one after the other; what is older is refused."""
    digest = release_digest("shop", "c0de", "{}", is_isolated=False, protocol=protocol or 0)
    row = {
        "function_arn": SHOP, "item": release_item(3), "package": "shop", "release": 3,
        "protocol": protocol, "code": "c0de", "functions": "{}", "isolated": False, "digest": digest,
    }  # fmt: skip
    if is_served:
        assert Release.from_row(row).digest == digest
    else:
        with pytest.raises(ConfigurationError) as refused:
            Release.from_row(row)
        assert f"its protocol is {protocol}, this platform's {PROTOCOL}" in str(refused.value.detail)
