"""Routes of published functions: those of the release that serves a tenant, and what it says of itself."""

import json
from typing import Any

import pytest

from .published import WORKER, Lambdas, Published

ONE: Any = {"route": "GET /things/{thing}", "methods": ["GET"]}
OWN: Any = {"aws_lambda_arn": WORKER, "function": "own", "route": "GET /things/mine"}


@pytest.fixture
def world() -> Published:
    """Return a deployment with release 1 of the package ``shop``, which has a route."""
    made = Published()
    made.publish(1, one=ONE)
    return made


@pytest.fixture
def lambdas(world: Published) -> Lambdas:
    """Return its Lambdas."""
    return Lambdas(world)


def test_a_route_is_the_serving_releases(world: Published, lambdas: Lambdas) -> None:
    """Of each tenant: one that is pinned keeps its release's routes; a common key's table is no tenant's."""
    assert lambdas.release_of("demo", "things/17") == "1"
    assert json.loads(world.calls[-1].payload["params"])["thing"] == "17"
    world.write_release(2, one={"route": "GET /parts/{thing}", "methods": ["GET"]})
    world.turn(2, pins={"acme": 1})
    assert lambdas.release_of("demo", "parts/17") == "2"
    assert lambdas.release_of("acme", "things/17") == "1"
    assert lambdas.http("demo", "things/17")["statusCode"] == 404
    assert lambdas.http("acme", "parts/17")["statusCode"] == 404


def test_a_warm_route_reads_nothing(world: Published, lambdas: Lambdas) -> None:
    """Neither for another value nor by HEAD."""
    lambdas.http("demo", "things/17")
    world.reads.clear()
    assert lambdas.release_of("demo", "things/18") == "1"
    assert world.reads == []


def test_a_key_rows_own_routes_go_first(world: Published, lambdas: Lambdas) -> None:
    """A function that it lists hides a package's of that name, with its route."""
    world.open(OWN | {"function": "one", "route": "GET /own/{thing}"})
    world.announce()
    assert lambdas.http("demo", "things/17")["statusCode"] == 404


def test_a_release_that_cannot_be_used_takes_no_routes_of_others(world: Published, lambdas: Lambdas) -> None:
    """Its own paths are a 500 that says no more."""
    world.write_release(1, package="bad", altered={"digest": "x"}, bad={"route": "GET /bad/{thing}"})
    world.turn(1, package="bad")
    world.open(packages=[{"package": "bad"}, {"package": "shop"}])
    world.announce()
    assert lambdas.release_of("demo", "things/17") == "1"
    assert lambdas.http("demo", "bad/17")["statusCode"] == 500


def test_openapi_says_what_the_release_says(world: Published, lambdas: Lambdas) -> None:
    """By what its functions call; it is another one with the next release."""
    typed = ONE | {"typed": True, "function_name": "find"}
    number = {"type": "object", "properties": {"thing": {"type": "integer"}}, "required": ["thing"]}
    said = json.dumps({"shop:Shop.find": {"summary": "Find a thing.", "parameters": number}})
    world.write_release(2, one=typed, altered={"descriptions": said})
    found = []
    for release in (1, 2):
        world.turn(release)
        paths = json.loads(lambdas.http("demo", "openapi.json")["body"])["paths"]
        operation = paths["/things/{thing}"]["get"]
        found.append((operation["summary"], operation["parameters"][0]["schema"]["type"]))
    assert found == [("one", "string"), ("Find a thing.", "integer")]
