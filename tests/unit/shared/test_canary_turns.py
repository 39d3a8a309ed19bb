"""While a canary runs each tenant is wholly on one release, by every way in, and moves at turns alone."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.registry.packages import Pointer

from .published import SHOP, Lambdas, Published
from .test_published import WAYS

TENANTS = [f"tenant-{number}" for number in range(200)]


def pointer(release: int = 1, pins: dict[str, int] | None = None, **canary: Any) -> Pointer:
    """Return a pointer; with a canary of release 2 if anything is said of one."""
    row = {"package": "shop", "release": release, "pins": pins or {}}
    return Pointer.from_row(row | ({"canary": {"release": 2, "started_at": 0, **canary}} if canary else {}))


def test_a_pin_goes_before_a_canary_and_a_canary_before_the_release() -> None:
    """A share of 100 % covers everybody but those who are pinned; a list those whom it names."""
    whole = pointer(pins={"acme": 7}, percent=100)
    assert [whole.choose(tenant) for tenant in ("acme", "globex")] == [7, 2]
    assert [whole.covers(tenant) for tenant in ("acme", "globex")] == [False, True]
    listed = pointer(pins={"acme": 7}, tenants=["acme", "globex"])
    assert [listed.choose(tenant) for tenant in ("acme", "globex", "other")] == [7, 2, 1]
    assert {pointer().choose(tenant) for tenant in TENANTS} == {1}
    assert not any(pointer().covers(tenant) for tenant in TENANTS)


@given(st.text(), st.lists(st.floats(0, 100), max_size=5), st.sampled_from([1, 2]))
def test_a_tenant_moves_once_as_the_share_grows_and_once_at_the_end(
    tenant: str, shares: list[float], end: int
) -> None:
    """Whatever the shares: forward at one turn at most, and back only where the canary goes back."""
    turns = [pointer(), *(pointer(percent=share) for share in sorted(shares)), pointer(end)]
    *seen, last = (each.choose(tenant) for each in turns)
    assert seen == sorted(seen)
    assert last == end
    assert [each.covers(tenant) for each in turns] == [*(release == 2 for release in seen), False]


@pytest.mark.parametrize("call", WAYS)
def test_every_way_in_leads_to_the_canary(call: Callable[[Lambdas], None]) -> None:
    """A request, a job, a message, an event, a direct call: of a tenant that it covers."""
    world = Published()
    world.publish(1)
    world.write_release(2)
    lambdas = Lambdas(world)
    call(lambdas)
    world.turn(1, canary={"release": 2, "tenants": ["demo"], "started_at": 1})
    call(lambdas)
    world.turn(1)
    call(lambdas)
    assert [sent.arn for sent in world.calls] == [f"{SHOP}:1", f"{SHOP}:2", f"{SHOP}:1"]


def test_tenants_that_share_a_key_row_are_on_releases_of_their_own() -> None:
    """What an instance keeps for one tenant is never another's."""
    world = Published()
    world.publish(1)
    world.write_release(2)
    world.turn(1, canary={"release": 2, "tenants": ["demo"], "started_at": 1})
    lambdas = Lambdas(world)
    for tenant, release in [("demo", "2"), ("acme", "1")] * 2:
        assert lambdas.release_of(tenant) == release
