"""Canaries on a real deployment: what each tenant gets, what instances report, and what the sweeper does."""

import time
from typing import Any

import pytest

from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.registry.outcomes import REPORT_SECONDS, sum_outcomes
from silvaengine.registry.packages import POINTER_ITEM
from silvaengine.registry.turns import turn
from silvaengine.tables import CONFIG_DATA, PACKAGES, outcomes_setting_id

from .conftest import Deployment, wait_for_record
from .logs import FunctionLog
from .test_published import Package, eventually

COVERED, OTHER = "e2e-till-a", "e2e-till-b"
AFTER = 20


class Till:
    """The package ``till``, whose second release fails where it is asked to."""

    def __init__(self, deployment: Deployment) -> None:
        api = BotocoreApi(deployment.engine.client("dynamodb"))
        prefix = deployment.outputs.table_prefix
        self.reader, self.writer = TableReader(lambda: api, prefix), TableWriter(lambda: api, prefix)
        self.package = Package(deployment, "till")
        self.deployment = deployment
        self._turn({"function_arn": self.package.arn, "package": "till"}, None)

    def pointer(self) -> Row:
        """Return the pointer's row."""
        key = {"function_arn": self.package.arn, "item": POINTER_ITEM}
        return self.reader.get(PACKAGES, key) or {}

    def _turn(self, seen: Row, canary: Row | None) -> None:
        first, now = self.package.first, time.time()
        turn(self.writer, seen, release=first, pins={}, canary=canary, by="e2e", now=now)

    def start(self, seconds_ago: int, **canary: Any) -> int:
        """Start a canary for one tenant as if it had begun before, and return when; wait until it serves."""
        started_at = int(time.time()) - seconds_ago
        facts = {"release": self.package.second, "tenants": [COVERED], "started_at": started_at}
        self._turn(self.pointer(), {**facts, **canary})
        assert eventually(lambda: self.ask(COVERED), self.package.second) == self.package.second
        return started_at

    def end(self) -> None:
        """Take the canary back by hand."""
        self._turn(self.pointer(), None)

    def ask(self, tenant: str, *, fails: bool = False) -> Any:
        """Return the release that a tenant gets, or the status of a failure."""
        response = self.deployment.api.get(f"/core/{tenant}/risky{'?fails=1' if fails else ''}")
        return response.json()["release"] if response.status == 200 else response.status

    def told(self, started_at: int) -> dict[str, list[int]]:
        """Return what instances have told of a canary."""
        rows = self.reader.query(CONFIG_DATA, outcomes_setting_id(self.package.arn))
        return sum_outcomes(rows, started_at)

    def wait_until_told(self, started_at: int, calls: int, failures: int) -> None:
        """Wait until instances have told of so many calls of the covered tenant since; the other's go on."""

        def since() -> list[int]:
            assert self.ask(OTHER) == self.package.first
            return self.told(started_at).get(COVERED, [])[2:]

        def enough() -> bool:
            told = since()
            return len(told) == 2 and told[0] >= calls and told[1] == failures

        assert eventually(enough, True)


@pytest.fixture(scope="module")
def till(deployment: Deployment) -> Till:
    """Publish two releases, which two tenants may call."""
    for tenant in (COVERED, OTHER):
        deployment.rows.put("endpoints", endpoint_id=tenant, special_connection=True)
        deployment.rows.put(
            "connections", endpoint_id=tenant, api_key="#####", packages=[{"package": "till"}]
        )
    return Till(deployment)


def test_one_that_fails_in_a_fifth_of_its_calls_is_taken_back_by_itself(till: Till) -> None:
    """The tenant that it covers is on it until then, the other one never; the log says why."""
    first, second = till.package.first, till.package.second
    assert [till.ask(COVERED, fails=True) for _ in range(100)] == [first] * 100
    with till.deployment.proxy.recorded() as calls:
        till.ask(COVERED)
    assert "DynamoDB.PutItem" not in calls
    started_at, began = till.start(30, after=60), time.monotonic()
    with till.deployment.proxy.recorded() as calls:
        for number in range(40):
            assert till.ask(COVERED, fails=number % 5 == 0) == (500 if number % 5 == 0 else second)
            assert till.ask(OTHER, fails=True) == first
    assert calls.count("DynamoDB.PutItem") <= 1 + (time.monotonic() - began) // REPORT_SECONDS
    till.wait_until_told(started_at, 40, 8)
    assert set(till.told(started_at)) == {COVERED}
    log = FunctionLog(till.deployment.engine, till.deployment.outputs.function_arns["Sweeper"])
    till.deployment.sweep()
    pointer = till.pointer()
    assert ("canary" in pointer, pointer["release"], pointer["by"]) == (False, first, "silvaengine sweeper")
    line = wait_for_record(log, lambda record: "went back" in record.get("message", ""))
    assert f"Canary {second} of package 'till' went back: {COVERED}: 8 of" in line["message"]
    assert eventually(lambda: till.ask(COVERED), first) == first


@pytest.mark.parametrize("manual", [True, False], ids=["manual", "judged"])
def test_a_good_one_goes_forward_unless_people_are_to_say_so(manual: bool, till: Till) -> None:
    """Once its time is over it serves all; a manual one stays where it is."""
    first, second = till.package.first, till.package.second
    assert eventually(lambda: till.ask(COVERED), first) == first
    started_at = till.start(4000 + manual, manual=manual)
    assert [till.ask(COVERED) for _ in range(25)] == [second] * 25
    till.wait_until_told(started_at, 25, 0)
    till.deployment.sweep()
    pointer = till.pointer()
    if manual:
        assert (pointer["release"], pointer["canary"]["release"]) == (first, second)
        till.end()
    else:
        assert (pointer["release"], "canary" in pointer, pointer["previous"]) == (second, False, first)
        assert eventually(lambda: till.ask(OTHER), second) == second
