"""Publications and rollbacks under load: no call fails, and none is answered by an old release for long."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from threading import Event
from time import monotonic
from typing import NamedTuple

import pytest

from .conftest import Deployment
from .http_client import Api
from .shop import TENANTS, Shop, ask, build_of, open_to

PARALLEL = 16
SEEN_SECONDS = 5.0  # RegistryRefreshSeconds


class Turned(NamedTuple):
    """A command that has turned the pointer to a build: when it began and had returned."""

    build: int
    began: float
    returned: float


class Answered(NamedTuple):
    """A request: when it began and ended, and the build that answered."""

    build: int
    began: float
    ended: float


@pytest.mark.parametrize(
    ("requests", "turns"),
    [(1_000, 10), pytest.param(10_000, 100, marks=pytest.mark.nightly)],
    ids=["short", "long"],
)
def test_no_call_notices(deployment: Deployment, shop: Shop, requests: int, turns: int) -> None:
    """Of three tenants' calls none fails; each is answered by one release, soon by the one that serves."""
    open_to(deployment.rows)
    began = monotonic()
    commands = [Turned(shop.publish_next(), began, monotonic())]
    over = Event()
    with ThreadPoolExecutor(PARALLEL) as pool:
        callers = [
            pool.submit(_call, deployment.api, tenant, requests // PARALLEL + 1, over)
            for tenant, _ in zip(cycle(TENANTS), range(PARALLEL), strict=False)
        ]
        try:
            commands += _turn(shop, turns)
        finally:
            over.set()
        answers = [answer for caller in callers for answer in caller.result()]
    assert len(answers) >= requests
    assert {answer.build for answer in answers} <= {command.build for command in commands}
    assert [answer for answer in answers if answer.build not in _allowed(answer, commands)] == []


def _turn(shop: Shop, turns: int) -> Iterator[Turned]:
    """Publish and roll back in turns: two steps forth, one back."""
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
        build = build_of(ask(api, tenant))
        answers.append(Answered(build, began, monotonic()))
    return answers


def _allowed(answer: Answered, commands: Sequence[Turned]) -> set[int]:
    """Return the builds that may answer: the last that a request must know, and those turned to since."""
    past = [number for number, it in enumerate(commands) if it.returned + SEEN_SECONDS <= answer.began]
    known = max(past, default=0)
    return {it.build for it in commands[known:] if it.began <= answer.ended}
