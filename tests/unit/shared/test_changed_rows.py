"""Every way into the registry sees a changed row: at the next call with Redis, within 5 s without."""

import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from silvaengine_base import lambdabase
from silvaengine_cli.events import sample

from .test_redis_rows import FakeRedis
from .ways import COLORS, WAYS, Deployment, accept, open_sweeper, tasks_handler


@pytest.fixture(params=[True, False], ids=["Redis", "no Redis"])
def deployment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Return a deployment with and one without Redis."""
    made = Deployment(FakeRedis() if request.param else None)
    colors = ModuleType("colors")
    for color in COLORS:
        setattr(colors, color, lambda *_, color=color: made.sent.append(color))
    monkeypatch.setitem(sys.modules, "colors", colors)
    monkeypatch.setattr(lambdabase, "open_registry", lambda _: made.registry())
    lambdabase._registry.cache_clear()
    yield made
    lambdabase._registry.cache_clear()


@pytest.mark.parametrize("way", WAYS)
def test_a_changed_row_is_seen(way: str, deployment: Deployment) -> None:
    """The value was in memory, and two changes are seen one after the other."""
    look = WAYS[way](deployment)
    seen = [look(), look()]
    for color in COLORS[1:]:
        deployment.change(color)
        seen.append(look())
    assert seen == ["red", "red", "green", "black"]


def test_a_long_sweep_sees_a_change(deployment: Deployment) -> None:
    """It goes on for two minutes: each execution has the settings of its own moment."""
    sweeper = open_sweeper(deployment)
    for job_id in "ab":
        accept(deployment, job_id)

    def change_after_the_first() -> bool:
        if len(deployment.sent) == 1:
            deployment.change("green")
        return True

    sweeper.run(change_after_the_first)
    assert [json.loads(sent["setting"])["color"] for sent in deployment.sent] == ["red", "green"]


def test_a_long_batch_sees_a_change(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of a group are called one after the other, the last perhaps minutes after the first."""
    records = [sample("sqs")["Records"][0] for _ in range(2)]
    for record in records:
        record["attributes"]["MessageGroupId"] = "group"
        record["eventSourceARN"] += ".fifo"
    invoke = deployment.invoke

    def invoke_and_change(*arguments: Any, **options: Any) -> Any:
        result = invoke(*arguments, **options)
        deployment.change("green")
        return result

    monkeypatch.setattr(deployment, "invoke", invoke_and_change)
    assert tasks_handler(deployment)({"Records": records}) == {"batchItemFailures": []}
    colors = [json.loads(sent["setting"])["color"] for sent in deployment.sent if sent["funct"] == "heard"]
    assert colors == ["red", "green"]
