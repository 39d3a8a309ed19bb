"""Quotas of an account that packages use up."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine_cli.costs.prices import cost, dated
from silvaengine_cli.preflight.quotas import find_full_quotas
from silvaengine_cli.publishing.monitoring import ALARMS

USED = {"roles": 12, "stacks": 3, "code": 1_000, "free": 1_000}


def account(**used: int) -> Any:
    """Return the clients of an account in which so much is used, or free."""
    used = USED | used
    pages: list[Any] = [{"Stacks": [{}] * used["stacks"]}]
    clients = {
        "iam": SimpleNamespace(
            get_account_summary=lambda: {"SummaryMap": {"Roles": used["roles"], "RolesQuota": 1000}}
        ),
        "lambda": SimpleNamespace(
            get_account_settings=lambda: {
                "AccountUsage": {"TotalCodeSize": used["code"]},
                "AccountLimit": {
                    "TotalCodeSize": 80_530_636_800,
                    "UnreservedConcurrentExecutions": used["free"],
                },
            }
        ),
        "cloudformation": SimpleNamespace(
            get_paginator=lambda _name: SimpleNamespace(paginate=lambda: pages)
        ),
    }
    return clients.__getitem__


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({"roles": 901}, "quotas: 901 of 1,000 IAM roles are used: ask for more (Service Quotas, IAM)"),
        ({"stacks": 1801}, "quotas: 1,801 of 2,000 stacks are used: "),
        (
            {"code": 75_000_000_000},
            "of 80,530,636,800 bytes of Lambda's code storage are used: `",
        ),
        ({"free": 10}, "concurrency: a batch of ten messages takes 11 executions, the account has 10, and "),
    ],
)
def test_a_quota_that_is_nearly_full_is_named(used: dict[str, int], said: str) -> None:
    """With what to do; the others aren't."""
    (line,) = find_full_quotas(account(**used))
    assert said in line


def test_an_account_with_room_has_no_findings() -> None:
    """Nothing is said of what is far from full."""
    assert list(find_full_quotas(account(roles=900, stacks=1800))) == []


def test_the_price_of_a_packages_alarms_is_the_lists() -> None:
    """The page that has it says of which day it is."""
    page = (Path(__file__).parents[3] / "docs/releases.md").read_text()
    price = cost({"alarm_months": len(ALARMS)})
    assert f"{price:.2f} USD a month, by the list prices of us-east-1 of {dated()}" in page
