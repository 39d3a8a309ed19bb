"""Publications and rollbacks under load: no call fails, and none is answered by an old release for long."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import NamedTuple

import pytest
from tests.redis_server import running_redis

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.engine import local_engine
from silvaengine_cli.strict import Double, Script

from .conftest import REFRESH_SECONDS, Deployment, deployed
from .http_client import Api
from .logs import FunctionLog
from .registry_rows import Rows
from .second_stack import deploy_again
from .shop import TENANTS, Shop, ask, build_of, open_to
from .test_announcements import eventually

PAUSE = 0.1  # seconds between two calls of one: commands take long, and need the processor
PARALLEL = 6  # two for each tenant; each call at a time is a process of each Lambda
STACK = "published"
DOUBLE_SECONDS = 10.0  # what the double delays

whole = pytest.mark.parametrize(
    ("requests", "turns"),
    [(120, 2), pytest.param(10_000, 100, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])],
    ids=["short", "long"],
)


class Turned(NamedTuple):
    """A command that has turned the pointer to a build: when it began and had returned."""

    build: int
    began: float
    returned: float


class Answered(NamedTuple):
    """A request: its id, when it began and ended, and the build that answered."""

    request_id: str
    build: int
    began: float
    ended: float


@whole
def test_no_call_notices(deployment: Deployment, shop: Shop, requests: int, turns: int) -> None:
    """Of three tenants' calls none fails; each is answered by one release, soon by the one that serves."""
    open_to(deployment.rows)
    log = deployment.gateway_log()
    check_load(deployment.api, shop, log, requests, turns, REFRESH_SECONDS)


@whole
def test_with_redis_the_next_call_knows(
    deployment: Deployment, tmp_path: Path, requests: int, turns: int
) -> None:
    """No call that began after a command had returned is answered by what served before it."""
    with running_redis(tmp_path) as (port, _):
        parameters = {
            "TablePrefix": f"{STACK}-{turns}-",
            "RedisHost": "127.0.0.1",
            "RedisPort": str(port),
            "CacheDir": str(tmp_path / "cache"),
        }
        engine, outputs = deployment.engine, deploy_again(deployment, f"{STACK}-{turns}", parameters)
        open_to(Rows(engine.client("dynamodb"), outputs.table_prefix))
        shop = Shop(tmp_path / "shop", CommandLine(stack=f"{STACK}-{turns}", endpoint_url=engine.url))
        log = FunctionLog(engine, outputs.http_gateway_arn)
        check_load(Api(outputs.api_url), shop, log, requests, turns, 0)


@pytest.mark.nightly  # a stack of its own
def test_on_aws_it_only_takes_longer(engine_program: Path, project: Path, tmp_path: Path) -> None:
    """States, throttles, new roles and versions that rest are waited for; no call fails."""
    double = Double(Script(calls=2, throttle_every=5))
    with (
        local_engine(engine_program, tmp_path / "state", double=double) as engine,
        deployed(project, engine) as stack,
    ):
        open_to(stack.rows)
        shop = Shop(tmp_path / "shop", CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=engine.url))
        shop.before_turn = lambda release: double.make_inactive(shop.releases.function_name, str(release))
        check_load(stack.api, shop, stack.gateway_log(), 100, 3, DOUBLE_SECONDS)


def check_load(
    api: Api, shop: Shop, log: FunctionLog, requests: int, turns: int, seen_seconds: float
) -> None:
    """Call from three tenants while releases are published and taken back; check each answer."""
    over, logged = Event(), dict[str, int]()

    def note() -> int:
        """Note the releases that the gateway's log names."""
        records = [each for each in log.new_records() if each.get("function") == "build"]
        logged.update((each["request_id"], each["release"]) for each in records)
        return len(logged)

    began = monotonic()
    commands = [Turned(shop.publish_next(), began, monotonic())]
    sleep(seen_seconds)  # an instance that was called just before has not heard of it
    with ThreadPoolExecutor(PARALLEL) as pool:
        callers = [
            pool.submit(_call, api, tenant, requests // PARALLEL + 1, over)
            for tenant, _ in zip(cycle(TENANTS), range(PARALLEL), strict=False)
        ]
        try:
            for command in _turn(shop, turns):
                commands.append(command)
                note()
        finally:
            over.set()
        answers = [answer for caller in callers for answer in caller.result()]
    assert len(answers) >= requests
    assert [each for each in answers if each.build not in _allowed(each, commands, seen_seconds)] == []
    assert eventually(note, len(answers).__eq__) == len(answers)
    assert [each for each in answers if shop.builds[logged[each.request_id]] != each.build] == []


def _turn(shop: Shop, turns: int) -> Iterator[Turned]:
    """Publish and roll back by turns."""
    for _ in range(turns):
        began = monotonic()
        build = shop.publish_next()
        yield Turned(build, began, monotonic())
        began = monotonic()
        build = shop.builds[shop.roll_back().release]
        yield Turned(build, began, monotonic())


def _call(api: Api, tenant: str, least: int, over: Event) -> list[Answered]:
    """Call for as long as commands are run, and so often at least."""
    answers: list[Answered] = []
    while not over.is_set() or len(answers) < least:
        began = monotonic()
        response = ask(api, tenant)
        build = build_of(response)
        answers.append(Answered(response.headers["x-request-id"], build, began, monotonic()))
        sleep(PAUSE)
    return answers


def _allowed(answer: Answered, commands: Sequence[Turned], seen_seconds: float) -> set[int]:
    """Return the builds that may answer: the last that a request must know, and those turned to since."""
    past = [number for number, it in enumerate(commands) if it.returned + seen_seconds <= answer.began]
    known = max(past, default=0)
    return {it.build for it in commands[known:] if it.began <= answer.ended}
