"""What a release says of its functions counts only as it was published: an altered row is never served."""

import json
from typing import Any

import pytest

from silvaengine.observability.logging import InvocationLog
from silvaengine_cli.events import sample

from ..unit.shared.published import Lambdas, Published
from ..unit.shared.test_published import CONTEXT, as_job, by_queue

OPENED = json.dumps({"heard": {"area": "core", "config": {"module_name": "shop", "auth_required": False}}})
ALTERED: tuple[dict[str, Any], ...] = (
    {"functions": OPENED},
    {"functions": "{"},
    {"functions": ""},
    {"digest": "0" * 64},
    {"digest": ""},
    {"code": "other code"},
    {"isolated": True},
    {"protocol": 2},
    {"protocol": "1"},
    {"release": 1},
)


@pytest.fixture
def world() -> Published:
    """Return a deployment whose functions require authorization."""
    made = Published()
    made.open(packages=[{"package": "shop"}, {"package": "mail"}])
    made.publish(1, heard={"auth_required": True})
    made.publish(1, package="mail", sent={})
    return made


@pytest.mark.parametrize("altered", ALTERED, ids=str)
def test_an_altered_release_is_never_served(
    altered: dict[str, Any], world: Published, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is invoked; the client learns nothing, log and one alert name package and release."""
    world.write_release(2, altered=altered)
    world.turn(2)
    lambdas = Lambdas(world)
    for _ in range(2):
        response = lambdas.http()
        assert (response["statusCode"], json.loads(response["body"])["error"]) == (
            500,
            "The function is misconfigured",
        )
    assert world.calls == []
    ((_, facts),) = world.alerts
    assert (facts["package"], facts["release"], facts["status"]) == ("shop", 2, 500)
    assert "release 2 of package 'shop': its " in caplog.text


def test_it_keeps_no_other_package_from_its_callers(world: Published) -> None:
    """Other packages of a key row are served; a name of none of them may be the altered one's."""
    world.write_release(2, altered={"digest": ""})
    world.turn(2)
    lambdas = Lambdas(world)
    assert lambdas.release_of(function="sent") == "1"
    assert lambdas.http(function="nothing")["statusCode"] == 500


def test_events_and_retries_do_not_reach_it(world: Published) -> None:
    """An event goes back to its source and is told; an accepted job waits."""
    world.write_release(2)
    world.turn(2)
    lambdas = Lambdas(world)
    as_job(lambdas)
    world.write_release(2, altered={"digest": "0" * 64})
    world.announce()
    world.now += 700  # a release is kept in memory for ten minutes
    world.calls.clear()
    failed = lambdas.queue.serve(sample("sqs"), CONTEXT, InvocationLog("tasks"))
    assert len(failed["batchItemFailures"]) == 1
    assert lambdas.sweeper.run(lambda: True).counts["postponed"] == 1
    assert world.calls == []
    ((_, facts),) = world.alerts
    assert (facts["package"], facts["release"]) == ("shop", 2)


def test_a_tenant_pinned_to_another_release_is_served(world: Published) -> None:
    """The alteration of one release is no other's."""
    world.write_release(2)
    world.write_release(3, altered={"digest": ""})
    world.turn(3, pins={"demo": 2})
    lambdas = Lambdas(world)
    assert lambdas.release_of("demo") == "2"
    assert lambdas.http("acme")["statusCode"] == 500
    by_queue(lambdas)
